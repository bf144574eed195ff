"""hub id or folder -> encoder with its tokenizer, as they were published."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from mtl_export.errors import EncoderError
from mtl_export.model.encoder.encoder_part import embedded_tokens, encoder_part, weights_of_encoder_part
from mtl_export.model.encoder.families import adapt_config
from mtl_export.model.encoder.position_limit import position_limit
from mtl_export.model.encoder.rebuild import pooler_argument
from mtl_export.model.encoder.tokenizer_file import tokenizer_bytes
from mtl_runtime.bundle.hub_cache import display_name
from mtl_runtime.bundle.manifest import EncoderSpec, Pooling
from mtl_runtime.errors import BundleError
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


def load_encoder(source: str, *, pooling: Pooling, max_length: int) -> Encoder:
    """Load the encoder ``source`` (hub id or folder) through AutoModel.

    Raises:
        EncoderError: it cannot be loaded, has no weights in safetensors, has no pooler although
            ``pooling`` is "pooler", or reads fewer than ``max_length`` tokens.
    """
    if Path(source).is_absolute() and not Path(source).is_dir():
        raise EncoderError(f"encoder folder {source} does not exist; check [encoder] model")
    module, config, missing = _load_module(source, pooling)
    try:
        tokenizer = Tokenizer.from_bytes(tokenizer_bytes(source), max_length=max_length)
    except BundleError as error:
        raise EncoderError(f"encoder {source!r}: {error}") from error
    spec = _encoder_spec(
        module, config.model_type, source=source, pooling=pooling, max_length=max_length, tokenizer=tokenizer
    )
    values = json.loads(config.to_json_string(use_diff=False))
    return Encoder(module=module, config=values, spec=spec, tokenizer=tokenizer, newly_initialized=missing)


def _load_module(source: str, pooling: Pooling) -> tuple[nn.Module, Any, tuple[str, ...]]:
    """The encoder, its config, and the names of the weights that ``source`` lacks: those of its pooler at most."""
    from transformers import AutoConfig, AutoModel

    try:
        config = adapt_config(AutoConfig.from_pretrained(source, trust_remote_code=False))
        model, loading_info = AutoModel.from_pretrained(
            source,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            dtype="float32",
            **pooler_argument(config, pooling),
        )
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        raise EncoderError(
            f"encoder {source!r} cannot be loaded: {' '.join(str(error).split())} "
            f"([encoder] model is a hub id, or a folder with config.json, model.safetensors and tokenizer.json)"
        ) from error
    missing = tuple(sorted(weights_of_encoder_part(loading_info["missing_keys"], model.config)))
    if required := [name for name in missing if "pooler" not in name]:
        raise EncoderError(f"encoder {source!r} lacks the weights {', '.join(required[:5])}")
    return encoder_part(model), model.config, missing


def _encoder_spec(
    module: nn.Module, family: str, *, source: str, pooling: Pooling, max_length: int, tokenizer: Tokenizer
) -> EncoderSpec:
    config: Any = module.config
    if pooling == "pooler" and getattr(module, "pooler", None) is None:
        raise EncoderError(f"{family} has no pooler of its own; use pooling mean, cls or max")
    limit = position_limit(module)
    if max_length > limit:
        raise EncoderError(f"max_length is {max_length}, but encoder {source!r} reads at most {limit} tokens")
    rows = embedded_tokens(module)
    if tokenizer.vocabulary_size > rows:
        raise EncoderError(f"the tokenizer has {tokenizer.vocabulary_size} tokens, the encoder embeds only {rows}")
    pad_id = config.pad_token_id
    return EncoderSpec(
        family=family,
        source=display_name(Path(source)) if Path(source).is_absolute() else source,
        hidden_size=config.hidden_size,
        pooling=pooling,
        max_length=max_length,
        pad_id=0 if pad_id is None else pad_id,
    )
