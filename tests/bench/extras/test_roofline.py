"""Achieved against possible: the products that show a peak are those written down, and shares are of rounds."""

import dataclasses
import logging
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mtl_bench.analysis.extra_figures import peak_shares
from mtl_bench.extras import peaks as module
from mtl_bench.extras.flops import count_flops, flops_of
from mtl_bench.extras.matmul_graph import OUTPUT, STYLES, TABLE_ROWS, ProductShape, product_graph
from mtl_bench.extras.peaks import PEAK_STYLES, PRODUCTS, prepare
from mtl_bench.extras.roofline import measure_roofline
from mtl_bench.results.extras import AchievedFlops, Peak, Roofline
from mtl_export.graphs.recipes import RECIPES
from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle, write_manifest
from mtl_runtime.core import records
from mtl_runtime.errors import ProviderError
from mtl_runtime.providers.session import Session, provider_problem
from mtl_runtime.text.batch import Batch
from tests.runtime.conftest import TINY_BUNDLE

SMALL = ProductShape(rows=12, inner=16, columns=8)
IDS = np.arange(SMALL.rows, dtype=np.int64)[None] * 5 % TABLE_ROWS
TEXTS = ["The soup was good.", "the match was awful", "a goal", "The soup was good."]


@pytest.fixture
def few_shapes(monkeypatch):
    monkeypatch.setattr(module, "_SHAPES", (SMALL, ProductShape(rows=4, inner=4, columns=4)))
    monkeypatch.setattr(module, "_TRIAL_SECONDS", 1e-3)
    monkeypatch.setattr(module, "_ROUND_SECONDS", 1e-4)


@pytest.fixture
def run(tmp_path):
    """First row of each product, as onnxruntime computes it."""

    def run(model):
        onnx.save(model, tmp_path / "product.onnx")
        return Session.open(tmp_path / "product.onnx").run(Batch(IDS, IDS, IDS), [OUTPUT])[0]

    return run


def floats(model):
    """The left matrix's first row and the right matrices, dequantized."""
    arrays = {tensor.name: numpy_helper.to_array(tensor).astype(np.float32) for tensor in model.graph.initializer}
    names = sorted(name for name in arrays if name.startswith("matrix_"))
    if "zero_point" not in arrays:
        return arrays["table"][IDS[0, 0]], [arrays[name] for name in names]
    if model.graph.node[1].op_type == "QuantizeLinear":
        whole = np.clip(np.rint(arrays["table"] / arrays["step"]) + arrays["zero_point"], 0, 255)
    else:
        whole = arrays["table"]
    left = ((whole - arrays["zero_point"]) * arrays["step"])[IDS[0, 0]]
    return left, [arrays[name] * arrays["steps"] for name in names]


@pytest.mark.parametrize("style", ["float32", "float16", "integers", "qdq"])
def test_a_product_s_graph_computes_that_product(style, run):
    model = product_graph(style, SMALL, products=2)
    left, right = floats(model)
    rows = run(model)
    assert rows.shape == (1, 2, SMALL.columns)
    scale = max(float(np.abs(left @ matrix).max()) for matrix in right)
    for row, matrix in zip(rows[0], right, strict=True):
        np.testing.assert_allclose(row, left @ matrix, atol=scale * (1e-2 if style == "float16" else 1e-5))
    assert not np.allclose(rows[0, 0], rows[0, 1])


@pytest.mark.parametrize("style", STYLES)
def test_a_product_s_graph_is_valid_and_costs_what_its_shape_says(style):
    model = product_graph(style, SMALL, products=3)
    onnx.checker.check_model(model, full_check=True)
    assert count_flops(model).fixed == 3 * SMALL.flops == 3 * 2 * 12 * 16 * 8


def test_every_variant_that_can_be_exported_has_a_peak():
    assert {name.replace("-", " ") for name in RECIPES} == set(PEAK_STYLES)
    assert {row.style for row in PEAK_STYLES.values()} == set(STYLES)


