"""The benchmark's page says first what the figures say, breaks on no report, and cannot be made to run anything."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_bench.analysis.conclusions import conclusions
from mtl_bench.analysis.extra_figures import multiples_of_one_task, peak_shares, widest_deviation
from mtl_bench.analysis.ranking import (
    baseline_system,
    comparison_with_peers,
    fastest_variant,
    headline_score,
    is_accurate_enough,
)
from mtl_bench.analysis.summary import relative_speed, summarize
from mtl_bench.analysis.warnings import run_warnings
from mtl_bench.report.__main__ import main
from mtl_bench.report.charts.axes import linear_axis, logarithmic_axis
from mtl_bench.report.charts.series_style import series_styles
from mtl_bench.report.charts.speed_charts import pareto_front
from mtl_bench.report.document import report_page
from mtl_bench.results.schema import Report
from mtl_runtime.core.records import from_dict, to_dict, to_json
from mtl_runtime.report import number_format
from tests.bench.report.report_records import REPORT, SMUGGLED, SYSTEMS, TEXTS
from tests.runtime.report.page_document import Document

OURS = {name: result for name, result in SYSTEMS.items() if result.kind == "ours"}


@pytest.fixture(scope="module")
def page():
    return report_page(REPORT, title="demo <bundle>")


@pytest.fixture(scope="module")
def document(page):
    return Document(page)


def only(**changes) -> Document:
    """The page of the report with these fields changed."""
    return Document(report_page(replace(REPORT, **changes), title="t"))


def slower(name, factor):
    """The systems, one of them with ``factor`` times its seconds offline."""
    offline = SYSTEMS[name].offline
    seconds = tuple(tuple(factor * value for value in process) for process in offline.seconds)
    return {**SYSTEMS, name: replace(SYSTEMS[name], offline=replace(offline, seconds=seconds))}


def test_the_page_is_well_formed_and_declares_language_charset_and_title(page, document):
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert document.named("meta")[0] == {"charset": "utf-8"}
    assert "demo <bundle>: benchmark" in document.text


def test_equal_reports_give_equal_bytes(page):
    assert report_page(from_dict(Report, to_dict(REPORT)), title="demo <bundle>") == page


def test_the_policy_names_exactly_this_style_and_this_script(document):
    (policy,) = [meta["content"] for meta in document.named("meta") if "http-equiv" in meta]
    hashes = {
        name: base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        for name, content in document.assets.items()
    }
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_nothing_is_loaded_from_elsewhere(document):
    for name in ("img", "link", "iframe", "object", "embed", "base", "form"):
        assert document.named(name) == []
    assert all("src" not in attributes for _, attributes in document.elements)
    assert "url(" not in document.assets["style"]
    assert "@import" not in document.assets["style"]
    assert not re.search(r"innerHTML|insertAdjacentHTML|fetch|XMLHttp|eval|document\.write", document.assets["script"])


def test_no_attribute_of_the_page_runs_or_styles_anything(document):
    for _, attributes in document.elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes)


def test_headings_stand_in_order(document):
    levels = [int(tag[1]) for tag, _ in document.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=40))
def test_no_text_of_a_user_becomes_an_element(words):
    hostile = f"{words}{SMUGGLED}'\"&"
    result = replace(SYSTEMS["openvino"], title=hostile, command=hostile, facts={hostile: hostile}, warnings=(hostile,))
    changed = replace(
        REPORT,
        bundle=hostile,
        tasks={},
        systems={"cpu-fp32": SYSTEMS["cpu-fp32"], hostile: result},
        skipped={hostile: hostile},
        warnings=(hostile,),
        lengths=(),
        threads=(),
        roofline=None,
    )
    harmless = replace(
        changed,
        bundle="b",
        systems={
            "cpu-fp32": SYSTEMS["cpu-fp32"],
            "x": replace(result, title="x", command="x", facts={"x": "x"}, warnings=("x",)),
        },
        skipped={"x": "x"},
        warnings=("x",),
    )
    tags = [tag for tag, _ in Document(report_page(changed, title=hostile)).elements]
    assert tags == [tag for tag, _ in Document(report_page(harmless, title="t")).elements]


def test_a_fact_becomes_a_link_only_where_it_is_a_web_address():
    facts = {"docs": "https://example.org/a?b&c", "other": "javascript:document.title='ran'"}
    changed = only(systems={**SYSTEMS, "openvino": replace(SYSTEMS["openvino"], facts=facts)})
    links = [attributes["href"] for attributes in changed.named("a")]
    assert "https://example.org/a?b&c" in links
    assert all(link.startswith("https://") for link in links)


def test_the_verdict_leads_with_the_variant_that_passed_the_gate_and_says_how_right_it_is(document):
    times, most = (relative_speed(REPORT, "cpu-int8", other) for other in ("openvino", "pipeline"))
    first = conclusions(REPORT)[0]
    assert first == (
        f"cpu-int8 answers {number_format.small(times.median)} times (95 %: {number_format.small(times.low)}\u2013"
        f"{number_format.small(times.high)}) as many texts per second as openvino, the fastest of 7 peers at equal or "
        f"better accuracy, and {number_format.small(most.median)} times as many as the slowest, pipeline; at 98.80 % / "
        "99.40 % of cpu-fp32's answers (sentiment / domain)."
    )
    assert document.text.index(first) < document.text.index("Systems")


def test_a_variant_outside_its_budget_leads_only_where_no_other_was_timed():
    assert fastest_variant(REPORT.systems) == "cpu-int8"
    alone = replace(REPORT, systems={"cpu-int8-static": SYSTEMS["cpu-int8-static"]})
    assert fastest_variant(alone.systems) == "cpu-int8-static"


def test_the_verdict_counts_the_peers_that_are_as_right_and_names_those_that_are_not():
    assert conclusions(REPORT)[1] == (
        "In offline throughput cpu-int8 is ahead of all 7 peers that ran at equal or better accuracy."
    )
    assert "1 peer answered less accurately, by more than 0.5 points: tfidf by 7.7." in conclusions(REPORT)
    assert "1 peer failed: engine." in conclusions(REPORT)


def test_the_verdict_says_where_a_peer_is_ahead_and_by_how_much():
    ahead = replace(REPORT, systems=slower("openvino", 0.2))
    times = relative_speed(ahead, "cpu-int8", "openvino")
    assert times.median < 1
    assert conclusions(ahead)[1] == (
        f"In offline throughput cpu-int8 is behind openvino ({number_format.small(times.median)} times its throughput) "
        "and ahead of 6 of the 7 peers that ran at equal or better accuracy."
    )


def test_a_peer_whose_interval_holds_one_is_level():
    times = relative_speed(REPORT, "cpu-int8", "openvino").median
    level = replace(REPORT, systems=slower("openvino", 1 / times))
    assert "is level with openvino" in conclusions(level)[1]


def test_the_verdict_says_when_peers_are_quicker_with_single_texts_and_at_the_server():
    openvino, quick = SYSTEMS["openvino"], SYSTEMS["cpu-int8"]
    stream = replace(
        quick.single_stream, latencies=tuple(tuple(v / 2 for v in p) for p in quick.single_stream.latencies)
    )
    faster = replace(openvino, single_stream=stream, server=replace(openvino.server, best=900.0))
    sentences = " ".join(conclusions(replace(REPORT, systems={**SYSTEMS, "openvino": faster})))
    assert "behind the quickest such peer, openvino" in sentences
    assert "within 50 ms, behind the best such peer, openvino (900)" in sentences


def test_without_peers_the_verdict_compares_nothing_and_says_so():
    sentences = conclusions(replace(REPORT, systems=OURS))
    assert sentences[0].startswith("cpu-int8 answers 2.")
    assert "as many texts per second as cpu-fp32; at" in sentences[0]
    assert sentences[1] == "No peer was measured."


def test_a_single_peer_is_named_by_what_it_is_and_not_twice():
    sentences = conclusions(replace(REPORT, systems={**OURS, "openvino": SYSTEMS["openvino"]}))
    assert f"openvino ({SYSTEMS['openvino'].title}), the only peer at equal or better accuracy; at" in sentences[0]
    assert not any(sentence.startswith("In offline throughput") for sentence in sentences)


def test_peers_that_all_failed_are_not_passed_over():
    failed = {name: replace(result, error="it broke") for name, result in SYSTEMS.items() if result.kind == "peer"}
    sentences = conclusions(replace(REPORT, systems={**OURS, **failed}))
    assert sentences[1] == "No peer ran at equal or better accuracy, so offline there is nothing to be ahead of."


def test_a_variant_that_is_alone_has_a_rate_and_no_multiple():
    sentences = conclusions(replace(REPORT, systems={"cpu-fp32": SYSTEMS["cpu-fp32"]}))
    assert re.match(r"cpu-fp32 answers 4\d\d texts per second; with every one of cpu-fp32's answers\.", sentences[0])


def test_without_any_figure_there_is_no_verdict():
    assert "no verdict" in conclusions(replace(REPORT, systems={}))[0]


def test_many_tasks_are_summarized_by_the_worst_of_them():
    agreement = {f"task {number}": 0.99 - number / 1000 for number in range(6)}
    right = replace(SYSTEMS["cpu-int8"].answers, agreement=agreement)
    systems = {**SYSTEMS, "cpu-int8": replace(SYSTEMS["cpu-int8"], answers=right)}
    sentences = conclusions(replace(REPORT, systems=systems))[0]
    assert "with at least 98.50 % of cpu-fp32's answers in each of 6 tasks (task 5)" in sentences


def test_without_labels_peers_are_as_right_as_they_agree():
    bare = {
        name: replace(result, answers=replace(result.answers, metrics={}) if result.answers else None)
        for name, result in SYSTEMS.items()
    }
    comparison = comparison_with_peers(replace(REPORT, systems=bare), "cpu-int8")
    assert set(comparison.less_accurate) == {"tfidf", "torch-int8"}


@given(st.floats(0, 1), st.floats(0, 1))
def test_half_a_point_less_is_equal_and_more_is_not(theirs, ours):
    if abs(theirs - ours + 0.005) > 1e-8:
        assert is_accurate_enough(theirs, ours) == (ours - theirs < 0.005)


def test_half_a_point_in_decimals_is_equal_whatever_its_binary_rounding():
    assert all(is_accurate_enough((count - 5) / 1000, count / 1000) for count in range(5, 1001))


def test_every_peer_is_in_one_group_and_in_one_only():
    comparison = comparison_with_peers(REPORT, "cpu-int8")
    groups = (comparison.less_accurate, comparison.unmeasured, comparison.failed)
    names = [*(peer.name for peer in comparison.comparable), *(name for group in groups for name in group)]
    assert sorted(names) == sorted(name for name, result in SYSTEMS.items() if result.kind == "peer")


def test_the_baseline_is_the_slowest_peer_that_is_as_right():
    assert baseline_system(REPORT, "cpu-int8") == "pipeline"
    assert baseline_system(replace(REPORT, systems=slower("tfidf", 1e6)), "cpu-int8") == "pipeline"
    assert baseline_system(replace(REPORT, systems={}), None) is None


def test_all_warnings_stand_between_the_verdict_and_the_table(document):
    shown = document.text[: document.text.index("Systems")]
    assert len(run_warnings(REPORT)) == 4
    for name, warning in run_warnings(REPORT):
        assert warning in shown
        assert name in shown


def test_without_warnings_there_is_no_box_of_them():
    sure = {name: replace(result, warnings=()) for name, result in SYSTEMS.items()}
    assert "may not be trusted" not in only(systems=sure, warnings=()).text


@pytest.mark.parametrize(
    "fact",
    [
        "Invented <8-Core> Processor, 2 of 8 cores, Linux; 2026-11-24 13:25 UTC, 47 minutes.",
        "2,354 texts of test.csv timed, 2,354 scored (2,354 labelled); 61,204 tokens, 4 to 128 each; 2 tasks.",
        REPORT.digest,
        REPORT.command,
        REPORT.workload.sha256,
        "avx2, fma, avx512f, avx512_vnni",
        "0.40 %",
        "torch 2.13.0+cpu",
        "this machine has no provider cuda",
        "results.json next to this page",
        *(result.command for result in SYSTEMS.values()),
        *(result.title for result in SYSTEMS.values()),
    ],
)
def test_every_fact_that_the_figures_rest_on_is_there(document, fact):
    assert " ".join(fact.split()) in document.text


def rows(document):
    """By system: its row's attributes and the values of its cells."""
    by_name, cells = {}, []
    for tag, attributes in document.elements:
        if tag == "tbody" and "data-name" in attributes:
            cells = by_name[attributes["data-name"]] = []
        elif tag == "td" and "data-value" in attributes:
            cells.append(float(attributes["data-value"]))
    return by_name


