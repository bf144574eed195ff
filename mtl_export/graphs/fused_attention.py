"""Register an attention implementation that is traced to one fused operator per layer.

It works for families whose attention transformers looks up by name. There are two registries under that name, one for
the attention and one for its mask. An implementation that is missing from the second would attend to padding without
any error.
"""

from typing import Any

import torch
from torch import nn

from mtl_export.upstream import is_bidirectional, visible_pairs

__all__ = ["FUSED", "FUSED_OPERATOR", "can_fuse", "register"]

FUSED = "mtl_fused"
FUSED_OPERATOR = "MultiHeadAttention"  # of com.microsoft, with kernels for the CPU and CUDA providers
# Added to the scores of keys that must not be seen: far below any score, and within the range of fp16.
_MASKED = -1e4
# Arguments with which some families cap scores, add sinks to them, or add a bias by position.
_CHANGES_SCORES = ("softcap", "s_aux", "position_bias")


def can_fuse(encoder: nn.Module) -> bool:
    """Whether transformers looks up the encoder's attention by name, so that ``FUSED`` can take its place."""
    supports: Any = getattr(type(encoder), "is_backend_compatible", None)
    return supports is not None and bool(supports())


def register() -> None:
    """Register the implementation ``FUSED`` with transformers; a second call changes nothing."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(FUSED, _attention)
    AttentionMaskInterface.register(FUSED, _mask)


def _attention(
    _module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of one layer.

    Args:
        query: (B, heads, T, size).
        key: likewise; fewer heads where several heads of ``query`` share one.
        value: likewise.
        attention_mask: as :func:`_mask` returns it.
        scaling: of the scores; default: 1 / sqrt(size).
        others: what a family adds; those in ``_CHANGES_SCORES`` must be None.

    Returns:
        (B, T, heads, size), and None in place of the attention weights.

    Raises:
        NotImplementedError: the family changes the scores in a way that the operator cannot.
    """
    if changes := [name for name in _CHANGES_SCORES if others.get(name) is not None]:
        raise NotImplementedError(f"{FUSED_OPERATOR} has no {' and no '.join(changes)}")
    batch, heads, tokens, size = query.shape
    per_head = [query, *(_repeat_heads(part, heads) for part in (key, value))]
    packed = [part.transpose(1, 2).reshape(batch, tokens, heads * size) for part in per_head]
    keys, bias = (attention_mask, None) if attention_mask.ndim == 2 else (None, attention_mask)
    output = torch.onnx.ops.symbolic(
        f"com.microsoft::{FUSED_OPERATOR}",
        (*packed, None, keys, bias),
        {"num_heads": heads, "scale": scaling or size**-0.5, "mask_filter_value": _MASKED},
        dtype=query.dtype,
        shape=packed[0].shape,
        version=1,
    )
    return output.reshape(batch, tokens, heads, size), None


def _repeat_heads(part: torch.Tensor, heads: int) -> torch.Tensor:
    """Keys or values (B, fewer heads, T, size) -> (B, heads, T, size): each head serves as many in a row."""
    batch, shared, tokens, size = part.shape
    if shared == heads:
        return part
    return part[:, :, None].expand(batch, shared, heads // shared, tokens, size).reshape(batch, heads, tokens, size)


def _mask(*, attention_mask: torch.Tensor, mask_function: Any, dtype: torch.dtype, **layer: Any) -> torch.Tensor:
    """The mask of the layers of one kind, in the form that ``FUSED_OPERATOR`` takes.

    Returns:
        int32 (B, T), 1 for a key that may be seen, where every token sees every other; else (a sliding window, a
        decoder's order) float (B, 1, T, T), added to the scores.
    """
    if is_bidirectional(mask_function):
        return attention_mask.to(torch.int32)
    visible = visible_pairs(attention_mask=attention_mask, mask_function=mask_function, **layer)
    return torch.where(visible, 0.0, _MASKED).to(dtype)
