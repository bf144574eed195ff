"""embeddings -> embeddings of length 1, whose dot product is the cosine of their angle."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["scale_to_unit_length"]


def scale_to_unit_length(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide each row of float32 (N, hidden_size) by its Euclidean length; a row of zeros stays as it is."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.finfo(np.float32).tiny))
