"""forward passes of a model -> its matrix products, multiplied once more and timed alone.

Counted are the products of every nn.Linear and of attention, forward and backward, at the shapes and in the type of the
pass that was recorded. A backward pass has two products for each forward one, less those for frozen weights and for
inputs that need no gradient.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from mtl_export.model import MultiTaskModel
from mtl_export.model.encoder import encoder_layers

__all__ = ["MatrixProducts"]

Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(slots=True)
class _LinearPass:
    """What one nn.Linear multiplied: (rows, inputs) x (inputs, outputs)."""

    weight: str  # the module's name: each has operands of its own, as large as all weights together
    rows: int
    inputs: int
    outputs: int
    dtype: torch.dtype
    input_gradient: bool
    weight_gradient: bool

    def pairs(self, operands: "_Operands") -> Iterator[Pair]:
        x = operands.get(f"input {self.rows}", (self.rows, self.inputs), self.dtype)
        weight = operands.get(self.weight, (self.outputs, self.inputs), self.dtype)
        gradient = operands.get(f"gradient {self.rows}", (self.rows, self.outputs), self.dtype)
        yield x, weight.t()
        if self.input_gradient:
            yield gradient, weight
        if self.weight_gradient:
            yield gradient.t(), x


@dataclass(slots=True)
class _AttentionPass:
    """Scores and weighted values of all heads in all layers: two products (tokens, size) x (size, tokens) of each."""

    layers: int
    backward_layers: int
    heads: int  # of all sentences of the batch
    tokens: int
    size: int
    dtype: torch.dtype

    def pairs(self, operands: "_Operands") -> Iterator[Pair]:
        rows = (self.heads, self.tokens, self.size)
        first = operands.get("attention 1", rows, self.dtype)
        second = operands.get("attention 2", rows, self.dtype)
        weights = operands.get("attention", (self.heads, self.tokens, self.tokens), self.dtype)
        for _ in range(self.layers + 2 * self.backward_layers):
            yield first, second.transpose(1, 2)
            yield weights, first


class _Operands:
    """Tensors by name and shape, filled once."""

    def __init__(self) -> None:
        self._tensors: dict[tuple[Any, ...], torch.Tensor] = {}

    def get(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        key = (name, shape, dtype)
        if key not in self._tensors:
            self._tensors[key] = torch.randn(shape).to(dtype)
        return self._tensors[key]


@dataclass(slots=True)
class MatrixProducts:
    """The products of the forward passes since the last call of :meth:`multiply`, with their backward passes."""

    passes: list[_LinearPass | _AttentionPass] = field(default_factory=list)
    operands: _Operands = field(default_factory=_Operands)

    def record(self, model: MultiTaskModel) -> None:
        """Record every forward pass of ``model`` from now on.

        Raises:
            EncoderError: its layers are not a plain list.
        """
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear):
                module.register_forward_pre_hook(self._linear_hook(name))
        model.register_forward_pre_hook(self._attention_hook(model.encoder), with_kwargs=True)

    def multiply(self) -> float:
        """Multiply everything that was recorded, and forget it; seconds."""
        pairs = [pair for each in self.passes for pair in each.pairs(self.operands)]
        self.passes.clear()
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            start = time.perf_counter()
            for left, right in pairs:
                torch.matmul(left, right)
            return time.perf_counter() - start

    def _linear_hook(self, name: str) -> Any:
        def hook(module: nn.Linear, inputs: tuple[torch.Tensor, ...]) -> None:
            (x,) = inputs
            backward = torch.is_grad_enabled()
            self.passes.append(
                _LinearPass(
                    weight=name,
                    rows=x.numel() // module.in_features,
                    inputs=module.in_features,
                    outputs=module.out_features,
                    dtype=_product_type(module.weight.dtype),
                    input_gradient=backward and x.requires_grad,
                    weight_gradient=backward and module.weight.requires_grad,
                )
            )

        return hook

    def _attention_hook(self, encoder: nn.Module) -> Any:
        config: Any = encoder.config
        parts = [encoder.embeddings, *encoder_layers(encoder)]
        trainable = [any(parameter.requires_grad for parameter in part.parameters()) for part in parts]
        # Gradients flow down to the lowest trainable part; the embeddings have no attention.
        backward_layers = min(len(parts) - trainable.index(True), len(parts) - 1) if any(trainable) else 0

        def hook(module: nn.Module, args: tuple[torch.Tensor, ...], kwargs: dict[str, torch.Tensor]) -> None:
            batch, tokens = (args[0] if args else kwargs["input_ids"]).shape
            self.passes.append(
                _AttentionPass(
                    layers=len(parts) - 1,
                    backward_layers=backward_layers if torch.is_grad_enabled() else 0,
                    heads=batch * config.num_attention_heads,
                    tokens=tokens,
                    size=config.hidden_size // config.num_attention_heads,
                    dtype=_product_type(next(module.parameters()).dtype),
                )
            )

        return hook


def _product_type(own: torch.dtype) -> torch.dtype:
    """The type that autocast multiplies in, where it is on."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else own
