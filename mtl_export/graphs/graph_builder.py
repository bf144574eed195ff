"""model + calibration sentences -> fp32 graphs and activation ranges, each made when it is first needed."""

import logging
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mtl_export.errors import ExportError
from mtl_export.graphs.fused_attention import FUSED_OPERATOR, can_fuse
from mtl_export.graphs.graph_runs import run_batches
from mtl_export.graphs.half_precision import encoder_float_values
from mtl_export.graphs.int8.activation_ranges import ActivationRange, collect_activation_ranges
from mtl_export.graphs.int8.matmuls import find_matmuls
from mtl_export.graphs.int8.quantize_matmuls import quantize_matmuls
from mtl_export.graphs.int8.smoothquant import search_smoothquant
from mtl_export.graphs.passes import (
    add_task_metadata,
    apply,
    deduplicate_initializers,
    drop_debug_info,
    drop_inverse_reshapes,
    require_portable,
    save,
)
from mtl_export.graphs.trace import trace_to_onnx
from mtl_export.model import MultiTaskModel
from mtl_runtime.bundle.manifest import TaskSpec, logits_output
from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["GraphBuilder", "count_fused_attention"]

_log = logging.getLogger(__name__)

# Ranges of all of an encoder's values cost much memory, and settle after few sentences.
_SENTENCES_FOR_VALUES = 64
# Comparing ways of smoothing needs far fewer sentences than a gate. Dozens are tried, so where sentences are
# long there are still fewer.
_SENTENCES_FOR_LOSS = 128
_TOKENS_FOR_LOSS = 4096
# A smaller constant of a trial is not worth a file of its own.
_SHARED_BYTES = 2**20


class GraphBuilder:
    """Graphs and ranges of one model.

    Args:
        model: the trained model.
        tasks: as the graphs' metadata tell them.
        texts: calibration sentences, tokenized.
        folder: for temporary files.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        tasks: tuple[TaskSpec, ...],
        texts: list[TokenizedText],
        folder: Path,
    ) -> None:
        self.model = model
        self._tasks = tasks
        self._texts = texts
        self._folder = folder
        self._tables: dict[str, ir.ExternalTensor] = {}

    @cached_property
    def portable(self) -> ir.Model:
        """The fp32 graph, of standard ONNX operators."""
        return apply(
            trace_to_onnx(self.model),
            [drop_debug_info, deduplicate_initializers, require_portable, add_task_metadata(self._tasks)],
        )

    @cached_property
    def fused(self) -> ir.Model:
        """The fp32 graph with one attention operator per layer; the portable one for a family that cannot be fused."""
        if not can_fuse(self.model.encoder):
            return self.portable
        steps = [drop_debug_info, deduplicate_initializers, drop_inverse_reshapes, add_task_metadata(self._tasks)]
        family = self.model.spec.encoder.family
        try:
            model = apply(trace_to_onnx(self.model, fused=True), steps)
        except ExportError as error:
            _log.info("%s: attention is not fused: %s", family, error)
            return self.portable
        config: Any = self.model.encoder.config
        # albert may run several attentions in each of its layers.
        fused, layers = count_fused_attention(model), config.num_hidden_layers * getattr(config, "inner_group_num", 1)
        if fused != layers:
            _log.warning("%s: attention was fused in %d of %d layers, so in none", family, fused, layers)
            return self.portable
        return model

    @cached_property
    def fused_ranges(self) -> dict[str, ActivationRange]:
        """Ranges of the inputs of the fused graph's MatMuls."""
        return self._matmul_ranges(self.fused)

    @cached_property
    def portable_ranges(self) -> dict[str, ActivationRange]:
        """Ranges of the inputs of the portable graph's MatMuls."""
        return self._matmul_ranges(self.portable)

    @cached_property
    def fused_for_int8(self) -> tuple[ir.Model, Mapping[str, ActivationRange]]:
        """The fused graph ready for int8, and the ranges of its MatMuls' inputs."""
        loss = partial(self._loss, self._logits(self.fused))
        return search_smoothquant(self.fused, self.fused_ranges, loss)

    @cached_property
    def portable_for_int8(self) -> tuple[ir.Model, Mapping[str, ActivationRange]]:
        """The portable graph ready for int8, and the ranges of its MatMuls' inputs."""
        loss = partial(self._loss, self._logits(self.portable))
        return search_smoothquant(self.portable, self.portable_ranges, loss)

    @cached_property
    def value_ranges(self) -> dict[str, ActivationRange]:
        """Ranges of all float values of the fused graph's encoder."""
        return self._ranges(
            self.fused, encoder_float_values(self.fused), evenly_spaced(self._texts, _SENTENCES_FOR_VALUES)
        )

    def _loss(self, exact: NDArray[np.float32], model: ir.Model, ranges: Mapping[str, ActivationRange]) -> float:
        """What int8 MatMuls do to the logits of calibration sentences: mean |difference| from ``exact``."""
        trial = quantize_matmuls(model, ranges)
        self._move_tables_out(trial)
        return float(np.abs(exact - self._logits(trial)).mean())

    def _move_tables_out(self, trial: ir.Model) -> None:
        """Let all trials share what is large and the same in them, the embeddings: each is written once."""
        for name, value in trial.graph.initializers.items():
            tensor = value.const_value
            if tensor is None or tensor.dtype != ir.DataType.FLOAT or tensor.nbytes < _SHARED_BYTES:
                continue
            if name not in self._tables:
                file = self._folder / f"table_{len(self._tables)}.data"
                file.write_bytes(tensor.tobytes())
                self._tables[name] = ir.ExternalTensor(
                    file.name,
                    0,
                    tensor.nbytes,
                    tensor.dtype,
                    shape=ir.Shape(tensor.numpy().shape),
                    name=name,
                    base_dir=self._folder,
                )
            value.const_value = self._tables[name]

    def _logits(self, model: ir.Model) -> NDArray[np.float32]:
        """All tasks' logits of some calibration sentences, (N, width of all tasks)."""
        usual = max(1.0, float(np.mean([len(text) for text in self._texts])))
        texts = evenly_spaced(self._texts, min(_SENTENCES_FOR_LOSS, max(1, int(_TOKENS_FOR_LOSS / usual))))
        save(model, self._folder / "candidate.onnx")
        session = Session.open(self._folder / "candidate.onnx", runs=allowed_cores())
        outputs = [logits_output(task.name) for task in self._tasks]
        logits = np.empty((len(texts), sum(task.width for task in self._tasks)), np.float32)
        pad_id = self.model.spec.encoder.pad_id
        for indices, rows in run_batches(
            session, texts, outputs, lambda _, r: np.concatenate(r, axis=1), pad_id=pad_id
        ):
            logits[indices] = rows
        return logits

    def _matmul_ranges(self, model: ir.Model) -> dict[str, ActivationRange]:
        return self._ranges(model, [str(matmul.data.name) for matmul in find_matmuls(model)], self._texts)

    def _ranges(self, model: ir.Model, names: list[str], texts: list[TokenizedText]) -> dict[str, ActivationRange]:
        return collect_activation_ranges(
            model, names, texts, pad_id=self.model.spec.encoder.pad_id, folder=self._folder
        )


def _side_by_side(_batch: Batch, outputs: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(outputs, axis=1)


def count_fused_attention(model: ir.Model) -> int:
    """Number of fused attention operators."""
    return sum(node.op_type == FUSED_OPERATOR for node in model.graph)
