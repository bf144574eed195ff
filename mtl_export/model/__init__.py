"""token ids -> logits by task and a sentence embedding: one encoder, one pooling, N heads."""

from mtl_export.model.multitask import HeadSpec, ModelSpec, MultiTaskModel, MultiTaskOutput

__all__ = ["HeadSpec", "ModelSpec", "MultiTaskModel", "MultiTaskOutput"]
