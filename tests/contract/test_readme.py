"""The README's code runs, its table is the results file's, and its links fastest_variant somewhere."""

import re
from pathlib import Path

import pytest

from mtl_bench.report.evidence_table import evidence_tables
from mtl_bench.report.markdown_table import fill_tables
from mtl_bench.report.readme_table import all_tables, short_table
from mtl_bench.results.by_processor import read_by_processor
from mtl_bench.results.files import read_report
from mtl_export.bundling.export_bundle import export_bundle
from mtl_export.config import Config
from mtl_export.training import train
from mtl_runtime.core import records
from mtl_runtime.evidence.schema import Evidence
from tests.export.tiny import project

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("examples/*/*.md")),
]

CONFIG = """
[encoder]
model = "encoder"
max_length = 40
[tasks.sentiment]
[tasks.domain]
column = "topic"
[data]
train = "train.csv"
validation = "validation.csv"
[training]
epochs = 1
"""


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_blocks_of_the_readme_run_as_they_stand(tmp_path, monkeypatch, capsys):
    folder = project(tmp_path / "project")
    (folder / "config.toml").write_text(CONFIG)
    train(Config.from_toml(folder / "config.toml"), tmp_path / "checkpoint")
    export_bundle(tmp_path / "checkpoint", tmp_path / "build" / "demo" / "bundle")
    example = tmp_path / "examples" / "vader"
    example.mkdir(parents=True)
    (example / "config.toml").write_text(
        CONFIG.replace('"encoder"', '"../../project/encoder"')
        .replace('= "train', '= "../../project/train')
        .replace('= "validation', '= "../../project/validation')
    )
    monkeypatch.chdir(tmp_path)
    found = blocks("python")
    assert len(found) == 2
    for block in found:
        exec(compile(block, "README.md", "exec"), {})
    assert re.search(r"^cpu-(fp32|int8) .*batches of \d+ tokens", capsys.readouterr().out, flags=re.MULTILINE)


def test_the_config_of_the_readme_is_a_config(tmp_path):
    (block,) = blocks("toml")
    (tmp_path / "config.toml").write_text(block)
    config = Config.from_toml(tmp_path / "config.toml")
    assert config.data.sources[0].holdout == 0.2
    assert list(config.tasks) == ["topic", "urgency"]


def test_what_the_readme_says_first_of_400_rows_is_in_the_table_of_small_data():
    table = (ROOT / "docs" / "small-data.md").read_text("utf-8")
    percent = []
    for task in ("topic", "urgency"):
        (row,) = re.findall(
            rf"^\| support tickets, 400 rows \| {task} \| 400 \| (0\.\d+) .*?\| (0\.\d+) ", table, flags=re.MULTILINE
        )[:1]
        percent.append([f"{100 * float(share):.0f} %" for share in row])
    (probe, ours), (probe_of_second, ours_of_second) = percent
    first_screen = " ".join(README.partition("## Your own sentences")[0].split())
    assert f"{ours} and {ours_of_second} of unseen messages" in first_screen
    assert f"against {probe} and {probe_of_second} by a logistic regression" in first_screen


def test_own_sentences_and_their_evaluation_stand_before_the_tables():
    places = ("## Your own sentences", "mtl export checkpoint", "mtl evaluate bundle", "<!-- evidence table: start -->")
    assert [*map(README.index, places)] == sorted(map(README.index, places))


def test_the_table_of_the_readme_is_that_of_the_results_files():
    folder = ROOT / "benchmarks" / "results"
    files = [folder / "demo_evidence.json", folder / "demo_evidence_openvino.json"]
    evidence = [records.from_json(Evidence, file.read_bytes()) for file in files]
    assert fill_tables(README, evidence_tables(evidence)) == README, "run `make results`"


def test_the_benchmark_tables_are_those_of_the_results_files():
    folder = ROOT / "benchmarks" / "results" / "bench"
    (shown,) = re.findall(r"^SHOWN \?= (\S+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    page = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    assert fill_tables(README, short_table(read_report(folder / f"{shown}.json"))) == README, "run `make bench-results`"
    assert fill_tables(page, all_tables(read_by_processor(folder))) == page, "run `make bench-results`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target
