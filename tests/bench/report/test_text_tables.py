"""A run as text: in terminals of any width, as Markdown, and as a page's table between its markers."""

import dataclasses
import re

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mtl_bench.analysis.conclusions import conclusions
from mtl_bench.report import readme_table
from mtl_bench.report.markdown import report_markdown, table_markdown
from mtl_bench.report.markdown_table import cell, fill_tables
from mtl_bench.report.terminal import print_report, split_columns
from mtl_bench.report.text_table import text_table
from mtl_bench.results.files import read_report
from mtl_bench.results.scenarios import Server
from mtl_bench.results.schema import SystemResult
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError
from tests.bench.compare.noisy_runs import noisy_report, with_rows

PAGE = "before\n<!-- benchmark table: start -->\nold\n<!-- benchmark table: end -->\nafter\n"


@pytest.fixture
def report():
    """Four systems: one with a server's rate and a warning, one that failed."""
    made = noisy_report(1)
    row = dataclasses.replace(
        made.systems["cpu-int8"],
        status="emulated",
        size_bytes=23_400_000,
        server=Server(bound=0.05, rates=(), best=612.4),
        warnings=("its answers changed between processes",),
    )
    broken = SystemResult(title="a | b", kind="peer", command="mtl bench", error="ImportError: no <module>\nmore")
    return dataclasses.replace(
        with_rows(made, cpu_int8=row, broken=broken),
        warnings=("the machine was busy",),
        skipped={"cuda-fp16": "there is no GPU here"},
    )


def test_the_table_has_a_row_for_each_system_and_its_figures(report):
    table = text_table(report)
    assert list(table.rows) == list(report.systems)
    int8 = dict(zip(table.header, table.rows["cpu-int8"], strict=True))
    assert int8["agreement"] == "99.00%"
    assert int8["sentiment: accuracy"] == "0.810"
    assert int8["texts/s with p99 below 50 ms"] == "612"
    assert int8["size, MB"] == "23"
    assert re.fullmatch(r"\d+ \(\d+ to \d+\)", int8["texts/s"])
    assert re.fullmatch(r"\d\.\d\d / \d\.\d\d", int8["p50 / p99, ms"])
    assert re.fullmatch(r"2\.\d\dx", int8["times cpu-fp32"])
    assert dict(zip(table.header, table.rows["cpu-fp32"], strict=True))["times cpu-fp32"] == "1.00x"


def test_a_system_that_failed_is_a_row_and_its_reason_is_under_the_table(report):
    table = text_table(report)
    assert table.rows["broken"][:2] == ("a | b", "failed")
    assert set(table.rows["broken"][2:]) == {""}
    assert table.remarks == (
        "cpu-int8: its answers changed between processes",
        "a | b failed: ImportError: no <module>",
        "the machine was busy",
        "cuda-fp16 was left out: there is no GPU here",
    )


def test_what_no_system_has_is_no_column():
    bare = noisy_report(1)
    rows = {
        name.replace("-", "_"): dataclasses.replace(row, single_stream=None, cold_start=None)
        for name, row in bare.systems.items()
    }
    header = text_table(with_rows(bare, **rows)).header
    assert not {"p50 / p99, ms", "cold start, s", "size, MB"} & set(header)
    assert not any(title.startswith("texts/s with p99") for title in header)


def test_a_run_in_which_all_failed_is_a_table_of_failures(report):
    everything = {
        name.replace("-", "_"): SystemResult(title=name, kind="ours", command="", error="it broke")
        for name in report.systems
    }
    failed = with_rows(report, **everything)
    assert set(text_table(failed).rows.values()) == {(name, "failed") for name in report.systems}


@pytest.mark.parametrize("width", [60, 80, 120, 400])
def test_a_terminal_shows_every_cell_and_no_line_wider_than_itself(report, width, capsys):
    print_report(report, width=width)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("cpu-int8 answers 3.")
    assert "bundle, 400 texts (texts) on some-cpu-2c" in lines
    assert max(len(line) for line in lines) <= width
    shown = "\n".join(lines)
    table = text_table(report)
    for text in (*table.header, *(text for row in table.rows.values() for text in row), *table.remarks):
        assert text in shown


