"""MultiTaskModel -> onnx_ir.Model: encoder, pooling and all heads in one graph, batch and sequence dynamic.

Traced with eager attention, which every family has and which needs nothing but plain matrix products, so that the
graph is made of portable ONNX operators only; or with one fused attention operator per layer, for onnxruntime alone.
"""

import ast
import contextlib
import io
import logging
import warnings
from collections import Counter
from collections.abc import Iterator

import onnx_ir as ir
import torch
from torch import nn

from mtl_export.errors import ExportError
from mtl_export.graphs import fused_attention
from mtl_export.model import MultiTaskModel
from mtl_runtime.bundle.manifest import EMBEDDING_OUTPUT, logits_output

__all__ = ["ENCODER", "OPSET", "check_finite_weights", "trace_to_onnx"]

OPSET = 20
# Both sizes differ from 1 and from each other, so that the tracer specializes neither.
_TRACED_SHAPE = (2, 7)
# What the names of the encoder's nodes start with; pooling and heads come after it.
ENCODER = "encoder"


class _Graph(nn.Module):
    """The model as a function of tensors that returns a flat tuple, in the order of the graph's outputs."""

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
        # Identity keeps an output a value of its own where a pooling returns an encoder's output as it is.
        return (*output.logits.values(), output.sentence_embedding.clone())


def trace_to_onnx(model: MultiTaskModel, *, fused: bool = False) -> ir.Model:
    """Trace ``model``.

    Args:
        model: any encoder, any heads.
        fused: make each layer's attention one operator, for families that allow it.

    Returns:
        A graph with int64 inputs (batch, sequence), named as ``model.inputs``, and float32 outputs
        ``logits.<task>`` (batch, width) in the tasks' order, then ``sentence_embedding`` (batch, hidden). Nodes
        are named after the module they come from, as in ``encoder.layer.0.output.dense/MatMul``.

    Raises:
        ExportError: a weight is not finite, or torch cannot trace the encoder.
    """
    check_finite_weights(model)
    if fused:
        fused_attention.register()
    traced = MultiTaskModel.rebuild(model.spec, model.tokenizer, attention=fused_attention.FUSED if fused else "eager")
    traced.load_state_dict(model.state_dict())
    graph = _Graph(traced.eval())
    outputs = [*(logits_output(task.name) for task in model.spec.tasks), EMBEDDING_OUTPUT]
    example = torch.ones(_TRACED_SHAPE, dtype=torch.int64)
    axes = {0: "batch", 1: "sequence"}
    try:
        with _quiet():
            program = torch.onnx.export(
                graph,
                kwargs={name: example.clone() for name in model.inputs},
                dynamo=True,
                opset_version=OPSET,
                input_names=list(model.inputs),
                output_names=outputs,
                dynamic_shapes=dict.fromkeys(model.inputs, axes),
                verbose=False,
            )
    except Exception as error:  # torch.export raises what its many stages raise
        raise ExportError(f"torch.onnx cannot export {model.spec.encoder.family}: {error}") from error
    if program is None:
        raise ExportError(f"torch.onnx returned no graph for {model.spec.encoder.family}")
    return _named(program.model)


def _named(model: ir.Model) -> ir.Model:
    """Name each node after its module; modules that run several times are numbered."""
    seen: Counter[str] = Counter()
    for node in model.graph.all_nodes():
        name = f"{_module(node)}/{node.op_type}"
        seen[name] += 1
        node.name = name if seen[name] == 1 else f"{name}#{seen[name]}"
    return model


def _module(node: ir.Node) -> str:
    """Path of the module that a node was traced in, from what torch notes beside it: modules, then the operation."""
    scopes = ast.literal_eval(node.metadata_props.get("pkg.torch.onnx.name_scopes", "[]"))
    path: str = scopes[-2] if len(scopes) > 1 else ""
    return path.removeprefix("model.") if path.startswith("model.") else ""


def check_finite_weights(model: nn.Module) -> None:
    """Refuse NaN and infinity.

    Raises:
        ExportError: a weight has one; the message names it.
    """
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ExportError(f"weight {name} holds NaN or infinity; train again with a lower learning rate")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's progress lines and its warnings about its own internals away from the user."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