def test_ours_come_first_and_every_system_has_its_row(document):
    assert list(rows(document)) == list(SYSTEMS)
    shuffled = only(systems=dict(reversed(SYSTEMS.items())))
    assert list(rows(shuffled))[:3] == list(reversed(OURS))


def test_a_row_holds_the_raw_figures_that_it_is_sorted_by(document):
    result = SYSTEMS["cpu-int8"]
    row, times = summarize(result), relative_speed(REPORT, "cpu-int8", "pipeline")
    assert rows(document)["cpu-int8"] == pytest.approx(
        [0.988, 0.994, 0.7749, 0.9425, 1000 * row.latency[50].median, 1000 * row.latency[99].median,
         row.throughput.median, times.median, row.server_rate, row.cold_start.median, row.peak_bytes, row.size_bytes]
    )  # fmt: skip


def test_a_failed_system_has_its_reason_instead_of_figures(document):
    assert rows(document)["engine"] == []
    assert f"failed: {SYSTEMS['engine'].error}" in document.text


def test_every_multiple_carries_those_of_all_other_baselines(document):
    cells = [json.loads(cell["data-against"]) for cell in document.named("td") if "data-against" in cell]
    timed = [name for name, result in SYSTEMS.items() if result.offline]
    assert [list(cell) for cell in cells] == [timed] * len(timed)
    for name, cell in zip(timed, cells, strict=True):
        assert cell[name] == ["1", "", 1.0]
        assert cell["openvino"][2] == pytest.approx(relative_speed(REPORT, name, "openvino").median)


