"""sentence embeddings + labels -> supervised contrastive loss: sentences with the same label close, others apart.

With few rows a head soon fits them all and has nothing more to teach the encoder; pairs of sentences have.
"""

import torch
from torch.nn import functional

from mtl_runtime.dataset.targets import MISSING

__all__ = ["contrastive_loss"]

_TEMPERATURE = 0.1  # of the cosine similarities
_NEVER = -1e9  # a similarity that no softmax sees


def contrastive_loss(embeddings: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean over the labelled rows that have a partner with their label; 0 where no row has one.

    For such a row it is the mean over its partners of -log softmax(cosine similarity / temperature) among all other
    labelled rows, after P. Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020 (L_out). B. Gunel et al.,
    "Supervised Contrastive Learning for Pre-trained Language Model Fine-tuning", ICLR 2021, add it to cross-entropy.

    Args:
        embeddings: float (B, H).
        target: int64 (B,), the label's index, or MISSING.
    """
    labelled = target != MISSING
    unit, target = functional.normalize(embeddings[labelled].float(), dim=1), target[labelled]
    itself = torch.eye(len(target), dtype=torch.bool, device=target.device)
    similarity = (unit @ unit.T / _TEMPERATURE).masked_fill(itself, _NEVER)
    partners = (target.unsqueeze(0) == target.unsqueeze(1)) & ~itself
    counts = partners.sum(dim=1)
    if not counts.any():
        return embeddings.sum() * 0.0
    log_share = similarity - similarity.logsumexp(dim=1, keepdim=True)
    paired = counts > 0
    by_row = (log_share * partners).sum(dim=1)[paired] / counts[paired]
    return -by_row.mean()
