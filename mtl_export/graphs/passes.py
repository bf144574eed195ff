"""onnx_ir.Model -> onnx_ir.Model, step by step; the contract of a step is checked in one place, :func:`apply`.

Every step keeps the signature, and leaves a graph with unique value names that onnx.checker accepts and onnxruntime
loads.
"""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import (
    ClearMetadataAndDocStringPass,
    DeduplicateInitializersPass,
    RemoveUnusedNodesPass,
)

from mtl_export.errors import ExportError
from mtl_runtime.bundle.manifest import TaskSpec, graph_metadata
from mtl_runtime.errors import MtlError
from mtl_runtime.providers.session import Session

__all__ = [
    "Pass",
    "add_task_metadata",
    "apply",
    "check",
    "deduplicate_initializers",
    "drop_debug_info",
    "drop_inverse_reshapes",
    "require_portable",
    "save",
    "value_names",
]

Pass = Callable[[ir.Model], ir.Model]

# protobuf cannot hold more in one message; the rest of the graph is small compared with the weights.
SINGLE_FILE_LIMIT = 2 * 1024**3 - 64 * 1024**2


def apply(model: ir.Model, steps: Sequence[Pass]) -> ir.Model:
    """Run ``steps`` in order and check the result.

    A check writes and opens the whole graph, so the last result is checked first; only if it is not valid do the steps
    run again, with a check after each, to name the one that broke it.

    Raises:
        ExportError: a step broke the graph; the message names the step.
    """
    try:
        result = _apply(model.clone(), steps)
        check(result, "all steps")
    except Exception:
        check(model, "torch.onnx.export")
        _apply(model, steps, check)
        raise
    return result


def _apply(model: ir.Model, steps: Sequence[Pass], inspect: Callable[[ir.Model, str], None] | None = None) -> ir.Model:
    for step in steps:
        before = signature(model)
        model = step(model)
        name = getattr(step, "__name__", type(step).__name__)
        if signature(model) != before:
            raise ExportError(f"step {name} changed the graph's signature: {before} -> {signature(model)}")
        if inspect is not None:
            inspect(model, name)
    return model


def signature(model: ir.Model) -> tuple[tuple[str, str, str], ...]:
    """Name, type and shape of every input and output."""
    values = (*model.graph.inputs, *model.graph.outputs)
    return tuple((str(value.name), str(value.dtype), str(value.shape)) for value in values)


def value_names(model: ir.Model) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the inputs and of the outputs, in their order."""
    return tuple(str(value.name) for value in model.graph.inputs), tuple(
        str(value.name) for value in model.graph.outputs
    )


def check(model: ir.Model, step: str, *, loads: bool = True) -> None:
    """Accept a graph that is valid, unambiguous and, if ``loads``, one that onnxruntime's CPU provider opens.

    Raises:
        ExportError: it is not; ``step`` names the step before.
    """
    names = [value.name for value in _values(model)]
    doubled = sorted({str(name) for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if doubled:
        raise ExportError(f"after {step} the value names {', '.join(doubled)} stand for several values")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.onnx")
        save(model, file)
        try:
            onnx.checker.check_model(file, full_check=True)
            if loads:
                Session.open(file)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, MtlError) as error:
            raise ExportError(f"after {step} the graph is not valid: {error}") from error


def save(model: ir.Model, file: Path) -> list[Path]:
    """Write one file, or above 2 GB a small one and ``<file>.data`` with the weights; returns what was written."""
    data = file.with_name(f"{file.name}.data")
    size = sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)
    if size < SINGLE_FILE_LIMIT:
        ir.save(model, file)
        data.unlink(missing_ok=True)  # of a larger graph that stood here before
        return [file]
    ir.save(model, file, external_data=data.name)
    return [file, data]


def drop_debug_info(model: ir.Model) -> ir.Model:
    """Remove stack traces and doc strings: they hold paths of the exporting machine."""
    return ClearMetadataAndDocStringPass()(model).model


def deduplicate_initializers(model: ir.Model) -> ir.Model:
    """Store equal weights once: a module that runs in several layers may be traced with a copy for each."""
    return DeduplicateInitializersPass(size_limit=2**40)(model).model


def drop_inverse_reshapes(model: ir.Model) -> ir.Model:
    """Take out reshapes that undo each other, as between a projection by heads and a fused attention."""
    for node in model.graph:
        source = node.inputs[0] if node.op_type == "Reshape" else None
        while source is not None and (producer := source.producer()) is not None and producer.op_type == "Reshape":
            source = producer.inputs[0]
        output = node.outputs[0]
        if source is not None and source.shape == output.shape and not output.is_graph_output():
            ir.convenience.replace_all_uses_with(output, source)
    return RemoveUnusedNodesPass()(model).model


def require_portable(model: ir.Model) -> ir.Model:
    """Refuse operators outside the ONNX standard, so that any runtime can load the graph.

    Raises:
        ExportError: there is one.
    """
    foreign = sorted(
        {f"{node.domain}::{node.op_type}" for node in model.graph.all_nodes() if node.domain not in ("", "ai.onnx")}
    )
    if foreign or model.functions:
        raise ExportError(f"the graph uses operators that are not portable: {', '.join(foreign) or 'local functions'}")
    return model


def add_task_metadata(tasks: Iterable[TaskSpec]) -> Pass:
    """A step that writes tasks and labels into the graph's metadata, for users of plain onnxruntime."""

    def add_metadata(model: ir.Model) -> ir.Model:
        model.producer_name, model.producer_version = "mtl-export", ""
        model.graph.name = "multi_task_sentence_classifier"
        model.metadata_props.update(graph_metadata(tasks))
        return model

    return add_metadata


def _values(model: ir.Model) -> list[ir.Value]:
    graph = model.graph
    inner = [output for node in graph.all_nodes() for output in node.outputs if output.name]
    return [*graph.inputs, *graph.initializers.values(), *inner]