def test_the_charts_of_all_parts_are_there(document):
    for heading in (
        "Offline throughput",
        "Accuracy against throughput",
        "Server: latency against offered rate",
        "One graph, N tasks",
        "Session alone",
        "Roofline",
        "Size of a batch, in texts",
        "Size of a batch, in tokens",
        "Length of the texts",
        "Cold start",
        "Workers and threads",
    ):
        assert heading in document.texts


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"tasks_curve": None}, "One graph, N tasks"),
        ({"roofline": None}, "Roofline"),
        ({"lengths": ()}, "Length of the texts"),
        ({"threads": ()}, "Workers and threads"),
        ({"systems": {n: replace(r, server=None) for n, r in SYSTEMS.items()}}, "Server: latency against offered rate"),
        ({"systems": {n: replace(r, cold_start=None) for n, r in SYSTEMS.items()}}, "Cold start"),
        ({"systems": {n: replace(r, answers=None) for n, r in SYSTEMS.items()}}, "Accuracy against throughput"),
        ({"systems": {n: replace(r, offline=None) for n, r in SYSTEMS.items()}}, "Offline throughput"),
        ({"systems": {n: replace(r, single_stream=None, memory=None) for n, r in SYSTEMS.items()}}, None),
        ({"systems": OURS}, None),
        ({"systems": {"engine": SYSTEMS["engine"]}}, "Offline throughput"),
        (
            {"systems": {}, "lengths": (), "threads": (), "roofline": None, "tasks_curve": None, "tasks": {}},
            "Cold start",
        ),
        ({"skipped": {}, "warnings": (), "made_with": {}, "reference_seconds": ()}, None),
    ],
)
def test_a_part_that_was_not_measured_is_left_out_and_the_page_still_stands(changes, gone):
    assert gone not in only(**changes).texts


