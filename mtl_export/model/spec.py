"""What is needed to build a model again, weights aside: the part of checkpoint.json that describes the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mtl_export.config import HeadKind
from mtl_runtime.bundle.manifest import EncoderSpec, TaskSpec
from mtl_runtime.core import records

__all__ = ["HeadSpec", "ModelSpec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSpec:
    """Shape of the head of one task."""

    kind: HeadKind = "linear"
    dropout: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Encoder, tasks and heads of a model."""

    encoder: EncoderSpec
    encoder_config: Mapping[str, Any]  # transformers' config of the encoder, as a dict
    tasks: tuple[TaskSpec, ...]
    heads: Mapping[str, HeadSpec]  # by task
    token_types: bool = False  # the tokenizer marks tokens of a single text with types other than 0
    # Of each layer, where they are fewer than the encoder's config says: see mtl_export.model.layer_parts.
    attention_heads: int | None = field(default=None, metadata=records.if_set())
