"""Hooks that hide padding from an encoder's layers, for families with layers that mix neighbouring positions.

Attention is masked in every family. ConvBERT's convolutions, though, read the positions next to a token, padding
included, and MobileBERT's embeddings those of the two tokens next to a token, so that the answer for a sentence would
depend on the longest sentence of its batch. With zeros in place of padding, they read what they read after the end of
a sentence that is alone in its batch.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

__all__ = ["PaddingMask"]


class PaddingMask:
    """The attention mask of the current forward pass, for the hooks of an encoder's layers."""

    def __init__(self, encoder: nn.Module) -> None:
        self._mask: torch.Tensor | None = None  # (B, T)
        config: Any = encoder.config
        for install in _HOOKS.get(config.model_type, ()):
            install(encoder, self)

    def set(self, attention_mask: torch.Tensor) -> None:
        """Set the mask of the forward pass that is about to start."""
        self._mask = attention_mask

    def of(self, values: torch.Tensor) -> torch.Tensor:
        """The mask (B, T) in the dtype of ``values``."""
        assert self._mask is not None  # noqa: S101 - MultiTaskModel.forward sets it before the encoder runs
        return self._mask.to(values.dtype)


def _hook_convbert_convolutions(encoder: nn.Module, mask: PaddingMask) -> None:
    def mask_key_input(_: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        (hidden,) = inputs  # (B, H, T)
        return (hidden * mask.of(hidden).unsqueeze(1),)

    for name, module in encoder.named_modules():
        if name.endswith(".key_conv_attn_layer"):
            module.register_forward_pre_hook(mask_key_input)
        elif name.endswith(".conv_out_layer"):
            _mask_output(module, mask)


def _hook_word_embeddings(encoder: nn.Module, mask: PaddingMask) -> None:
    embeddings: Any = encoder.get_input_embeddings()  # type: ignore[operator]
    _mask_output(embeddings, mask)


def _mask_output(module: nn.Module, mask: PaddingMask) -> None:
    def mask_output(_: nn.Module, __: Any, output: torch.Tensor) -> torch.Tensor:
        return output * mask.of(output).unsqueeze(-1)  # (B, T, H)

    module.register_forward_hook(mask_output)


_HOOKS: Mapping[str, tuple[Callable[[nn.Module, PaddingMask], None], ...]] = {
    "convbert": (_hook_convbert_convolutions,),
    "mobilebert": (_hook_word_embeddings,),
}
