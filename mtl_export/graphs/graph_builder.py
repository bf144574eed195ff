"""model + calibration sentences -> what graphs of all precisions are made of, each part made when first asked."""

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from mtl_export.errors import ExportError
from mtl_export.graphs.fused_attention import FUSED_OPERATOR, can_fuse
from mtl_export.graphs.half_precision import float_values
from mtl_export.graphs.int8.activation_ranges import Range, ranges
from mtl_export.graphs.int8.matmuls import products
from mtl_export.graphs.int8.quantize_matmuls import int8_products
from mtl_export.graphs.int8.smoothquant import best_smoothed
from mtl_export.graphs.passes import (
    apply,
    describe,
    portable,
    save,
    without_copies,
    without_idle_reshapes,
    without_traces,
)
from mtl_export.graphs.trace import to_onnx
from mtl_export.model import MultiTaskModel
from mtl_runtime.bundle.manifest import TaskSpec, logits_output
from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.core.sampling import spread
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["Material", "attention_layers"]

# Ranges of all of an encoder's values cost much memory, and settle after few sentences.
_SENTENCES_FOR_VALUES = 64
# Ways of smoothing are told apart by far fewer sentences than a gate needs. Dozens are tried, so where sentences are
# long there are still fewer.
_SENTENCES_FOR_LOSS = 128
_TOKENS_FOR_LOSS = 4096
_LOSS_BATCH = 32


class Material:
    """Graphs and ranges of one model.

    Args:
        model: the trained model.
        tasks: as the graphs' metadata tell them.
        texts: calibration sentences, tokenized.
        folder: for files in passing.
        report: is told what takes long.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        tasks: tuple[TaskSpec, ...],
        texts: list[TokenizedText],
        folder: Path,
        *,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.model = model
        self._tasks = tasks
        self._texts = texts
        self._folder = folder
        self._report = report

    @cached_property
    def portable(self) -> ir.Model:
        """The fp32 graph, of standard ONNX operators."""
        return apply(to_onnx(self.model), [without_traces, without_copies, portable, describe(self._tasks)])

    @cached_property
    def fused(self) -> ir.Model:
        """The fp32 graph with one attention operator per layer; the portable one for a family that cannot be fused.

        Raises:
            ExportError: a layer's attention was not fused.
        """
        if not can_fuse(self.model.encoder):
            return self.portable
        steps = [without_traces, without_copies, without_idle_reshapes, describe(self._tasks)]
        model = apply(to_onnx(self.model, fused=True), steps)
        config: Any = self.model.encoder.config
        # albert may run several attentions in each of its layers.
        found, layers = attention_layers(model), config.num_hidden_layers * getattr(config, "inner_group_num", 1)
        if found != layers:
            family = self.model.spec.encoder.family
            raise ExportError(f"{family}: attention was fused in {found} of {layers} layers; report this")
        return model

    @cached_property
    def product_ranges(self) -> dict[str, Range]:
        """Ranges of the inputs of the fused graph's products."""
        return self._product_ranges(self.fused)

    @cached_property
    def portable_ranges(self) -> dict[str, Range]:
        """Ranges of the inputs of the portable graph's products."""
        return self._product_ranges(self.portable)

    @cached_property
    def smooth_fused(self) -> tuple[ir.Model, Mapping[str, Range]]:
        """The fused graph ready for int8, and the ranges of its products' inputs."""
        loss = partial(self._loss, self._logits(self.fused))
        return best_smoothed(self.fused, self.product_ranges, loss, self._report)

    @cached_property
    def smooth_portable(self) -> tuple[ir.Model, Mapping[str, Range]]:
        """The portable graph ready for int8, and the ranges of its products' inputs."""
        loss = partial(self._loss, self._logits(self.portable))
        return best_smoothed(self.portable, self.portable_ranges, loss, self._report)

    @cached_property
    def value_ranges(self) -> dict[str, Range]:
        """Ranges of all float values of the fused graph's encoder."""
        return self._ranges(self.fused, float_values(self.fused), spread(self._texts, _SENTENCES_FOR_VALUES))

    def _loss(self, exact: NDArray[np.float32], model: ir.Model, ranges: Mapping[str, Range]) -> float:
        """What int8 products do to the logits of calibration sentences: mean |difference| from ``exact``."""
        return float(np.abs(exact - self._logits(int8_products(model, ranges))).mean())

    def _logits(self, model: ir.Model) -> NDArray[np.float32]:
        """All tasks' logits of some calibration sentences, (N, width of all tasks)."""
        usual = max(1.0, float(np.mean([len(text) for text in self._texts])))
        texts = spread(self._texts, min(_SENTENCES_FOR_LOSS, max(1, int(_TOKENS_FOR_LOSS / usual))))
        save(model, self._folder / "candidate.onnx")
        session = Session.open(self._folder / "candidate.onnx", threads=allowed_cores())
        outputs = [logits_output(task.name) for task in self._tasks]
        rows = []
        for start in range(0, len(texts), _LOSS_BATCH):
            batch = Batch.of(texts[start : start + _LOSS_BATCH], pad_id=self.model.spec.encoder.pad_id)
            rows.append(np.concatenate(session.run(batch, outputs), axis=1))
        return np.concatenate(rows)

    def _product_ranges(self, model: ir.Model) -> dict[str, Range]:
        return self._ranges(model, [str(product.data.name) for product in products(model)], self._texts)

    def _ranges(self, model: ir.Model, names: list[str], texts: list[TokenizedText]) -> dict[str, Range]:
        return ranges(model, names, texts, pad_id=self.model.spec.encoder.pad_id, folder=self._folder)


def attention_layers(model: ir.Model) -> int:
    """Number of fused attention operators."""
    return sum(node.op_type == FUSED_OPERATOR for node in model.graph)
