"""encoder -> one fused attention operator per layer while it is traced, for families whose attention can be chosen.

transformers asks two registries by the name of the attention implementation: one for the attention, one for its
mask. Both must know ours; an implementation without a mask function attends to padding in silence.
"""

from typing import Any

import torch
from torch import nn

__all__ = ["FUSED", "FUSED_OPERATOR", "can_fuse", "register"]

FUSED = "mtl_fused"
FUSED_OPERATOR = "MultiHeadAttention"  # of com.microsoft, with kernels for the CPU and CUDA providers
# Where a key must not be seen. Far below any score, and within fp16.
_MASKED = -1e4


def can_fuse(encoder: nn.Module) -> bool:
    """Whether the encoder's attention is looked up by name, so that ours takes its place."""
    return bool(getattr(encoder, "_supports_attention_backend", False))


def register() -> None:
    """Tell transformers of the implementation ``FUSED``; again is the same as once."""
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(FUSED, _attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(FUSED, _mask)


def _attention(
    _module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of one layer.

    Args:
        query: (B, heads, T, size), like ``key`` and ``value``.
        key: see ``query``.
        value: see ``query``.
        attention_mask: of :func:`_mask`.
        scaling: of the scores; default: 1 / sqrt(size).

    Returns:
        (B, T, heads, size), and no weights.
    """
    batch, heads, tokens, size = query.shape
    packed = [part.transpose(1, 2).reshape(batch, tokens, heads * size) for part in (query, key, value)]
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


def _mask(*, attention_mask: torch.Tensor, mask_function: Any, dtype: torch.dtype, **rest: Any) -> torch.Tensor:
    """The mask of one kind of layer.

    Returns:
        int32 (B, T), 1 for a key that may be seen, where every token sees every other; else (a sliding window, a
        decoder's order) float (B, 1, T, T), added to the scores.
    """
    from transformers.masking_utils import bidirectional_mask_function, sdpa_mask

    if mask_function is bidirectional_mask_function:
        return attention_mask.to(torch.int32)
    whole = {**rest, "allow_is_bidirectional_skip": False}
    seen: Any = sdpa_mask(attention_mask=attention_mask, mask_function=mask_function, **whole)
    return torch.where(seen, 0.0, _MASKED).to(dtype)
