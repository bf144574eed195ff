"""ONNX graph + whose heads are wanted -> the graph with a head of its own for each, on the one encoder."""

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
    """A graph with exactly these heads; those of ``model`` are gone, and the encoder is as it was.

    A head is what its logits depend on and the sentence embedding does not, of whatever operators: nodes are
    copied, not made anew, so that a copy computes what the original computes. Each copy has initializers of its own,
    equal ones among them.

    Args:
        model: a graph of a bundle (docs/bundle-format.md), with its weights inside.
        heads: in the order of the outputs.
    """
    from onnx import helper

    old = model.graph
    encoder = _needed(old, EMBEDDING_OUTPUT)
    kept = [node for index, node in enumerate(old.node) if index in encoder]
    copies = [_copy(old, encoder, head) for head in heads]
    read = {name for node in kept for name in node.input}
    alive = read | {name for node in kept for name in node.output}
    graph = helper.make_graph(
        [*kept, *(node for copy in copies for node in copy.nodes)],
        old.name,
        list(old.input),
        [*(copy.output for copy in copies), _named(old.output, EMBEDDING_OUTPUT)],
        [*(given for given in old.initializer if given.name in read), *(w for copy in copies for w in copy.weights)],
        value_info=[*(v for v in old.value_info if v.name in alive), *(v for copy in copies for v in copy.values)],
    )
    made = helper.make_model(
        graph,
        opset_imports=list(model.opset_import),
        ir_version=model.ir_version,
        producer_name=model.producer_name,
    )
    told = {entry.key: entry.value for entry in model.metadata_props}
    helper.set_model_props(made, {**told, **graph_metadata(head.task for head in heads)})
    return made


@dataclass(frozen=True, slots=True)
class _Copy:
    """What one head adds to the graph."""

    nodes: list["NodeProto"]
    weights: list["TensorProto"]
    values: list["ValueInfoProto"]  # types of weights and of what lies between nodes
    output: "ValueInfoProto"


def _copy(graph: "GraphProto", encoder: set[int], head: Head) -> _Copy:
    logits = logits_output(head.source)
    nodes = [graph.node[index] for index in sorted(_needed(graph, logits) - encoder)]
    read = {name for node in nodes for name in node.input}
    weights = [given for given in graph.initializer if given.name in read]
    made = {name for node in nodes for name in node.output if name}
    names = {name: f"{head.task.name}/{name}" for name in (*made, *(given.name for given in weights))}
    names[logits] = logits_output(head.task.name)
    return _Copy(
        nodes=[_renamed_node(node, names, head.task.name) for node in nodes],
        weights=[_renamed(given, names) for given in weights],
        values=[_renamed(value, names) for value in graph.value_info if value.name in names],
        output=_renamed(_named(graph.output, logits), names),
    )


def _renamed_node(node: "NodeProto", names: Mapping[str, str], task: str) -> "NodeProto":
    copy = type(node)()
    copy.CopyFrom(node)
    copy.name = f"{task}/{node.name}"
    copy.input[:] = [names.get(name, name) for name in node.input]
    copy.output[:] = [names.get(name, name) for name in node.output]
    return copy


def _renamed(given: Named, names: Mapping[str, str]) -> Named:
    copy = type(given)()
    copy.CopyFrom(given)
    copy.name = names[given.name]
    return copy


def _named(values: "Iterable[ValueInfoProto]", name: str) -> "ValueInfoProto":
    return next(value for value in values if value.name == name)


def _needed(graph: "GraphProto", output: str) -> set[int]:
    """Places of the nodes that ``output`` depends on."""
    producers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    found: set[int] = set()
    waiting = [output]
    while waiting:
        index = producers.get(waiting.pop())
        if index is not None and index not in found:
            found.add(index)
            waiting += graph.node[index].input
    return found
