"""kind of head -> module that maps sentence embeddings (B, H) to logits (B, width)."""

from collections import OrderedDict
from collections.abc import Callable, Mapping

from torch import nn

from mtl_export.config import HeadKind

__all__ = ["HEADS"]


def _linear(hidden: int, width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(OrderedDict(dropout=nn.Dropout(dropout), output=nn.Linear(hidden, width)))


def _layernorm(hidden: int, width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(norm=nn.LayerNorm(hidden), dropout=nn.Dropout(dropout), output=nn.Linear(hidden, width))
    )


def _mlp(hidden: int, width: int, dropout: float) -> nn.Sequential:
    inner = max(1, hidden // 2)
    return nn.Sequential(
        OrderedDict(
            hidden=nn.Linear(hidden, inner),
            activation=nn.ReLU(),
            dropout=nn.Dropout(dropout),
            output=nn.Linear(inner, width),
        )
    )


# (hidden size, number of logits, dropout) -> head
HEADS: Mapping[HeadKind, Callable[[int, int, float], nn.Sequential]] = {
    "linear": _linear,
    "layernorm": _layernorm,
    "mlp": _mlp,
}
