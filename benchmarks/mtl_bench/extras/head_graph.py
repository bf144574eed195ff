"""ONNX graph + a list of heads -> the graph with a copy of each head, on the one encoder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from mtl_runtime.bundle.manifest import EMBEDDING_OUTPUT, TaskSpec, graph_metadata, logits_output

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

__all__ = ["Head", "with_heads"]

Named = TypeVar("Named", "TensorProto", "ValueInfoProto")


@dataclass(frozen=True, slots=True)
class Head:
    """A task of the new graph, and the task of the old one that it is a copy of."""

    task: TaskSpec
    source: str


def with_heads(model: "ModelProto", heads: Sequence[Head]) -> "ModelProto":
    """A graph with exactly these heads; without those of ``model``, and with its encoder.

    A head consists of the nodes that its logits depend on and the sentence embedding does not, of whatever operators:
    nodes are copied, not built again, so that a copy computes what the original computes. Each copy has initializers of
    its own, even where they are equal.

    Args:
        model: a graph of a bundle (docs/bundle-format.md), with its weights inside.
        heads: in the order of the outputs.
    """
    from onnx import helper

    old = model.graph
    encoder = _required_nodes(old, EMBEDDING_OUTPUT)
    encoder_nodes = [node for index, node in enumerate(old.node) if index in encoder]
    copies = [_copy(old, encoder, head) for head in heads]
    inputs = {name for node in encoder_nodes for name in node.input}
    names = inputs | {name for node in encoder_nodes for name in node.output}
    graph = helper.make_graph(
        [*encoder_nodes, *(node for copy in copies for node in copy.nodes)],
        old.name,
        list(old.input),
        [*(copy.output for copy in copies), _find(old.output, EMBEDDING_OUTPUT)],
        [*(t for t in old.initializer if t.name in inputs), *(t for copy in copies for t in copy.weights)],
        value_info=[*(v for v in old.value_info if v.name in names), *(v for copy in copies for v in copy.values)],
    )
    new = helper.make_model(
        graph,
        opset_imports=list(model.opset_import),
        ir_version=model.ir_version,
        producer_name=model.producer_name,
    )
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    helper.set_model_props(new, {**metadata, **graph_metadata(head.task for head in heads)})
    return new


@dataclass(frozen=True, slots=True)
class _Copy:
    """The part of the graph that belongs to one head."""

    nodes: list["NodeProto"]
    weights: list["TensorProto"]
    values: list["ValueInfoProto"]  # types of weights and of values between nodes
    output: "ValueInfoProto"


def _copy(graph: "GraphProto", encoder: set[int], head: Head) -> _Copy:
    logits = logits_output(head.source)
    nodes = [graph.node[index] for index in sorted(_required_nodes(graph, logits) - encoder)]
    inputs = {name for node in nodes for name in node.input}
    outputs = {name for node in nodes for name in node.output if name}
    weights = [tensor for tensor in graph.initializer if tensor.name in inputs]
    names = {name: f"{head.task.name}/{name}" for name in (*outputs, *(tensor.name for tensor in weights))}
    names[logits] = logits_output(head.task.name)
    return _Copy(
        nodes=[_copy_node(node, names, head.task.name) for node in nodes],
        weights=[_copy_named(tensor, names) for tensor in weights],
        values=[_copy_named(value, names) for value in graph.value_info if value.name in names],
        output=_copy_named(_find(graph.output, logits), names),
    )


def _copy_node(node: "NodeProto", names: Mapping[str, str], task: str) -> "NodeProto":
    copy = type(node)()
    copy.CopyFrom(node)
    copy.name = f"{task}/{node.name}"
    copy.input[:] = [names.get(name, name) for name in node.input]
    copy.output[:] = [names.get(name, name) for name in node.output]
    return copy


def _copy_named(value: Named, names: Mapping[str, str]) -> Named:
    copy = type(value)()
    copy.CopyFrom(value)
    copy.name = names[value.name]
    return copy


def _find(values: "Iterable[ValueInfoProto]", name: str) -> "ValueInfoProto":
    return next(value for value in values if value.name == name)


def _required_nodes(graph: "GraphProto", output: str) -> set[int]:
    """Indices of the nodes that ``output`` depends on."""
    producers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    required: set[int] = set()
    waiting = [output]
    while waiting:
        index = producers.get(waiting.pop())
        if index is not None and index not in required:
            required.add(index)
            waiting += graph.node[index].input
    return required
