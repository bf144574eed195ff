"""encoder -> how many tokens it can read."""

from torch import nn

__all__ = ["position_limit"]


def position_limit(module: nn.Module) -> int:
    """Longest input in tokens; families like RoBERTa count positions from the padding index + 1."""
    for name, part in module.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
            return part.num_embeddings - (0 if part.padding_idx is None else part.padding_idx + 1)
    limit = getattr(module.config, "max_position_embeddings", None)
    return int(limit) if limit else 2**31 - 1
