"""A graph that keeps its hash and breaks its promise about outputs gives one line, and never an answer."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mtl_runtime import load
from mtl_runtime.errors import BundleError, ComputationError, MtlError

TEXTS = ["good", "The soup was good."]


def constant(name, values):
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(values)))


def edit_graph(bundle, change_manifest, edit):
    """Let ``edit`` change the graph of cpu-fp32, and make all hashes right again."""
    path = bundle / "model.onnx"
    model = onnx.load_model(path)
    edit(model.graph)
    onnx.save_model(model, path)
    change_manifest(bundle)


def computes(output, nodes, *, declared=(None, 3), element=TensorProto.FLOAT):
    """An edit: ``nodes`` turn ``<output>.before`` into ``output``, which is declared like that."""

    def edit(graph):
        for node in graph.node:
            for index, name in enumerate(node.output):
                if name == output:
                    node.output[index] = f"{output}.before"
        graph.node.extend(nodes)
        shape = None if declared is None else ["batch" if length is None else length for length in declared]
        (old,) = (value for value in graph.output if value.name == output)
        old.CopyFrom(helper.make_tensor_value_info(output, element, shape))

    return edit


LOGITS, BEFORE = "logits.sentiment", "logits.sentiment.before"


def hidden(name, values):
    """A constant that onnxruntime cannot know when it loads the graph: times the largest of the mask, which is 1."""
    return [
        constant(f"{name}.factor", values),
        helper.make_node("ReduceMax", ["attention_mask"], [f"{name}.one"], keepdims=0),
        helper.make_node("Mul", [f"{name}.factor", f"{name}.one"], [name]),
    ]


def visible(name, values):
    return [constant(name, values)]


def sliced(stop, known=visible):
    return [
        *visible("from", [0]),
        *visible("axis", [1]),
        *known("to", [stop]),
        helper.make_node("Slice", [BEFORE, "from", "to", "axis"], [LOGITS]),
    ]


def tiled(times, known=visible):
    return [*known("times", times), helper.make_node("Tile", [BEFORE, "times"], [LOGITS])]


def reshaped(shape, known=visible):
    return [*known("shape", shape), helper.make_node("Reshape", [BEFORE, "shape"], [LOGITS])]


DECLARED = {
    "width 1": computes(LOGITS, sliced(1), declared=(None, 1)),
    "width 0": computes(LOGITS, sliced(0), declared=(None, 0)),
    "width 6": computes(LOGITS, tiled([1, 2]), declared=(None, 6)),
    "3-D": computes(LOGITS, reshaped([-1, 3, 1]), declared=(None, 3, 1)),
    "1-D": computes(LOGITS, reshaped([-1]), declared=(None,)),
    "one row": computes(LOGITS, [helper.make_node("Identity", [BEFORE], [LOGITS])], declared=(1, 3)),
    "float64": computes(
        LOGITS, [helper.make_node("Cast", [BEFORE], [LOGITS], to=TensorProto.DOUBLE)], element=TensorProto.DOUBLE
    ),
    "strings": computes(
        LOGITS, [helper.make_node("Cast", [BEFORE], [LOGITS], to=TensorProto.STRING)], element=TensorProto.STRING
    ),
}


@pytest.mark.parametrize("edit", DECLARED.values(), ids=list(DECLARED))
def test_an_output_of_another_type_or_shape_is_refused_when_the_bundle_is_loaded(bundle_copy, change_manifest, edit):
    edit_graph(bundle_copy, change_manifest, edit)
    with pytest.raises(BundleError, match=r"declares logits\.sentiment as .*; the manifest promises") as caught:
        load(bundle_copy, variant="cpu-fp32")
    assert "\n" not in str(caught.value)


# The graph leaves the width open, so that only its values can show it.
COMPUTED = {
    "width 1": computes(LOGITS, sliced(1, hidden), declared=("a", "b")),
    "width 0": computes(LOGITS, sliced(0, hidden), declared=("a", "b")),
    "width 6": computes(LOGITS, tiled([1, 2], hidden), declared=("a", "b")),
    "two rows a text": computes(LOGITS, tiled([2, 1], hidden), declared=("a", "b")),
    "one row": computes(LOGITS, reshaped([1, -1], hidden), declared=("a", "b")),
}


@pytest.mark.parametrize("texts", [TEXTS[:1], TEXTS, TEXTS * 100], ids=["lone", "batch", "batches"])
@pytest.mark.parametrize("edit", COMPUTED.values(), ids=list(COMPUTED))
def test_rows_of_another_shape_never_become_an_answer(bundle_copy, change_manifest, edit, texts):
    edit_graph(bundle_copy, change_manifest, edit)
    classifier = load(bundle_copy, variant="cpu-fp32")
    if edit is COMPUTED["one row"] and len(texts) == 1:
        assert classifier.logits(texts)["sentiment"].shape == (1, 3)  # what was asked for
        return
    with pytest.raises(ComputationError, match=r"logits\.sentiment the shape .* in place of"):
        classifier.logits(texts)


@pytest.mark.parametrize(
    ("element", "shape"),
    [
        (TensorProto.INT32, ("batch", "sequence")),
        (TensorProto.INT64, (1, "sequence")),
        (TensorProto.INT64, ("batch", 16)),
    ],
)
def test_an_input_of_another_type_or_with_a_fixed_axis_is_refused(bundle_copy, change_manifest, element, shape):
    def edit(graph):
        (ids,) = (value for value in graph.input if value.name == "input_ids")
        ids.CopyFrom(helper.make_tensor_value_info("input_ids", element, shape))

    edit_graph(bundle_copy, change_manifest, edit)
    with pytest.raises(MtlError, match=r"input_ids|cannot load the graph"):
        load(bundle_copy, variant="cpu-fp32")


def test_a_failure_in_the_middle_of_a_batch_names_the_node(bundle_copy, change_manifest):
    pick = helper.make_node("Gather", [BEFORE, "columns"], [LOGITS], name="pick", axis=1)
    edit_graph(bundle_copy, change_manifest, computes(LOGITS, [*hidden("columns", [0, 1, 70_000]), pick]))
    with pytest.raises(ComputationError, match="'pick'"):
        load(bundle_copy, variant="cpu-fp32").logits(TEXTS)