def test_int8_s_peak_is_that_of_the_operator_in_int8_s_graphs():
    model = product_graph(PEAK_STYLES["cpu int8"].style, SMALL)
    assert RECIPES["cpu-int8"].operators.keys() & {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("name", ["cpu fp32", "cpu int8"])
def test_a_peak_reports_its_shape_and_the_operations_that_a_run_really_makes(name, few_shapes, tmp_path, monkeypatch):
    worker = prepare(name=name, folder=str(tmp_path))
    assert not list(tmp_path.iterdir())
    facts, ran = worker.facts, []
    monkeypatch.setattr(Session, "run", lambda *_: ran.append(1))
    worker.runs[PRODUCTS]()
    rows, inner, columns = facts["shape"]
    assert facts["flops"] == len(ran) * 2 * rows * inner * columns
    assert len(ran) % facts["workers"] == 0


@pytest.mark.parametrize("name", [name for name in PEAK_STYLES if not name.startswith("cpu")])
def test_a_provider_that_is_not_here_has_no_peak_and_says_why(name, few_shapes, tmp_path):
    provider = name.partition(" ")[0]
    problem = provider_problem(provider)
    if problem is None:
        assert prepare(name=name, folder=str(tmp_path)).facts["flops"] > 0
        return
    with pytest.raises(ProviderError) as raised:
        prepare(name=name, folder=str(tmp_path))
    assert str(raised.value) == problem


def test_variants_and_peaks_are_timed_in_the_same_rounds(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    bundle = Bundle.open(TINY_BUNDLE)
    roofline = measure_roofline(bundle, ["cpu-fp32", "cpu-int8"], TEXTS, rounds=2, folder=tmp_path)
    assert set(roofline.peaks) == {"cpu fp32", "cpu int8"}
    assert {name: achieved.peak for name, achieved in roofline.variants.items()} == {
        "cpu-fp32": "cpu fp32",
        "cpu-int8": "cpu int8",
    }
    for peak in roofline.peaks.values():
        assert len(peak.flops) == 2
        assert min(peak.flops) > 0
    lengths = [len(text) for text in load(TINY_BUNDLE, threads=1).tokenize(TEXTS[:3])]
    for name, achieved in roofline.variants.items():
        assert achieved.flops == flops_of(bundle, name).of(lengths)
        assert len(achieved.seconds) == 2
    assert 0 < peak_shares(roofline)["cpu-int8"].median < 1
    assert "roofline, round 2 of 2" in caplog.messages
    assert records.from_json(Roofline, records.to_json(roofline)) == roofline


@pytest.fixture
def bundle_of_many_variants(tmp_path):
    """The tiny bundle with one graph as variants of several providers, and one that no exporter makes."""
    folder = Path(shutil.copytree(TINY_BUNDLE, tmp_path / "bundle"))
    manifest = Bundle.open(folder).manifest
    spec = manifest.variants["cpu-fp32"]
    names = ("cpu-fp32", "cpu-fp16", "openvino-bf16", "cuda-fp16")
    variants = {name: dataclasses.replace(spec, provider=name.partition("-")[0]) for name in names}
    return write_manifest(folder, dataclasses.replace(manifest, variants=variants))


def test_a_variant_that_cannot_run_here_is_left_out_and_the_log_says_why(bundle_of_many_variants, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    absent = {name for name in ("openvino-bf16", "cuda-fp16") if provider_problem(name.partition("-")[0])}
    variants = [*sorted(absent), "cpu-fp16", "cpu-fp32"]
    roofline = measure_roofline(bundle_of_many_variants, variants, TEXTS, rounds=1, folder=tmp_path)
    assert (set(roofline.variants), set(roofline.peaks)) == ({"cpu-fp32"}, {"cpu fp32"})
    for name in absent:
        assert f"{name} is left out: {provider_problem(name.partition('-')[0])}" in caplog.messages
    assert [line for line in caplog.messages if line.startswith("cpu-fp16 is left out: no product is known")]


def test_a_share_is_that_of_the_round_and_not_of_two_medians():
    roofline = Roofline(
        peaks={"cpu fp32": Peak(provider="cpu", precision="fp32", shape=(1, 1, 1), flops=(100.0, 50.0, 200.0))},
        variants={"cpu-fp32": AchievedFlops(peak="cpu fp32", flops=100.0, seconds=(2.0, 4.0, 1.0))},
    )
    share = peak_shares(roofline)["cpu-fp32"]
    assert (share.low, share.median, share.high) == (0.5, 0.5, 0.5)
