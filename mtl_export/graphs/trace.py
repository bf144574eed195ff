"""MultiTaskModel -> onnx_ir.Model: encoder, pooling and all heads in one graph, batch and sequence dynamic.

The portable graph is traced with eager attention, which every family supports and which consists of plain matrix
multiplications, so that it has standard ONNX operators only. The fused graph has one attention operator per layer,
which only onnxruntime runs.
"""

import contextlib
import io
import logging
import warnings
from collections import Counter
from collections.abc import Iterator

import onnx_ir as ir
import torch
from torch import nn

from mtl_export.errors import ExportError, IncompatiblePackageError
from mtl_export.graphs import fused_attention
from mtl_export.model import MultiTaskModel
from mtl_export.upstream import scope_path
from mtl_runtime.bundle.manifest import EMBEDDING_OUTPUT, logits_output

__all__ = ["ENCODER", "OPSET", "check_finite_weights", "check_trace", "trace_to_onnx"]

OPSET = 20
# Both sizes differ from 1 and from each other, so that the tracer specializes on neither.
_TRACED_SHAPE = (2, 7)
_OTHER_SHAPE = (3, 12)
# First part of the names of the encoder's nodes.
ENCODER = "encoder"


class _Graph(nn.Module):
    """The model with a flat tuple as its result, in the order of the graph's outputs."""

    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        output = self.model(input_ids, attention_mask, token_type_ids)
        # A pooling may return an output of the encoder unchanged; the clone makes it a separate value of the graph.
        return (*output.logits.values(), output.sentence_embedding.clone())


def trace_to_onnx(model: MultiTaskModel, *, fused: bool = False) -> ir.Model:
    """Trace ``model`` with torch.onnx.

    Args:
        model: with any encoder and any heads.
        fused: replace the attention of each layer by one operator, for families that allow it.

    Returns:
        A graph with int64 inputs (batch, sequence), named as ``model.inputs``, and float32 outputs
        ``logits.<task>`` (batch, width) in the tasks' order, then ``sentence_embedding`` (batch, hidden). Nodes
        are named after the module they come from, as in ``encoder.layer.0.output.dense/MatMul``.

    Raises:
        ExportError: a weight is not finite, or torch cannot trace the encoder.
        IncompatiblePackageError: the nodes of torch's graph cannot be named after their modules.
    """
    check_finite_weights(model)
    return _name_nodes(_export(model, fused=fused).model)


def check_trace(model: MultiTaskModel) -> None:
    """Trace ``model`` and run what was traced, in torch, at a shape that it was not traced with.

    Raises:
        ExportError: torch cannot trace the encoder, or the trace holds for the traced shape only.
    """
    program = _export(model, fused=False).exported_program
    assert program is not None  # noqa: S101 - None where torch.onnx.export was given no module
    feed = _example(model, _OTHER_SHAPE)
    feed["attention_mask"][0, _OTHER_SHAPE[1] // 2 :] = 0
    family = model.spec.encoder.family
    with torch.inference_mode():
        expected = _Graph(model.eval())(**feed)
        try:
            answers = program.module()(**feed)
        except Exception as error:  # an assertion of torch.export, or an operator that was given another shape
            raise ExportError(f"a graph of {family} holds for the traced shape only: {_cause(error)}") from error
    for answer, wanted in zip(answers, expected, strict=True):
        if not torch.allclose(answer, wanted, rtol=1e-3, atol=1e-4):
            raise ExportError(
                f"a graph of {family} gives other answers than the encoder at shapes that were not traced"
            )


def _export(model: MultiTaskModel, *, fused: bool) -> torch.onnx.ONNXProgram:
    if fused:
        fused_attention.register()
    traced = MultiTaskModel.rebuild(model.spec, model.tokenizer, attention=fused_attention.FUSED if fused else "eager")
    traced.load_state_dict(model.state_dict())
    _replace_conv1d(traced.encoder)
    outputs = [*(logits_output(task.name) for task in model.spec.tasks), EMBEDDING_OUTPUT]
    axes = {0: "batch", 1: "sequence"}
    try:
        with _hide_output():
            program = torch.onnx.export(
                _Graph(traced.eval()),
                kwargs=_example(model, _TRACED_SHAPE),
                dynamo=True,
                opset_version=OPSET,
                input_names=list(model.inputs),
                output_names=outputs,
                dynamic_shapes=dict.fromkeys(model.inputs, axes),
                verbose=False,
            )
    except Exception as error:  # each of the many stages of torch.export has exceptions of its own
        raise ExportError(f"torch.onnx cannot export {model.spec.encoder.family}: {_cause(error)}") from error
    if program is None:
        raise ExportError(f"torch.onnx returned no graph for {model.spec.encoder.family}")
    return program


def _replace_conv1d(encoder: nn.Module) -> None:
    """Put linear layers in place of gpt2's, which flatten the batch: they become MatMuls, as in other families."""
    from transformers.pytorch_utils import Conv1D

    for module in list(encoder.modules()):
        for name, child in module.named_children():
            if isinstance(child, Conv1D):
                inputs, outputs = child.weight.shape
                linear = nn.Linear(inputs, outputs)
                linear.weight, linear.bias = nn.Parameter(child.weight.T.contiguous()), child.bias
                setattr(module, name, linear)


def _example(model: MultiTaskModel, shape: tuple[int, int]) -> dict[str, torch.Tensor]:
    return {name: torch.ones(shape, dtype=torch.int64) for name in model.inputs}


def _cause(error: BaseException) -> str:
    """The first line of what the first of a chain of exceptions says."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _name_nodes(model: ir.Model) -> ir.Model:
    """Name each node after its module; a number follows where a module has several nodes of a type."""
    seen: Counter[str] = Counter()
    for node in model.graph.all_nodes():
        name = f"{_module_path(node)}/{node.op_type}"
        seen[name] += 1
        node.name = name if seen[name] == 1 else f"{name}#{seen[name]}"
    if not any(name.startswith(ENCODER) for name in seen):
        raise IncompatiblePackageError(
            f"torch {torch.__version__} does not note the modules of a graph's nodes; install torch 2.13"
        )
    return model


def _module_path(node: ir.Node) -> str:
    """Path below MultiTaskModel of the module that a node was traced in, as in ``encoder.layer.0``; "" outside it."""
    path = scope_path(node.metadata_props)
    return path.removeprefix("model.") if path.startswith("model.") else ""


def check_finite_weights(model: nn.Module) -> None:
    """Refuse a model with NaN or infinity in its weights.

    Raises:
        ExportError: the message names the weight.
    """
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ExportError(f"weight {name} holds NaN or infinity; train again with a lower learning rate")


@contextlib.contextmanager
def _hide_output() -> Iterator[None]:
    """Hide torch's progress lines, and its warnings and listings about its own internals."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