def test_a_long_title_is_folded_and_leaves_room_for_the_figures(capsys):
    run = noisy_report(1)
    title = "an engine whose title goes on for much longer than a terminal is wide"
    print_report(with_rows(run, peer=dataclasses.replace(run.systems["peer"], title=title)), width=80)
    _, *lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.lstrip().startswith("an engine whose title") and "99.00%" in line for line in lines)
    assert sum("system" in line for line in lines) <= 4


@given(st.lists(st.integers(0, 30), min_size=2, max_size=12), st.integers(20, 200))
def test_law_every_column_is_in_one_part_and_the_first_in_all(widths, width):
    header = ["x" * size for size in widths]
    table = list(split_columns(header, [], width))
    assert [column for part in table for column in part[1:]] == list(range(1, len(header)))
    assert {part[0] for part in table} == {0}


def test_markdown_is_a_table_whatever_titles_and_errors_hold(report):
    lines = [line for line in table_markdown(report).splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert "| **cpu-int8** |" in "\n".join(lines)
    assert r"| a \| b | failed |" in "\n".join(lines)
    assert "- a \\| b failed: ImportError: no &lt;module>\n" in report_markdown(report)
    assert "400 texts (texts); Some CPU, 2 of 4 cores; onnxruntime 1.23.0" in report_markdown(report)


def test_the_readmes_table_is_put_between_its_markers_and_is_then_up_to_date(report, tmp_path):
    page, results = tmp_path / "README.md", tmp_path / "some-cpu.json"
    page.write_text(PAGE, "utf-8")
    results.write_text(records.to_json(report), "utf-8")
    command = [str(page), str(tmp_path), "--shown", "some-cpu"]
    done = CliRunner().invoke(readme_table.main, command, catch_exceptions=False)
    assert done.exit_code == 0
    text = page.read_text("utf-8")
    assert text.startswith("before\n<!-- benchmark table: start -->\n| system |")
    assert text.endswith("<!-- benchmark table: end -->\nafter\n")
    assert "\nMeasured on Some CPU with " in text
    assert conclusions(read_report(results))[0] in text
    assert fill_tables(text, readme_table.short_table(read_report(results))) == text
    assert fill_tables(text, readme_table.short_table(noisy_report(2))) != text


def test_processors_stand_side_by_side_each_with_its_own_verdict(report, tmp_path):
    slow = dataclasses.replace(report.machine, cpu="Slow CPU")
    lacking = {name: result for name, result in report.systems.items() if name != "cpu-int8"}
    reports = {"Fast": report, "Slow": dataclasses.replace(report, machine=slow, systems=lacking)}
    text = readme_table.all_tables(reports)["benchmark table"]
    first, *rows = text.splitlines()
    assert first == "| texts/s, and times cpu-fp32 | Fast | Slow |"
    (int8,) = [row for row in rows if row.startswith("| **cpu-int8** |") and row.count("|") == 4]
    assert int8.endswith("x) |  |")  # not measured on the slow one
    assert [row for row in rows if row.startswith("### ")] == ["### Fast", "### Slow"]
    for own in reports.values():
        assert f"**{cell(conclusions(own)[0])}**" in text


@pytest.mark.parametrize("page", ["nothing", PAGE.replace("end -->", "-->"), PAGE.replace("start", "")])
def test_a_page_without_its_markers_is_an_error(page):
    with pytest.raises(MtlError, match="no markers <!-- benchmark table: start --> and <!-- benchmark table: end -->"):
        fill_tables(page, {"benchmark table": ""})


def test_tables_of_other_names_are_left_alone():
    both = PAGE.replace("benchmark", "evidence") + PAGE
    assert fill_tables(both, {"benchmark table": "new\n"}) == both[: -len(PAGE)] + PAGE.replace("old", "new")


def test_several_tables_are_filled_each_between_its_own_markers():
    both = PAGE.replace("benchmark", "evidence") + PAGE
    filled = fill_tables(both, {"benchmark table": "one\n", "evidence table": "two\n"})
    assert filled == PAGE.replace("benchmark", "evidence").replace("old", "two") + PAGE.replace("old", "one")
