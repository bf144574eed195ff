"""teacher + texts -> Importance: the Fisher information of each attention head and feed-forward column.

After W. Kwon, S. Kim, M. Mahoney, J. Hassoun, K. Keutzer and A. Gholami, "A Fast Post-Training Pruning Framework for
Transformers", NeurIPS 2022: each head and each column is multiplied by a mask of 1, and the mean square of the loss's
derivative by that mask says what leaving it out would cost. Answers are drawn from the teacher's own probabilities, so
that every task counts, whatever labels the rows have.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from mtl_export.errors import EncoderError
from mtl_export.model import MultiTaskModel
from mtl_export.model.encoder import encoder_layers
from mtl_export.model.layer_parts import find_layer_parts
from mtl_runtime.bundle.manifest import Kind
from mtl_runtime.inference.batching import plan_batches
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["Importance", "measure_importance"]

_BATCH_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class Importance:
    """Of each layer of a teacher, its heads and its neurons: a larger one costs more to leave out."""

    heads: tuple[torch.Tensor, ...]  # float64 (heads,) of each layer
    neurons: tuple[torch.Tensor, ...]  # float64 (neurons,) of each layer


class _Mask:
    """Multiplies what a linear layer reads by ones, in groups, and sums the squares of their derivatives."""

    def __init__(self, linear: nn.Linear, groups: int) -> None:
        self.linear, self.groups = linear, groups
        self.total = torch.zeros(groups, dtype=torch.float64)
        self._ones: torch.Tensor | None = None  # (B, groups), of the current batch

    def apply(self, _: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        (values,) = inputs  # (B, T, groups * size)
        self._ones = torch.ones(len(values), self.groups, device=values.device, requires_grad=True)
        size = values.shape[-1] // self.groups
        return (values * self._ones.repeat_interleave(size, dim=1).unsqueeze(1),)

    def add_squares(self) -> None:
        """Add what the backward pass of a batch left; each row of the mask belongs to one text."""
        gradient = self._ones.grad if self._ones is not None else None
        assert gradient is not None  # noqa: S101 - both passes are done
        self.total += gradient.double().square().sum(dim=0).cpu()


def measure_importance(teacher: MultiTaskModel, texts: Sequence[TokenizedText], *, seed: int) -> Importance:
    """Measure every head and column of ``teacher``, which does not change.

    Args:
        teacher: on any device.
        texts: tokenized; a few hundred settle the order.
        seed: of the answers that are drawn.

    Raises:
        EncoderError: the parts of this family's layers are not known.
    """
    parts = find_layer_parts(teacher.spec.encoder.family)
    if parts is None:
        raise EncoderError(f"{teacher.spec.encoder.family} has layers whose parts are not known")
    config: Any = teacher.encoder.config
    size = config.hidden_size // config.num_attention_heads
    readers = [
        (parts.of(layer, parts.from_heads), parts.of(layer, parts.from_neurons))
        for layer in encoder_layers(teacher.encoder)
    ]
    heads = [_Mask(attention, attention.in_features // size) for attention, _ in readers]
    neurons = [_Mask(feed_forward, feed_forward.in_features) for _, feed_forward in readers]
    generator = torch.Generator().manual_seed(seed)
    with _frozen(teacher), ExitStack() as hooks:
        for mask in (*heads, *neurons):
            hooks.callback(mask.linear.register_forward_pre_hook(mask.apply).remove)
        for rows in plan_batches([len(text) for text in texts], max_batch_tokens=_BATCH_TOKENS):
            _sum_of_losses(teacher, [texts[row] for row in rows], generator).backward()  # type: ignore[no-untyped-call]
            for mask in (*heads, *neurons):
                mask.add_squares()
    return Importance(tuple(mask.total for mask in heads), tuple(mask.total for mask in neurons))


def _sum_of_losses(teacher: MultiTaskModel, texts: Sequence[TokenizedText], generator: torch.Generator) -> torch.Tensor:
    """The losses of all tasks and texts, with answers drawn from the teacher's own probabilities."""
    device = next(teacher.parameters()).device
    output = teacher(**{name: tensor.to(device) for name, tensor in teacher.tensors(texts).items()})
    losses = [_DRAWN_LOSS[task.kind](output.logits[task.name].float(), generator) for task in teacher.spec.tasks]
    return torch.stack(losses).sum()


def _draw_label(logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    drawn = torch.multinomial(logits.detach().softmax(dim=1).cpu(), 1, generator=generator).squeeze(1)
    return functional.cross_entropy(logits, drawn.to(logits.device), reduction="sum")


def _draw_labels(logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    drawn = torch.bernoulli(logits.detach().sigmoid().cpu(), generator=generator)
    return functional.binary_cross_entropy_with_logits(logits, drawn.to(logits.device), reduction="sum")


def _draw_number(logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn(logits.shape, generator=generator).to(logits.device)
    return 0.5 * (logits - logits.detach() - noise).square().sum()


_DRAWN_LOSS: Mapping[Kind, Callable[[torch.Tensor, torch.Generator], torch.Tensor]] = {
    "single_label": _draw_label,
    "multi_label": _draw_labels,
    "regression": _draw_number,
}


@contextmanager
def _frozen(model: MultiTaskModel) -> Iterator[None]:
    """Evaluation mode, and no gradients of weights: only those of the masks are needed."""
    was_training, weights = model.training, [weight for weight in model.parameters() if weight.requires_grad]
    model.eval()
    for weight in weights:
        weight.requires_grad = False
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad = True
        model.train(was_training)
