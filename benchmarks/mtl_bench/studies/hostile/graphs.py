"""Hostile graphs, by name: each function makes a copy of a sound bundle hostile and its hashes right again.

They need a bundle like the tests' tiny one, whose variant cpu-fp32 is the graph model.onnx with a task of three labels.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mtl_bench.studies.hostile.rehash import rehash

__all__ = ["COMPUTING_GRAPHS", "HOSTILE_GRAPHS", "STRUCTURES"]

GRAPH, WEIGHTS = "model.onnx", "model.onnx.data"
LOGITS, BEFORE = "logits.sentiment", "logits.sentiment.before"
DOMAIN = "hostile"

Edit = Callable[[onnx.ModelProto], None]
MakeHostile = Callable[[Path], None]  # what it is given is the folder of a bundle


def _edited(edit: Edit) -> MakeHostile:
    def make(bundle: Path) -> None:
        model = onnx.load_model(bundle / GRAPH)
        edit(model)
        (bundle / GRAPH).write_bytes(model.SerializeToString())
        rehash(bundle)

    return make


def _replaced(change: Callable[[bytes], bytes]) -> MakeHostile:
    def make(bundle: Path) -> None:
        (bundle / GRAPH).write_bytes(change((bundle / GRAPH).read_bytes()))
        rehash(bundle)

    return make


def _constant(name: str, values: object) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(values)))


def _hidden(name: str, values: Sequence[int]) -> list[onnx.NodeProto]:
    """A constant that onnxruntime cannot fold: times the largest value of the attention mask, which is 1."""
    return [
        _constant(f"{name}.factor", values),
        helper.make_node("ReduceMax", ["attention_mask"], [f"{name}.one"], keepdims=0),
        helper.make_node("Mul", [f"{name}.factor", f"{name}.one"], [name]),
    ]


def _reroute(model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto], initializers: Iterable[TensorProto] = ()) -> None:
    """Let ``nodes`` compute the logits of a task from what were the logits before."""
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == LOGITS:
                node.output[index] = BEFORE
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(initializers)


def _function(name: str, nodes: list[onnx.NodeProto]) -> onnx.FunctionProto:
    imports = [helper.make_opsetid("", 20), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_function(DOMAIN, name, ["x"], ["y"], nodes, imports)


def _call(index: int, source: str, target: str) -> onnx.NodeProto:
    return helper.make_node(f"f{index}", [source], [target], domain=DOMAIN)


def _functions(model: onnx.ModelProto, functions: list[onnx.FunctionProto]) -> None:
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    model.functions.extend(functions)
    _reroute(model, [_call(0, BEFORE, LOGITS)])


def _chain_of_functions(length: int, model: onnx.ModelProto) -> None:
    """Each function calls the next one; onnxruntime 1.31 ends with SIGSEGV at 3,000."""
    last = _function(f"f{length - 1}", [helper.make_node("Identity", ["x"], ["y"])])
    calls = [_function(f"f{index}", [_call(index + 1, "x", "y")]) for index in range(length - 1)]
    _functions(model, [*calls, last])


def _doubling_functions(times: int, model: onnx.ModelProto) -> None:
    """Each function calls the next one twice, which makes 2 ** times nodes when they are put in line."""
    last = _function(f"f{times}", [helper.make_node("Identity", ["x"], ["y"])])
    calls = [_function(f"f{i}", [_call(i + 1, "x", "z"), _call(i + 1, "z", "y")]) for i in range(times)]
    _functions(model, [*calls, last])


def _loop(rounds: int | None, model: onnx.ModelProto) -> None:
    """A loop whose condition is always true, with at most ``rounds`` rounds; None: without an end."""
    body = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}.next"]) for name in ("go", "state")],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, ["batch", 3]),
        ],
        [
            helper.make_tensor_value_info("go.next", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state.next", TensorProto.FLOAT, ["batch", 3]),
        ],
    )
    first = [_constant("always", True), *([] if rounds is None else [_constant("rounds", np.int64(rounds))])]
    inputs = ["" if rounds is None else "rounds", "always", BEFORE]
    _reroute(model, [*first, helper.make_node("Loop", inputs, [LOGITS], name="loop", body=body)])


def _branch(name: str, nodes: list[onnx.NodeProto]) -> onnx.GraphProto:
    return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, None)])


def _nested_if(depth: int, model: onnx.ModelProto) -> None:
    nodes = [helper.make_node("Identity", [BEFORE], [LOGITS])]
    for level in range(depth):
        branches = {f"{way}_branch": _branch(f"{way}{level}", nodes) for way in ("then", "else")}
        nodes = [helper.make_node("If", ["always"], [LOGITS], **branches)] if level < 3 else nodes
    _reroute(model, [_constant("always", True), *nodes])


def _scan(model: onnx.ModelProto) -> None:
    rows = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ("row", "row.same")]
    body = helper.make_graph([helper.make_node("Identity", ["row"], ["row.same"])], "body", rows[:1], rows[1:])
    _reroute(model, [helper.make_node("Scan", [BEFORE], [LOGITS], body=body, num_scan_inputs=1)])


def _foreign(domain: str, operator: str, model: onnx.ModelProto, **attributes: Any) -> None:
    model.opset_import.append(helper.make_opsetid(domain, 1))
    _reroute(model, [helper.make_node(operator, [BEFORE], [LOGITS], domain=domain, **attributes)])


def _many_nodes(count: int, model: onnx.ModelProto) -> None:
    names = [BEFORE, *(f"same{index}" for index in range(count - 1)), LOGITS]
    _reroute(model, [helper.make_node("Identity", [a], [b]) for a, b in pairwise(names)])


def _weight(model: onnx.ModelProto, name: str = "sentiment.bias") -> TensorProto:
    tensor: TensorProto
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    return tensor


def _weight_with(model: onnx.ModelProto, **fields: object) -> None:
    """Set fields of a weight; a list replaces the list there."""
    tensor = _weight(model)
    for name, value in fields.items():
        if isinstance(value, list):
            tensor.ClearField(name)
            getattr(tensor, name).extend(value)
        else:
            setattr(tensor, name, value)


def _values_twice(model: onnx.ModelProto) -> None:
    _weight(model).float_data.extend([1.0, 2.0, 3.0])


def _sparse(model: onnx.ModelProto) -> None:
    values, indices = numpy_helper.from_array(np.ones(1, np.float32), "sparse"), numpy_helper.from_array(np.array([0]))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2**40]))


def _outside(model: onnx.ModelProto, **entries: str) -> None:
    tensor = _weight(model)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)


def _weights_outside(place: Callable[[Path], None], bundle: Path, **entries: str) -> None:
    """Let a weight lie in a file next to the graph, which ``place`` makes and the manifest lists."""
    place(bundle / WEIGHTS)
    _edited(lambda model: _outside(model, location=WEIGHTS, **entries))(bundle)
    rehash(bundle, add=(WEIGHTS,))


def _twelve_bytes(file: Path) -> None:
    file.write_bytes(np.zeros(3, np.float32).tobytes())


def _link(file: Path) -> None:
    _twelve_bytes(file.parent.with_name("secret"))
    file.symlink_to(file.parent.with_name("secret"))


def _hard_link(file: Path) -> None:
    _twelve_bytes(file.parent.with_name("secret"))
    os.link(file.parent.with_name("secret"), file)


def _linked_graph(bundle: Path) -> None:
    shutil.move(bundle / GRAPH, bundle.with_name(GRAPH))
    (bundle / GRAPH).symlink_to(bundle.with_name(GRAPH))


def _fifo(bundle: Path) -> None:
    (bundle / GRAPH).unlink()
    os.mkfifo(bundle / GRAPH)


def _another_name(bundle: Path) -> None:
    """Name the graph so that onnxruntime takes it for one of its own format."""
    shutil.copy(bundle / GRAPH, bundle / "model.ort")
    rehash(bundle, add=("model.ort",), graphs={"cpu-fp32": "model.ort"})


def _filled(shape: Sequence[int], model: onnx.ModelProto, *, hidden: bool = False) -> None:
    """Add the sum of a tensor of that shape, of ones, to the logits."""
    ones = numpy_helper.from_array(np.ones(1, np.float32))
    known = _hidden("shape", shape) if hidden else [_constant("shape", shape)]
    nodes = [
        *known,
        helper.make_node("ConstantOfShape", ["shape"], ["ones"], value=ones),
        helper.make_node("ReduceSum", ["ones"], ["sum"], keepdims=0),
        helper.make_node("Add", [BEFORE, "sum"], [LOGITS]),
    ]
    _reroute(model, nodes)


def _products(size: int, times: int, model: onnx.ModelProto) -> None:
    """Multiply a square matrix by itself again and again."""
    ones: NDArray[np.float32] = np.ones(1, np.float32)
    names = ["square", *(f"product{index}" for index in range(times))]
    nodes = [
        *_hidden("shape", [size, size]),
        helper.make_node("ConstantOfShape", ["shape"], ["square"], value=numpy_helper.from_array(ones)),
        *(helper.make_node("MatMul", [a, "square"], [b]) for a, b in pairwise(names)),
        helper.make_node("ReduceMin", [names[-1]], ["least"], keepdims=0),
        helper.make_node("Add", [BEFORE, "least"], [LOGITS]),
    ]
    _reroute(model, nodes)


def _exploding_normalizer(bundle: Path) -> None:
    """Let each space of a text become 10^12 letters."""
    content = json.loads((bundle / "tokenizer.json").read_bytes())
    steps = [
        {"type": "Replace", "pattern": {"String": before}, "content": after * 10_000}
        for before, after in (" a", "ab", "bc")
    ]
    content["normalizer"] = {"type": "Sequence", "normalizers": steps}
    (bundle / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    rehash(bundle)


def _unknown_field(data: bytes) -> bytes:
    return data + b"\xfa\x06\x03abc"  # field 111


# What a scan of the structure refuses, before onnxruntime reads the file.
STRUCTURES: Mapping[str, MakeHostile] = {
    "chain of 3,000 local functions": _edited(partial(_chain_of_functions, 3_000)),
    "chain of 2 local functions": _edited(partial(_chain_of_functions, 2)),
    "functions that double 24 times": _edited(partial(_doubling_functions, 24)),
    "endless loop": _edited(partial(_loop, None)),
    "loop of 2^40 rounds": _edited(partial(_loop, 2**40)),
    "one loop": _edited(partial(_loop, 1)),
    "if": _edited(partial(_nested_if, 1)),
    "if in if in if": _edited(partial(_nested_if, 3)),
    "scan": _edited(_scan),
    "operator of a custom domain": _edited(partial(_foreign, "pyop", "PyOp")),
    "operator of ai.onnx.ml": _edited(partial(_foreign, "ai.onnx.ml", "Scaler", offset=[0.0], scale=[1.0])),
    "operator of a custom domain, long name": _edited(partial(_foreign, "d" * 10_000, "O" * 10_000)),
    "compiled context": _edited(partial(_foreign, "com.microsoft", "EPContext", ep_cache_context="../secret")),
    "30,000 nodes": _edited(partial(_many_nodes, 30_000)),
    "IR version 99": _edited(lambda model: setattr(model, "ir_version", 99)),
    "IR version 1": _edited(lambda model: setattr(model, "ir_version", 1)),
    "opset 99": _edited(lambda model: setattr(model.opset_import[0], "version", 99)),
    "training information": _edited(lambda model: model.training_info.add()),
    "sparse weight": _edited(_sparse),
    "weight of texts": _edited(partial(_weight_with, data_type=TensorProto.STRING, string_data=[b"a", b"b", b"c"])),
    "weight of an unknown type": _edited(partial(_weight_with, data_type=99)),
    "weight with another type": _edited(partial(_weight_with, data_type=TensorProto.DOUBLE)),
    "weight with too few bytes": _edited(partial(_weight_with, raw_data=b"\0" * 8)),
    "weight with too many bytes": _edited(partial(_weight_with, raw_data=b"\0" * 4_000)),
    "weight without bytes": _edited(partial(_weight_with, raw_data=b"")),
    "weight of length 2^62": _edited(partial(_weight_with, dims=[2**62])),
    "weight of lengths 2^40 and 0": _edited(partial(_weight_with, dims=[2**41, 0], raw_data=b"")),
    "weight of a negative length": _edited(partial(_weight_with, dims=[-3])),
    "weight whose lengths overflow": _edited(partial(_weight_with, dims=[2**32, 2**32, 2**32])),
    "weight of 100 dimensions": _edited(partial(_weight_with, dims=[1] * 100)),
    "weight with its values twice": _edited(_values_twice),
    "weight in a folder above": _edited(partial(_outside, location="../secret")),
    "weight at an absolute path": _edited(partial(_outside, location="/etc/passwd", length="12")),
    "weight from a device": _edited(partial(_outside, location="/dev/zero", length="12")),
    "weight in another file of the bundle": _edited(partial(_outside, location="tokenizer.json", length="12")),
    "weight in the graph's own file": _edited(partial(_outside, location=GRAPH, length="12")),
    "weight in a file that is absent": _edited(partial(_outside, location=WEIGHTS)),
    "weights outside, in a link": partial(_weights_outside, _link),
    "weights outside, in a hard link": partial(_weights_outside, _hard_link),
    "weights outside, beyond the end": partial(_weights_outside, _twelve_bytes, offset="4"),
    "weights outside, of another length": partial(_weights_outside, _twelve_bytes, length="8"),
    "weights outside, at a negative offset": partial(_weights_outside, _twelve_bytes, offset="-4"),
    "weights outside, at an offset of 10,000 digits": partial(_weights_outside, _twelve_bytes, offset="9" * 10_000),
    "empty file": _replaced(lambda _: b""),
    "one byte": _replaced(lambda data: data[:1]),
    "half of the file": _replaced(lambda data: data[: len(data) // 2]),
    "file without its last byte": _replaced(lambda data: data[:-1]),
    "garbage": _replaced(lambda data: np.random.default_rng(0).bytes(len(data))),
    "zeros": _replaced(lambda data: bytes(len(data))),
    "a page of HTML": _replaced(lambda _: b"<!doctype html><title>404</title>"),
    "the file twice": _replaced(lambda data: data * 2),
    "an unknown field": _replaced(_unknown_field),
    "a million empty fields": _replaced(lambda data: data + b"\x72\x00" * 1_000_000),
    "a model without a graph": _replaced(lambda _: onnx.ModelProto(ir_version=10).SerializeToString()),
    "a graph that is a link": _linked_graph,
    "a graph that is a pipe": _fifo,
    "a graph with the suffix .ort": _another_name,
}

# What shows only when onnxruntime opens the graph or runs it, or when a text is tokenized.
COMPUTING_GRAPHS: Mapping[str, MakeHostile] = {
    "constant of shape 2^40": _edited(partial(_filled, [2**40])),
    "constant of shape 2^40, known at a run": _edited(partial(_filled, [2**40], hidden=True)),
    "constant of shape 2^34, known at a run": _edited(partial(_filled, [2**34], hidden=True)),
    "constant of a negative shape": _edited(partial(_filled, [-5], hidden=True)),
    "normalizer that makes 10^12 letters of a space": _exploding_normalizer,
    "products of matrices for minutes": _edited(partial(_products, 3_000, 1_000)),
}

HOSTILE_GRAPHS: Mapping[str, MakeHostile] = {**STRUCTURES, **COMPUTING_GRAPHS}
