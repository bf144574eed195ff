"""sentence embeddings + labels -> contrastive loss: sentences with the same label close, others at a right angle.

With few rows a head soon fits them all and has nothing more to teach the encoder; pairs of sentences have.
"""

import torch
from torch.nn import functional

from mtl_runtime.dataset.targets import MISSING

__all__ = ["contrastive_loss"]


def contrastive_loss(embeddings: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Half the mean of (1 - cosine)² over the pairs with one label, and half that of cosine² over all other pairs.

    These are the squared errors of the cosine that N. Reimers and I. Gurevych, "Sentence-BERT", EMNLP 2019, train on,
    with the targets 1 and 0 of SetFit (L. Tunstall et al., "Efficient Few-Shot Learning Without Prompts", 2022), which
    draws as many pairs of the one kind as of the other; here every pair of the batch counts, and the two kinds equally
    much. A kind without any pair adds 0.

    Args:
        embeddings: float (B, H).
        target: int64 (B,), the label's index, or MISSING: such a row is in no pair.
    """
    labelled = target != MISSING
    unit, target = functional.normalize(embeddings[labelled].float(), dim=1), target[labelled]
    first, second = torch.triu_indices(len(target), len(target), offset=1, device=target.device)
    cosine = (unit @ unit.T)[first, second]
    same = target[first] == target[second]
    return 0.5 * (_mean_square(1 - cosine[same]) + _mean_square(cosine[~same])) + embeddings.sum() * 0.0


def _mean_square(values: torch.Tensor) -> torch.Tensor:
    """0 of no values, with a gradient."""
    return values.square().sum() / max(1, len(values))
