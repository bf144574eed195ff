"""The study of int8 methods on a tiny model: its passes, its measures, its results file and its page."""

import json
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_bench.report.markdown_table import fill_tables
from mtl_bench.results.files import read_results
from mtl_bench.studies.quantization import command
from mtl_bench.studies.quantization.clipping import Histogram, range_by_entropy, range_by_percentile
from mtl_bench.studies.quantization.method_inputs import MethodInputs
from mtl_bench.studies.quantization.methods import BASELINE, DEFAULT, METHODS, Method
from mtl_bench.studies.quantization.results import QuantizationResults
from mtl_bench.studies.quantization.tables import page_tables
from mtl_export.checkpoint import load_checkpoint
from mtl_export.graphs.int8.smoothquant import apply_smoothquant
from mtl_runtime.core import records
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch
from tests.bench.tiny_checkpoint import tiny_checkpoint
from tests.export.tiny import rows

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "benchmarks" / "results" / "quantization.json"
PAGE = ROOT / "docs" / "quantization.md"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def inputs(trained, tmp_path_factory):
    model = load_checkpoint(trained / "checkpoint").model
    texts = model.tokenize([row["text"] for row in rows(64, seed=1)])
    return MethodInputs(model, texts, tmp_path_factory.mktemp("graphs"))


def test_the_command_writes_figures_or_an_error_for_each_method(trained, tmp_path, monkeypatch):
    def broken(_ingredients, file):
        raise ValueError(f"no graph at {file}")

    monkeypatch.setitem(METHODS, "broken", Method("broken", broken))
    data = ["--calibration", str(trained / "train.csv"), "--data", str(trained / "test.csv")]
    output = tmp_path / "results.json"
    done = CliRunner().invoke(
        command.main, [str(trained / "checkpoint"), *data, "-o", str(output), "--rounds", "2"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    text = output.read_text("utf-8")
    assert str(tmp_path.parent) not in text
    assert "/tmp" not in text
    results = records.from_json(QuantizationResults, text)
    assert list(results.methods) == list(METHODS)
    assert {name for name, result in results.methods.items() if result.error} == {"broken"}
    for name, result in results.methods.items():
        assert (result.figures is None) == (name == "broken")
        if result.figures:
            assert set(result.figures.tasks) == {"sentiment", "topic"}
            assert len(result.figures.ratios) == 2
            assert result.figures.bytes > 0
    again = CliRunner().invoke(
        command.main,
        [str(trained / "checkpoint"), *data, "-o", str(output), "--rounds", "1", "--time-again"],
        catch_exceptions=False,
    )
    assert again.exit_code == 0, again.output
    retimed = read_results(QuantizationResults, output).methods[DEFAULT].figures
    assert retimed.tasks == results.methods[DEFAULT].figures.tasks
    assert len(retimed.ratios) == 1
    baseline, ours = results.methods[BASELINE].figures, results.methods[DEFAULT].figures
    assert baseline.speed.median == 1.0
    assert baseline.tasks["topic"].agreement == 1.0
    assert ours.operators["MatMulIntegerToFloat"] == 6
    assert ours.operators["QAttention"] == 2
    apart = results.methods["default-products-apart"].figures
    assert (apart.operators["MatMulIntegerToFloat"], apart.operators["MultiHeadAttention"]) == (12, 2)
    assert apart.tasks == ours.tasks


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.75, 1.0])
def test_smoothing_leaves_the_answers_of_fp32(inputs, tmp_path, alpha):
    fused = inputs.graphs.fused
    model, _ = apply_smoothquant(fused, inputs.graphs.fused_ranges, alpha=alpha)
    batch = Batch.of(inputs.texts[:16], pad_id=0)
    before, after = (run(save(graph, tmp_path / f"{at}.onnx"), batch) for at, graph in enumerate((fused, model)))
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    # Query, key and value share one division.
    assert sum(node.op_type == "Mul" and str(node.name).endswith(".smooth") for node in model.graph) == 8


def test_a_sentence_s_company_shows_in_dynamic_int8_and_not_in_ours(inputs, tmp_path):
    movements = {}
    for name in ("dynamic", DEFAULT):
        file = tmp_path / f"{name}.onnx"
        METHODS[name].build(inputs, file)
        alone = np.concatenate([run(file, Batch.of([text], pad_id=0))[0] for text in inputs.texts])
        together = run(file, Batch.of(inputs.texts, pad_id=0))[0]
        movements[name] = np.abs(alone - together).max()
    assert movements[DEFAULT] < 1e-4
    assert movements["dynamic"] > 1e-2


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=200), st.floats(90, 100))
def test_a_percentile_s_range_lies_within_that_of_min_and_max_and_holds_its_share(values, percent):
    low, high = min(values), max(values) + 1.0
    histogram = Histogram(np.histogram(values, 4096, (low, high))[0], low, high)
    first, last = range_by_percentile(histogram, percent=percent)
    assert low <= first <= last <= high + 1e-9
    inside = sum(first - 1e-3 <= value <= last + 1e-3 for value in values)
    assert inside >= percent / 100 * len(values) - 2


def test_entropy_cuts_off_a_lone_outlier_and_keeps_an_even_spread():
    generator = np.random.default_rng(0)
    body = generator.normal(0, 1, 100_000)
    spiky = Histogram(np.histogram(np.append(body, [-40, 40]), 4096, (-40, 40))[0], -40, 40)
    even = Histogram(np.histogram(generator.uniform(-1, 1, 100_000), 4096, (-1, 1))[0], -1, 1)
    assert range_by_entropy(spiky)[1] < 20
    assert range_by_entropy(even)[1] > 0.95


def test_the_tables_of_the_page_are_those_of_the_results_file():
    page = PAGE.read_text("utf-8")
    results = read_results(QuantizationResults, RESULTS)
    assert fill_tables(page, page_tables(results)) == page
    assert {name: result.title for name, result in results.methods.items()} == {
        name: method.title for name, method in METHODS.items()
    }
    assert "/tmp" not in RESULTS.read_text("utf-8")
    assert json.loads(RESULTS.read_text("utf-8"))["machine"]


def save(model, file):
    ir.save(model, file)
    return file


def run(file, batch):
    session = Session.open(file)
    return session.run(batch, [name for name in session.outputs if name.startswith("logits.")])
