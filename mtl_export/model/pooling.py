"""token vectors (B, T, H) + attention mask (B, T) -> sentence embedding (B, H); padding has no influence."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from mtl_runtime.bundle.manifest import Pooling

__all__ = ["POOLINGS", "Pool"]

# (the encoder's output object, attention mask int64 (B, T)) -> float (B, H)
Pool = Callable[[Any, torch.Tensor], torch.Tensor]


def _mean(output: Any, mask: torch.Tensor) -> torch.Tensor:
    weights = mask.unsqueeze(-1).to(output.last_hidden_state.dtype)
    pooled: torch.Tensor = (output.last_hidden_state * weights).sum(1) / weights.sum(1).clamp(min=1)
    return pooled


def _cls(output: Any, mask: torch.Tensor) -> torch.Tensor:
    first: torch.Tensor = output.last_hidden_state[:, 0]
    return first


def _max(output: Any, mask: torch.Tensor) -> torch.Tensor:
    hidden = output.last_hidden_state
    lowest = torch.finfo(hidden.dtype).min
    pooled: torch.Tensor = hidden.masked_fill(mask.unsqueeze(-1) == 0, lowest).amax(1)
    # A row without any token (an empty text, from a tokenizer without special tokens) is pooled to zeros.
    return torch.where(mask.amax(1, keepdim=True) > 0, pooled, torch.zeros_like(pooled))


def _pooler(output: Any, mask: torch.Tensor) -> torch.Tensor:
    pooled: torch.Tensor = output.pooler_output
    return pooled


POOLINGS: Mapping[Pooling, Pool] = {"mean": _mean, "cls": _cls, "max": _max, "pooler": _pooler}
