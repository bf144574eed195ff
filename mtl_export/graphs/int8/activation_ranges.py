"""fp32 graph + sentences -> the smallest and largest value of each tensor asked for, padding left out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mtl_export.errors import ExportError
from mtl_export.graphs.graph_runs import run_batches
from mtl_export.graphs.passes import save
from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["ActivationRange", "collect_activation_ranges"]


@dataclass(frozen=True, slots=True)
class ActivationRange:
    """Extremes of one tensor over all tokens seen, by channel (the last axis)."""

    low: NDArray[np.float32]
    high: NDArray[np.float32]

    @property
    def largest(self) -> float:
        """Largest absolute value."""
        return float(max(np.abs(self.low).max(), np.abs(self.high).max()))


def collect_activation_ranges(
    model: ir.Model, names: Iterable[str], texts: Sequence[TokenizedText], *, pad_id: int, folder: Path
) -> dict[str, ActivationRange]:
    """Run ``model`` on ``texts`` and watch the values ``names``.

    Args:
        model: an fp32 graph that onnxruntime's CPU provider runs.
        names: of float values; one of shape (B, T, ...) is watched at tokens only, any other one everywhere.
        texts: calibration sentences.
        pad_id: of the encoder.
        folder: for the graph while it runs.

    Raises:
        ExportError: a value is not finite.
    """
    distinct = list(dict.fromkeys(names))
    if not distinct:  # squeezebert, for example, has convolutions in place of MatMuls
        return {}
    watched = _with_outputs(model, distinct)
    file = folder / "watched.onnx"
    written = save(watched, file)
    session = Session.open(file, runs=allowed_cores())
    outputs = session.outputs[len(model.graph.outputs) :]
    ranges: dict[str, ActivationRange] = {}
    with_tokens = [text for text in texts if len(text)]  # others say nothing of activations
    for _, batch_ranges in run_batches(session, with_tokens, outputs, _extremes_of_all, pad_id=pad_id):
        for name, seen in zip(outputs, batch_ranges, strict=True):
            ranges[name] = _union(ranges[name], seen) if name in ranges else seen
    for part in written:
        part.unlink()
    if broken := [name for name, seen in ranges.items() if not np.isfinite([seen.low, seen.high]).all()]:
        raise ExportError(f"calibration sentences make {broken[0]} NaN or infinite; train again with a lower rate")
    return ranges


def _with_outputs(model: ir.Model, names: Sequence[str]) -> ir.Model:
    watched = model.clone()
    values: Mapping[str | None, ir.Value] = {
        value.name: value for node in watched.graph.all_nodes() for value in node.outputs
    }
    watched.graph.outputs.extend(values[name] for name in names)
    return watched


def _extremes_of_all(batch: Batch, outputs: list[NDArray[np.float32]]) -> list[ActivationRange]:
    return [_extremes(values, batch.attention_mask) for values in outputs]


def _extremes(values: NDArray[np.float32], mask: NDArray[np.int64]) -> ActivationRange:
    rows = values[mask == 1] if values.ndim == 3 and values.shape[:2] == mask.shape else values
    flat = rows.reshape(-1, rows.shape[-1]) if rows.ndim else rows.reshape(1, 1)
    return ActivationRange(flat.min(axis=0), flat.max(axis=0))


def _union(a: ActivationRange, b: ActivationRange) -> ActivationRange:
    if a.low.shape != b.low.shape:  # the last axis is the sentences' length: no channel to keep apart
        return ActivationRange(np.minimum(a.low.min(), b.low.min()), np.maximum(a.high.max(), b.high.max()))
    return ActivationRange(np.minimum(a.low, b.low), np.maximum(a.high, b.high))
