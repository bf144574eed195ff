"""token ids -> logits by task and a sentence embedding: one encoder, one pooling, N heads."""

from mtl_export.model.multitask import MultiTaskModel, MultiTaskOutput
from mtl_export.model.spec import HeadSpec, ModelSpec

__all__ = ["HeadSpec", "ModelSpec", "MultiTaskModel", "MultiTaskOutput"]