def test_a_report_without_labels_speaks_of_agreement():
    bare = {n: replace(r, answers=r.answers and replace(r.answers, metrics={})) for n, r in SYSTEMS.items()}
    text = only(systems=bare).text
    assert "mean agreement over tasks" in text
    assert "mean accuracy over tasks" not in text


def test_a_regression_counts_with_its_correlation():
    answers = replace(SYSTEMS["cpu-int8"].answers, metrics={"a": {"accuracy": 0.8}, "b": {"pearson": 0.9, "mae": 0.4}})
    assert headline_score(answers) == pytest.approx(0.85)


def test_the_tasks_curve_is_in_multiples_of_one_task():
    curve = replace(
        REPORT.tasks_curve, counts=(1, 2), one_graph=((2.0, 4.0), (2.2, 4.0)), separate=((2.0, 4.0), (4.0, 8.0))
    )
    sides = multiples_of_one_task(curve)
    assert [ratio.median for ratio in sides["one graph"]] == pytest.approx([1.0, 1.05])
    assert [ratio.median for ratio in sides["separate models"]] == pytest.approx([1.0, 2.0])
    assert widest_deviation(sides["one graph"]) == pytest.approx(0.05)
    assert "flat within 5 %" in only(tasks_curve=curve).text


def test_a_roofline_is_useful_work_over_the_peak_of_the_same_round():
    useful = replace(REPORT.roofline.variants["cpu-fp32"], flops=60.0, seconds=(1.0, 2.0, 3.0))
    peak = replace(REPORT.roofline.peaks["cpu fp32"], flops=(50.0, 60.0, 90.0))
    shares = peak_shares(replace(REPORT.roofline, peaks={"cpu fp32": peak}, variants={"a": useful}))
    assert shares["a"].median == pytest.approx(0.5)


