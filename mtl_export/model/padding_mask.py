"""encoder -> the same encoder with layers that do not see padding, for families that mix neighbouring positions.

Attention is masked everywhere, but ConvBERT's convolutions read the positions beside a token, padding too, so that
a sentence's answer would depend on the longest sentence of its batch. Zeros at the padding are what the
convolutions see beyond the end of a sentence that stands alone.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

__all__ = ["PaddingMask"]


class PaddingMask:
    """The attention mask of the forward pass at work, for the hooks of an encoder's layers."""

    def __init__(self, encoder: nn.Module) -> None:
        self._mask: torch.Tensor | None = None  # (B, T)
        config: Any = encoder.config
        for install in _HOOKS.get(config.model_type, ()):
            install(encoder, self)

    def set(self, attention_mask: torch.Tensor) -> None:
        """Tell the hooks the mask of the pass that begins."""
        self._mask = attention_mask

    def of(self, values: torch.Tensor) -> torch.Tensor:
        """The mask in the type of ``values``, (B, T)."""
        assert self._mask is not None  # noqa: S101 - MultiTaskModel.forward sets it before the encoder runs
        return self._mask.to(values.dtype)


def _convolutions_of_convbert(encoder: nn.Module, mask: PaddingMask) -> None:
    def before_key_convolution(_: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        (hidden,) = inputs  # (B, H, T)
        return (hidden * mask.of(hidden).unsqueeze(1),)

    def after_value_projection(_: nn.Module, __: Any, output: torch.Tensor) -> torch.Tensor:
        return output * mask.of(output).unsqueeze(-1)  # (B, T, H)

    for name, module in encoder.named_modules():
        if name.endswith(".key_conv_attn_layer"):
            module.register_forward_pre_hook(before_key_convolution)
        elif name.endswith(".conv_out_layer"):
            module.register_forward_hook(after_value_projection)


_HOOKS: Mapping[str, tuple[Callable[[nn.Module, PaddingMask], None], ...]] = {
    "convbert": (_convolutions_of_convbert,),
}
