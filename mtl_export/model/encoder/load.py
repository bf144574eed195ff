"""hub id or folder -> encoder with its tokenizer, as they were published."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from mtl_export.config import Auto
from mtl_export.errors import EncoderError
from mtl_export.model.encoder.encoder_part import count_embedded_tokens
from mtl_export.model.encoder.files import EncoderFiles
from mtl_export.model.encoder.position_limit import find_position_limit
from mtl_export.model.encoder.published import read_published_settings
from mtl_export.model.encoder.settings import choose_max_length, choose_pooling, log_settings
from mtl_export.model.encoder.tokenizer_file import load_tokenizer
from mtl_export.model.encoder.weights import load_weights
from mtl_export.preflight import check_encoder_name
from mtl_runtime.bundle.hub_cache import display_name
from mtl_runtime.bundle.manifest import EncoderSpec, Pooling
from mtl_runtime.text.tokenizer import Tokenizer

__all__ = ["Encoder", "load_encoder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A pretrained encoder with its tokenizer."""

    module: nn.Module
    config: Mapping[str, Any]  # transformers' config, from which rebuild_encoder builds ``module`` without its weights
    spec: EncoderSpec
    tokenizer: Tokenizer
    newly_initialized: tuple[str, ...]  # weights that the source lacks and that start at random


def load_encoder(source: str, *, pooling: Pooling | Auto = "auto", max_length: int | Auto = "auto") -> Encoder:
    """Load the encoder ``source`` (hub id or folder) through AutoModel, with the tokenizer that AutoTokenizer gives.

    Where they come from and what is left out is logged at INFO.

    Args:
        source: a folder or repository of transformers or of sentence-transformers.
        pooling: "auto": as published, else the mean.
        max_length: in tokens, special ones included; "auto": as published, else 128, but no more than the
            encoder reads.

    Raises:
        EncoderError: it cannot be loaded, has no weights in safetensors, has no pooler although
            ``pooling`` is "pooler", reads fewer than ``max_length`` tokens, or is published with a pooling or layers
            that do not exist here while ``pooling`` is "auto".
    """
    check_encoder_name(source)
    published = read_published_settings(source)
    files = EncoderFiles(source, published.subfolder)
    actual_pooling = choose_pooling(pooling, published, source=source)
    weights = load_weights(files, actual_pooling)
    module, config = weights.module, weights.config
    part: Any = module.config
    if actual_pooling == "pooler" and getattr(module, "pooler", None) is None:
        raise EncoderError(f"{config.model_type} has no pooler of its own; use pooling mean, cls or max")
    limit = find_position_limit(module)
    actual_length = choose_max_length(max_length, published, source=source, limit=limit)
    embeddings = count_embedded_tokens(module)
    tokenizer = load_tokenizer(files, max_length=actual_length, embeddings=embeddings, lowercase=published.lowercase)
    _check_token_types(tokenizer, part, source=source)
    pad_id = getattr(part, "pad_token_id", None)
    spec = EncoderSpec(
        family=config.model_type,
        source=display_name(Path(source)) if Path(source).is_absolute() else source,
        hidden_size=_hidden_size(part),
        pooling=actual_pooling,
        max_length=actual_length,
        pad_id=pad_id if isinstance(pad_id, int) and 0 <= pad_id < embeddings else 0,
    )
    log_settings(spec, published, pooling=pooling, max_length=max_length)
    return Encoder(
        module=module,
        config=json.loads(config.to_json_string(use_diff=False)),
        spec=spec,
        tokenizer=tokenizer,
        newly_initialized=weights.missing,
    )


def _hidden_size(config: Any) -> int:
    size = getattr(config, "hidden_size", None)
    if not isinstance(size, int):
        raise EncoderError(
            f"{config.model_type} is not one encoder of texts with one hidden_size; use one, such as bert, deberta-v2 "
            f"or modernbert"
        )
    return size


def _check_token_types(tokenizer: Tokenizer, config: Any, *, source: str) -> None:
    """Refuse a tokenizer with token types that the encoder does not embed."""
    types = getattr(config, "type_vocab_size", None)
    largest = max(type_id for text in tokenizer.encode(["a text"]) for type_id in (*text.type_ids, 0))
    if isinstance(types, int) and 0 < types <= largest:
        raise EncoderError(
            f"the tokenizer of encoder {source!r} gives the token type {largest}, the encoder embeds {types} types; "
            f"set type_id in the post_processor of its tokenizer.json to 0"
        )