POINTS = st.tuples(st.floats(0.1, 1e6), st.floats(0, 1))


@given(st.dictionaries(st.text(max_size=3), POINTS, min_size=1))
def test_nothing_beats_a_system_of_the_front_and_something_beats_every_other(spots):
    front = pareto_front(spots)

    def beaten(name):
        x, y = spots[name]
        return any(p >= x and q >= y and (p, q) != (x, y) for p, q in spots.values())

    assert front
    assert set(front) == {name for name in spots if not beaten(name)}


@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20))
def test_every_axis_holds_all_of_its_values_in_their_order(values):
    for axis in (linear_axis(values), linear_axis(values, low=None), logarithmic_axis(values)):
        shares = [axis.share(value) for value in sorted(values)]
        assert shares == sorted(shares)
        assert axis.low <= min(values) * (1 + 1e-9)
        assert axis.high >= max(values) * (1 - 1e-9)
        assert 1 <= len(axis.ticks) <= 12
        assert all(axis.low - 1e-9 <= tick <= axis.high * (1 + 1e-9) for tick in axis.ticks)


@given(value=st.floats(1e-6, 1e9))
def test_an_axis_has_room_even_where_all_values_are_the_highest_that_makes_sense(value):
    axis = linear_axis([value, value], low=None, high=value)
    assert axis.low < axis.high
    assert 0 <= axis.share(value) <= 1


def test_thirty_two_systems_look_different_and_ours_are_filled():
    systems = {f"p{number}": replace(SYSTEMS["openvino"]) for number in range(31)}
    styles = series_styles(
        replace(REPORT, systems={**systems, "cpu-int8": SYSTEMS["cpu-int8"]}, roofline=None, threads=())
    )
    # Where a mark stands, its colour and its shape, but not whose it is.
    marks = [(style.colour, str(style.mark(0, 0, ""))) for style in styles.values()][:32]
    assert len(set(marks)) == 32
    assert "holds" in styles["cpu-int8"].mark(0, 0, "")


def test_a_bars_figure_and_its_interval_come_from_the_raw_values(document):
    rate = summarize(SYSTEMS["cpu-int8"]).throughput
    span = f"{number_format.small(rate.low)}\u2013{number_format.small(rate.high)}"
    tooltip = f"cpu-int8: {number_format.small(rate.median)} (95 %: {span}) texts/s"
    assert tooltip in document.texts
    assert rate.n == 3  # fresh processes
    assert rate.low <= TEXTS / min(SYSTEMS["cpu-int8"].offline.seconds[0])


def test_three_digits_of_almost_a_thousand_are_a_thousand():
    assert number_format.small(999.7) == "1,000"
    assert number_format.small(999.4) == "999"


def test_the_command_writes_the_page_of_a_results_file(tmp_path):
    (tmp_path / "results.json").write_text(to_json(REPORT), "utf-8")
    arguments = [str(tmp_path / "results.json"), str(tmp_path / "report.html")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "report.html").read_text("utf-8") == report_page(REPORT, title=REPORT.bundle)


def test_the_command_refuses_a_file_that_is_no_report(tmp_path):
    (tmp_path / "results.json").write_text('{"machine": 3}', "utf-8")
    done = CliRunner().invoke(main, [str(tmp_path / "results.json"), str(tmp_path / "report.html")])
    assert done.exit_code == 1
    assert "Error: results.json" in done.output
    assert not (tmp_path / "report.html").exists()
