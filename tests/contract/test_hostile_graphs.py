"""Hostile graphs whose hashes are right are refused in one line, before onnxruntime reads them."""

import time

import numpy as np
import onnx
import pytest
from onnx import helper

from mtl_bench.studies.hostile.graphs import STRUCTURES
from mtl_runtime import load
from mtl_runtime.bundle.graph_scan.scan import scan_graph
from mtl_runtime.errors import BundleError, IntegrityError, MtlError
from mtl_runtime.providers.session import Session


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_hostile_structure_is_refused_in_one_line_before_onnxruntime_reads_it(bundle_copy, monkeypatch, name):
    monkeypatch.setattr(Session, "open", lambda *_, **__: pytest.fail("onnxruntime was given the graph"))
    STRUCTURES[name](bundle_copy)
    start = time.monotonic()
    with pytest.raises(MtlError) as caught:
        load(bundle_copy, variant="cpu-fp32")
    assert time.monotonic() - start < 5
    message = str(caught.value)
    assert isinstance(caught.value, BundleError | IntegrityError)
    assert "\n" not in message
    assert len(message) <= 500
    assert "model.o" in message


@pytest.mark.parametrize("field", ["float_data", "int32_data", "int64_data", "double_data", "uint64_data", "raw_data"])
def test_weights_may_lie_in_any_one_field_that_has_as_many_numbers(tmp_path, field):
    types = {"float_data": "float32", "double_data": "float64", "uint64_data": "uint64", "raw_data": "float16"}
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(types.get(field, field.removesuffix("_data"))))
    raw = field == "raw_data"
    values = np.arange(6, dtype=helper.tensor_dtype_to_np_dtype(kind)).reshape(2, 3) * 100
    weight = helper.make_tensor("w", kind, [2, 3], values.tobytes() if raw else values.ravel().tolist(), raw=raw)
    assert weight.HasField("raw_data") == raw
    file = tmp_path / "model.onnx"
    onnx.save_model(model_with(weight), file)
    scan_graph(file, file.name, weights={})
    if not raw:
        getattr(weight, field).pop()
        onnx.save_model(model_with(weight), file)
        with pytest.raises(BundleError, match="'w' that has 5 numbers where its shape and type need 6"):
            scan_graph(file, file.name, weights={})


@pytest.mark.parametrize("elements", [7, 8])
def test_two_elements_of_4_bits_share_a_byte(tmp_path, elements):
    weight = onnx.TensorProto(name="w", data_type=onnx.TensorProto.INT4, dims=[elements], raw_data=b"\0" * 4)
    file = tmp_path / "model.onnx"
    onnx.save_model(model_with(weight), file)
    scan_graph(file, file.name, weights={})


def test_weights_outside_the_graph_are_those_that_the_manifest_lists(tmp_path):
    weight = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[4])
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="model.onnx.data")
    weight.external_data.add(key="offset", value="16")
    file = tmp_path / "model.onnx"
    (tmp_path / "model.onnx.data").write_bytes(bytes(32))
    file.write_bytes(model_with(weight).SerializeToString())
    scan_graph(file, file.name, weights={"model.onnx.data": 32})
    with pytest.raises(BundleError, match=r"more bytes than 'model\.onnx\.data' has"):
        scan_graph(file, file.name, weights={"model.onnx.data": 31})


def test_a_node_is_named_with_what_is_wrong(bundle_copy):
    STRUCTURES["endless loop"](bundle_copy)
    with pytest.raises(BundleError, match="node 'loop' of type 'Loop' that has a graph inside, which is control flow"):
        load(bundle_copy, variant="cpu-fp32")


def model_with(weight):
    graph = helper.make_graph([], "g", [], [], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
