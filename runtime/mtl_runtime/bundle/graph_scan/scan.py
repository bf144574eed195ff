"""graph file -> nothing, or BundleError: its structure is that of a graph which `mtl export` writes.

onnxruntime trusts what it reads: a chain of 3,000 local functions ends its process, and a loop need not end at all.
Graphs of ours have neither functions nor control flow, so that one pass over the tags of the file shows all of them. It
skips the weights.
"""

import mmap
from collections.abc import Mapping
from pathlib import Path

from mtl_runtime.bundle.graph_scan.onnx_fields import (
    ATTRIBUTE,
    GRAPH,
    MODEL,
    NODE,
    OPERATOR_SET,
)
from mtl_runtime.bundle.graph_scan.structure_error import GraphStructureError, quote
from mtl_runtime.bundle.graph_scan.tensor import WeightsFiles, check_tensor
from mtl_runtime.bundle.graph_scan.wire_format import DELIMITED, VARINT, Buffer, Span, WireFormatError
from mtl_runtime.errors import BundleError

__all__ = ["MOST_NODES", "scan_graph"]

# Versions that some graph of ours has had, or that a later exporter may write.
IR_VERSIONS = range(8, 14)
OPERATOR_SETS: Mapping[str, range] = {"": range(17, 27), "ai.onnx": range(17, 27), "com.microsoft": range(1, 2)}
# Operators that run a graph of their own, that read files, or that compute what another program compiled.
REFUSED_OPERATORS = frozenset({b"If", b"Loop", b"Scan", b"SequenceMap", b"EPContext"})

# The largest graphs of ours have 3,000 nodes. What onnxruntime does with a graph grows faster than its nodes.
MOST_NODES = 20_000
_MOST_NODE_BYTES = 400 * MOST_NODES

_IR_VERSION, _GRAPH, _OPERATOR_SET = 1 << 3 | VARINT, 7 << 3 | DELIMITED, 8 << 3 | DELIMITED
_NODE, _INITIALIZER = 1 << 3 | DELIMITED, 5 << 3 | DELIMITED
_NAME, _OPERATOR, _ATTRIBUTE, _DOMAIN = 3 << 3 | DELIMITED, 4 << 3 | DELIMITED, 5 << 3 | DELIMITED, 7 << 3 | DELIMITED
_TENSOR = 5 << 3 | DELIMITED
_SET_DOMAIN, _SET_VERSION = 1 << 3 | DELIMITED, 2 << 3 | VARINT


def scan_graph(file: Path, name: str, *, weights: Mapping[str, int]) -> None:
    """Check the structure of the graph in ``file``.

    Args:
        file: whose bytes have been hashed.
        name: of the graph in its bundle.
        weights: names and sizes in bytes of the files that may hold weights of it.

    Raises:
        BundleError: the file is no graph, or one that `mtl export` does not write; the message names ``name``.
    """
    try:
        _check_file(file, name, WeightsFiles(weights))
    except WireFormatError as error:
        raise BundleError(f"{name} is no ONNX graph ({error}); export the bundle again") from None
    except GraphStructureError as error:
        raise BundleError(
            f"{name} {error}; `mtl export` writes no such graph, so it is not opened: export the bundle again, or ask "
            f"whoever made it"
        ) from None


def _check_file(file: Path, name: str, files: WeightsFiles) -> None:
    if not name.endswith(".onnx") or file.suffix == ".ort":  # onnxruntime reads another format under that name
        raise GraphStructureError("is not named .onnx")
    if not file.stat().st_size:
        raise WireFormatError("it is empty")
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        _check_model(data, files)


def _check_model(data: Buffer, files: WeightsFiles) -> None:
    graphs, versions = [], []
    for tag, start, stop in MODEL.fields(data, (0, len(data))):
        if tag == _GRAPH:
            graphs.append((start, stop))
        elif tag == _IR_VERSION:
            versions.append(start)
        elif tag == _OPERATOR_SET:
            _check_operator_set(data, (start, stop))
    if len(graphs) != 1:
        raise GraphStructureError(f"has {len(graphs)} graphs in it")
    if len(versions) != 1 or versions[0] not in IR_VERSIONS:
        raise GraphStructureError(f"has the IR version {', '.join(map(str, versions)) or 'none'}")
    _check_graph(data, graphs[0], files)


def _check_operator_set(data: Buffer, span: Span) -> None:
    domain, version = "", 0
    for tag, start, stop in OPERATOR_SET.fields(data, span):
        if tag == _SET_DOMAIN:
            domain = bytes(data[start:stop]).decode("utf-8", "replace")
        elif tag == _SET_VERSION:
            version = start
    if domain in OPERATOR_SETS and version not in OPERATOR_SETS[domain]:
        raise GraphStructureError(f"has version {version} of the operators of {domain or 'ONNX'}")


def _check_graph(data: Buffer, span: Span, files: WeightsFiles) -> None:
    nodes = node_bytes = 0
    for tag, start, stop in GRAPH.fields(data, span):
        if tag == _INITIALIZER:
            check_tensor(data, (start, stop), files)
        elif tag == _NODE:
            nodes, node_bytes = nodes + 1, node_bytes + stop - start
            if nodes > MOST_NODES or node_bytes > _MOST_NODE_BYTES:
                raise GraphStructureError(f"has more than {MOST_NODES:,} nodes, or {_MOST_NODE_BYTES:,} bytes of them")
            _check_node(bytes(data[start:stop]), files)


def _check_node(node: bytes, files: WeightsFiles) -> None:
    parts = {_DOMAIN: b"", _OPERATOR: b"", _NAME: b""}
    problem = None
    try:
        for tag, start, stop in NODE.fields(node, (0, len(node))):
            if tag == _ATTRIBUTE:
                _check_attribute(node, (start, stop), files)
            elif tag in parts:
                parts[tag] = node[start:stop]
    except GraphStructureError as error:
        problem = f" that {error}"
    domain, operator, name = parts.values()
    if problem is None and (domain.decode("utf-8", "replace") not in OPERATOR_SETS or operator in REFUSED_OPERATORS):
        problem = ""
    if problem is not None:
        kind = b"::".join(part for part in (domain, operator) if part)
        raise GraphStructureError(f"has a node {quote(name)} of type {quote(kind)}{problem}")


def _check_attribute(node: bytes, span: Span, files: WeightsFiles) -> None:
    tensors = 0
    for tag, start, stop in ATTRIBUTE.fields(node, span):
        if tag == _TENSOR:
            tensors += 1
            check_tensor(node, (start, stop), files)
    if tensors > 1:
        raise GraphStructureError("has an attribute with several tensors")
