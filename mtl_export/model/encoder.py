"""hub id or folder -> encoder with its tokenizer: any Hugging Face encoder, safetensors only, no remote code."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from mtl_export.errors import EncoderError
from mtl_export.upstream import encoder_class, find_file
from mtl_runtime.bundle.hub_cache import display_name
from mtl_runtime.bundle.manifest import EncoderSpec, Pooling
from mtl_runtime.errors import BundleError
from mtl_runtime.text.tokenizer import Tokenizer

__all__ = ["Encoder", "encoder_layers", "load_encoder", "rebuild_encoder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A pretrained encoder with its tokenizer."""

    module: nn.Module
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
    module, missing = _load_module(source, pooling)
    try:
        tokenizer = Tokenizer.from_bytes(_tokenizer_bytes(source), max_length=max_length)
    except BundleError as error:
        raise EncoderError(f"encoder {source!r}: {error}") from error
    spec = _encoder_spec(module, source=source, pooling=pooling, max_length=max_length, tokenizer=tokenizer)
    return Encoder(module=module, spec=spec, tokenizer=tokenizer, newly_initialized=missing)


def rebuild_encoder(config: Mapping[str, Any], *, pooling: Pooling, attention: str | None = None) -> nn.Module:
    """Build an encoder without its weights; this needs neither files nor a network.

    Args:
        config: transformers' config of the encoder as a dict, as a checkpoint stores it.
        pooling: of the model; only "pooler" needs an encoder with a pooler.
        attention: transformers' attn_implementation; None: the family's default.

    Raises:
        EncoderError: transformers cannot build an encoder from this config.
    """
    from transformers import AutoConfig, AutoModel

    values = dict(config)
    try:
        parsed = AutoConfig.for_model(values.pop("model_type"), **values)
        module: nn.Module = AutoModel.from_config(  # type: ignore[no-untyped-call]
            parsed,
            trust_remote_code=False,
            attn_implementation=attention,
            **_pooler_argument(parsed, pooling),
        )
    except (KeyError, ValueError) as error:
        raise EncoderError(f"the encoder's config cannot be used: {error}") from error
    return module


def encoder_layers(encoder: nn.Module) -> nn.ModuleList:
    """The transformer layers of an encoder, lowest first.

    Raises:
        EncoderError: there is no list of separate layers (albert, for example, has one layer that it repeats).
    """
    config: Any = encoder.config
    for module in encoder.modules():
        if isinstance(module, nn.ModuleList) and len(module) == config.num_hidden_layers:
            return module
    raise EncoderError(
        f"{config.model_type} has no list of {config.num_hidden_layers} separate layers, so single layers cannot be "
        f"frozen; use freeze_encoder, or no freezing"
    )


def _load_module(source: str, pooling: Pooling) -> tuple[nn.Module, tuple[str, ...]]:
    """The encoder with its weights, and the names of the weights that ``source`` lacks: those of its pooler at most."""
    from transformers import AutoConfig, AutoModel

    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        module, loading_info = AutoModel.from_pretrained(
            source,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            dtype="float32",
            **_pooler_argument(config, pooling),
        )
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        raise EncoderError(
            f"encoder {source!r} cannot be loaded: {' '.join(str(error).split())} "
            f"([encoder] model is a hub id, or a folder with config.json, model.safetensors and tokenizer.json)"
        ) from error
    missing = tuple(sorted(loading_info["missing_keys"]))
    if required := [name for name in missing if "pooler" not in name]:
        raise EncoderError(f"encoder {source!r} lacks the weights {', '.join(required[:5])}")
    return module, missing


def _pooler_argument(config: Any, pooling: Pooling) -> dict[str, bool]:
    """Leave out a pooler that no pooling uses: its weights would never be trained."""
    model_class = encoder_class(config)
    parameters = inspect.signature(model_class).parameters if model_class else {}
    return {"add_pooling_layer": pooling == "pooler"} if "add_pooling_layer" in parameters else {}


def _encoder_spec(
    module: nn.Module, *, source: str, pooling: Pooling, max_length: int, tokenizer: Tokenizer
) -> EncoderSpec:
    config: Any = module.config
    embeddings: Any = module.get_input_embeddings()  # type: ignore[operator]
    if pooling == "pooler" and getattr(module, "pooler", None) is None:
        raise EncoderError(f"{config.model_type} has no pooler of its own; use pooling mean, cls or max")
    limit = _position_limit(module)
    if max_length > limit:
        raise EncoderError(f"max_length is {max_length}, but encoder {source!r} reads at most {limit} tokens")
    rows = embeddings.num_embeddings
    if tokenizer.vocabulary_size > rows:
        raise EncoderError(f"the tokenizer has {tokenizer.vocabulary_size} tokens, the encoder embeds only {rows}")
    pad_id = config.pad_token_id
    return EncoderSpec(
        family=config.model_type,
        source=display_name(Path(source)) if Path(source).is_absolute() else source,
        hidden_size=config.hidden_size,
        pooling=pooling,
        max_length=max_length,
        pad_id=0 if pad_id is None else pad_id,
    )


def _position_limit(module: nn.Module) -> int:
    """Longest input in tokens; families like RoBERTa count positions from the padding index + 1."""
    for name, part in module.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
            return part.num_embeddings - (0 if part.padding_idx is None else part.padding_idx + 1)
    limit = getattr(module.config, "max_position_embeddings", None)
    return int(limit) if limit else 2**31 - 1


def _tokenizer_bytes(source: str) -> bytes:
    """The tokenizer.json of ``source`` as published; AutoTokenizer converts a tokenizer that lacks this file."""
    from transformers import AutoTokenizer

    try:
        if (file := find_file(source, "tokenizer.json")) is not None:
            return file.read_bytes()
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        # Without any vocabulary file, transformers returns a tokenizer that does not know a single word.
        if not any(find_file(source, name) for name in tokenizer.vocab_files_names.values()):
            raise EncoderError(f"encoder {source!r} has no tokenizer; save tokenizer.json next to its weights")
        backend = tokenizer.backend_tokenizer
    except (OSError, ValueError, AttributeError) as error:
        raise EncoderError(
            f"encoder {source!r} has no tokenizer that can be written as tokenizer.json: {' '.join(str(error).split())}"
        ) from error
    return json.dumps(json.loads(backend.to_str())).encode()
