"""Achieved against possible: the products that show a peak are those written down, and shares are of rounds."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mtl_bench.extras import peaks as module
from mtl_bench.extras.flops import counted, flops_of
from mtl_bench.extras.matmul_graph import OUTPUT, STYLES, TABLE_ROWS, ProductShape, product_graph
from mtl_bench.extras.peaks import PEAKS, PRODUCTS, prepare
from mtl_bench.extras.roofline import achieved, roofline
from mtl_bench.results.schema import AchievedFlops, Peak, Roofline
from mtl_export.graphs.recipes import RECIPES
from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import MANIFEST_NAME
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
    monkeypatch.setattr(module, "_TRIED", 1e-3)
    monkeypatch.setattr(module, "_MEASURED", 1e-4)


@pytest.fixture
def run(tmp_path):
    """First row of each product, as onnxruntime computes it."""

    def run(model):
        onnx.save(model, tmp_path / "product.onnx")
        return Session.open(tmp_path / "product.onnx").run(Batch(IDS, IDS, IDS), [OUTPUT])[0]

    return run


def floats(model):
    """The left matrix's first row and the right matrices, as the graph's numbers stand for."""
    given = {tensor.name: numpy_helper.to_array(tensor).astype(np.float32) for tensor in model.graph.initializer}
    names = sorted(name for name in given if name.startswith("matrix_"))
    if "zero_point" not in given:
        return given["table"][IDS[0, 0]], [given[name] for name in names]
    if model.graph.node[1].op_type == "QuantizeLinear":
        whole = np.clip(np.rint(given["table"] / given["step"]) + given["zero_point"], 0, 255)
    else:
        whole = given["table"]
    return ((whole - given["zero_point"]) * given["step"])[IDS[0, 0]], [given[name] * given["steps"] for name in names]


@pytest.mark.parametrize("style", ["float32", "float16", "whole numbers", "quantize pairs"])
def test_a_product_s_graph_computes_that_product(style, run):
    model = product_graph(style, SMALL, products=2)
    left, right = floats(model)
    found = run(model)
    assert found.shape == (1, 2, SMALL.columns)
    scale = max(float(np.abs(left @ matrix).max()) for matrix in right)
    for row, matrix in zip(found[0], right, strict=True):
        np.testing.assert_allclose(row, left @ matrix, atol=scale * (1e-2 if style == "float16" else 1e-5))
    assert not np.allclose(found[0, 0], found[0, 1])


@pytest.mark.parametrize("style", STYLES)
def test_a_product_s_graph_is_valid_and_costs_what_its_shape_says(style):
    model = product_graph(style, SMALL, products=3)
    onnx.checker.check_model(model, full_check=True)
    assert counted(model).fixed == 3 * SMALL.flops == 3 * 2 * 12 * 16 * 8


def test_every_variant_that_can_be_exported_has_a_peak():
    assert {name.replace("-", " ") for name in RECIPES} == set(PEAKS)
    assert {row.style for row in PEAKS.values()} == set(STYLES)


def test_int8_s_peak_is_that_of_the_operator_in_int8_s_graphs():
    model = product_graph(PEAKS["cpu int8"].style, SMALL)
    assert RECIPES["cpu-int8"].operators.keys() & {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("name", ["cpu fp32", "cpu int8"])
def test_a_peak_tells_its_shape_and_the_operations_that_a_run_really_makes(name, few_shapes, tmp_path, monkeypatch):
    prepared = prepare(name=name, folder=str(tmp_path))
    assert not list(tmp_path.iterdir())
    facts, ran = prepared.facts, []
    monkeypatch.setattr(Session, "run", lambda *_: ran.append(1))
    prepared.runs[PRODUCTS]()
    rows, inner, columns = facts["shape"]
    assert facts["flops"] == len(ran) * 2 * rows * inner * columns
    assert len(ran) % facts["workers"] == 0


@pytest.mark.parametrize("name", [name for name in PEAKS if not name.startswith("cpu")])
def test_a_provider_that_is_not_here_has_no_peak_and_says_why(name, few_shapes, tmp_path):
    provider = name.partition(" ")[0]
    problem = provider_problem(provider)
    if problem is None:
        assert prepare(name=name, folder=str(tmp_path)).facts["flops"] > 0
        return
    with pytest.raises(ProviderError) as raised:
        prepare(name=name, folder=str(tmp_path))
    assert str(raised.value) == problem


def test_variants_and_peaks_are_timed_in_the_same_rounds(tmp_path):
    bundle, told = Bundle.open(TINY_BUNDLE), []
    found = roofline(bundle, ["cpu-fp32", "cpu-int8"], TEXTS, rounds=2, folder=tmp_path, report=told.append)
    assert set(found.peaks) == {"cpu fp32", "cpu int8"}
    assert {name: useful.peak for name, useful in found.variants.items()} == {
        "cpu-fp32": "cpu fp32",
        "cpu-int8": "cpu int8",
    }
    for peak in found.peaks.values():
        assert len(peak.flops) == 2
        assert min(peak.flops) > 0
    lengths = [len(text) for text in load(TINY_BUNDLE, threads=1).tokenize(TEXTS[:3])]
    for name, useful in found.variants.items():
        assert useful.flops == flops_of(bundle, name).of(lengths)
        assert len(useful.seconds) == 2
    assert 0 < achieved(found)["cpu-int8"].median < 1
    assert "round 2 of 2" in told
    assert records.from_json(Roofline, records.to_json(found)) == found


@pytest.fixture
def bundle_of_many_variants(tmp_path):
    """The tiny bundle with one graph as variants of several providers, and one that no exporter makes."""
    folder = Path(shutil.copytree(TINY_BUNDLE, tmp_path / "bundle"))
    manifest = Bundle.open(folder).manifest
    spec = manifest.variants["cpu-fp32"]
    names = ("cpu-fp32", "cpu-fp16", "openvino-bf16", "cuda-fp16")
    variants = {name: dataclasses.replace(spec, provider=name.partition("-")[0]) for name in names}
    (folder / MANIFEST_NAME).write_text(dataclasses.replace(manifest, variants=variants).to_json(), "utf-8")
    return Bundle.open(folder)


def test_a_variant_that_cannot_run_here_is_left_out_and_told_of(bundle_of_many_variants, tmp_path):
    absent = {name for name in ("openvino-bf16", "cuda-fp16") if provider_problem(name.partition("-")[0])}
    told = []
    found = roofline(
        bundle_of_many_variants,
        [*sorted(absent), "cpu-fp16", "cpu-fp32"],
        TEXTS,
        rounds=1,
        folder=tmp_path,
        report=told.append,
    )
    assert (set(found.variants), set(found.peaks)) == ({"cpu-fp32"}, {"cpu fp32"})
    for name in absent:
        assert f"{name} is left out: {provider_problem(name.partition('-')[0])}" in told
    assert [line for line in told if line.startswith("cpu-fp16 is left out: no product is known")]


def test_a_share_is_that_of_the_round_and_not_of_two_medians():
    found = Roofline(
        peaks={"cpu fp32": Peak(provider="cpu", precision="fp32", shape=(1, 1, 1), flops=(100.0, 50.0, 200.0))},
        variants={"cpu-fp32": AchievedFlops(peak="cpu fp32", flops=100.0, seconds=(2.0, 4.0, 1.0))},
    )
    share = achieved(found)["cpu-fp32"]
    assert (share.low, share.median, share.high) == (0.5, 0.5, 0.5)
