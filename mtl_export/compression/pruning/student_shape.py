"""What is left of a teacher's encoder in a student: layers, heads and feed-forward neurons; and what that costs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn

from mtl_export.errors import EncoderError
from mtl_export.model import MultiTaskModel
from mtl_export.model.encoder import encoder_layers
from mtl_export.model.layer_parts import find_layer_parts

__all__ = ["StudentShape", "TeacherSize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentShape:
    """The same widths in every layer, so that one config describes them all."""

    layers: tuple[int, ...]  # numbers of the teacher's layers, lowest first
    heads: int | None = None  # of each layer; None: the teacher's, whose number may not be known
    neurons: int | None = None  # of each feed-forward; None likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherSize:
    """Layers and widths of an encoder, and the multiplications that a token takes in one of its layers."""

    layers: int
    hidden: int  # size of the vectors between layers
    heads: int
    neurons: int
    attention: int  # multiplications by the weights of one layer's attention
    feed_forward: int
    widths_known: bool  # whether heads and neurons can be taken out

    @classmethod
    def of(cls, model: MultiTaskModel) -> Self:
        """Measure the encoder of ``model``.

        Raises:
            EncoderError: its layers share their weights or are not a plain list, so that none can be left out, or there
                is a single one whose parts are not known.
        """
        layers = encoder_layers(model.encoder)
        config: Any = model.encoder.config
        parts = find_layer_parts(model.spec.encoder.family)
        total = _count_weights(layers[0].modules())
        depth, hidden = len(layers), model.spec.encoder.hidden_size
        if parts is None and depth == 1:
            raise EncoderError("the encoder has a single layer, whose parts are not known: nothing can be left out")
        if parts is None:
            return cls(
                layers=depth, hidden=hidden, heads=1, neurons=1, attention=0, feed_forward=total, widths_known=False
            )
        feed_forward = _count_weights(parts.of(layers[0], path) for path in (*parts.to_neurons, parts.from_neurons))
        return cls(
            layers=depth,
            hidden=hidden,
            heads=model.spec.attention_heads or config.num_attention_heads,
            neurons=parts.of(layers[0], parts.from_neurons).in_features,
            attention=total - feed_forward,
            feed_forward=feed_forward,
            widths_known=True,
        )

    def work(self, shape: StudentShape) -> float:
        """Multiplications of a student's layers, as a share of the teacher's."""
        attention = self.attention * (shape.heads or self.heads) / self.heads
        feed_forward = self.feed_forward * (shape.neurons or self.neurons) / self.neurons
        return len(shape.layers) * (attention + feed_forward) / (self.layers * (self.attention + self.feed_forward))


def _count_weights(modules: Iterable[nn.Module]) -> int:
    """Elements of matrices: of nn.Linear, and of what some families have in its place (gpt2, ibert)."""
    weights = (getattr(module, "weight", None) for module in modules)
    return sum(weight.numel() for weight in weights if isinstance(weight, torch.Tensor) and weight.ndim == 2)
