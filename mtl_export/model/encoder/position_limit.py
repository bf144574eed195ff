"""encoder -> how many tokens it can read."""

from torch import nn

__all__ = ["NO_LIMIT", "find_position_limit"]

NO_LIMIT = 2**31 - 1


def find_position_limit(module: nn.Module) -> int:
    """Longest input in tokens; ``NO_LIMIT`` for relative positions, which some configs write as -1 or 0.

    Families like RoBERTa count positions from the padding index + 1, and a config may allow fewer than its table has.
    """
    limits = [NO_LIMIT, *_rows_of_position_table(module)]
    configured = getattr(module.config, "max_position_embeddings", None)
    if isinstance(configured, int) and configured > 0:
        limits.append(configured)
    return min(limits)


def _rows_of_position_table(module: nn.Module) -> list[int]:
    for name, part in module.named_modules():
        if name.endswith("position_embeddings") and hasattr(part, "padding_idx"):
            (rows, _), padding = part.weight.shape, part.padding_idx
            return [rows - (0 if padding is None else padding + 1)]
    return []
