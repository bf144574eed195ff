"""hub id or folder -> encoder module with its tokenizer: any Hugging Face encoder, safetensors only, no remote code."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from mtl_export.errors import EncoderError
from mtl_runtime.bundle.manifest import EncoderSpec, Pooling
from mtl_runtime.errors import BundleError
from mtl_runtime.text.tokenizer import Tokenizer

__all__ = ["Encoder", "encoder_layers", "load_encoder", "rebuild_encoder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A loaded encoder and all that is known of it."""

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
    from transformers import AutoConfig, AutoModel

    if Path(source).is_absolute() and not Path(source).is_dir():
        raise EncoderError(f"encoder folder {source} does not exist; check [encoder] model")
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        module, report = AutoModel.from_pretrained(
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
    missing = tuple(sorted(report["missing_keys"]))
    if unexpected := [name for name in missing if "pooler" not in name]:
        raise EncoderError(f"encoder {source!r} lacks the weights {', '.join(unexpected[:5])}")
    try:
        tokenizer = Tokenizer.from_bytes(_tokenizer_bytes(source), max_length=max_length)
    except BundleError as error:
        raise EncoderError(f"encoder {source!r}: {error}") from error
    spec = _spec(module, source=source, pooling=pooling, max_length=max_length, tokenizer=tokenizer)
    return Encoder(module=module, spec=spec, tokenizer=tokenizer, newly_initialized=missing)


def rebuild_encoder(config: Mapping[str, Any], *, pooling: Pooling, attention: str | None = None) -> nn.Module:
    """An encoder of the same shape with weights still to be loaded: no network, no files.

    Args:
        config: ``config.to_dict()`` of the encoder, as a checkpoint keeps it.
        pooling: of the model it belongs to; decides whether it has a pooler.
        attention: transformers' attn_implementation; None: the family's default.

    Raises:
        EncoderError: transformers does not know such an encoder.
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
    """The encoder's transformer layers, lowest first.

    Raises:
        EncoderError: they are not a plain list (albert shares one layer, for example).
    """
    config: Any = encoder.config
    for module in encoder.modules():
        if isinstance(module, nn.ModuleList) and len(module) == config.num_hidden_layers:
            return module
    raise EncoderError(
        f"{config.model_type} has no list of {config.num_hidden_layers} separate layers, so single layers cannot be "
        f"frozen; use freeze_encoder, or no freezing"
    )


def _pooler_argument(config: Any, pooling: Pooling) -> dict[str, bool]:
    """Build the pooler only where it is used: an unused one would be trained by nothing and exported for nothing."""
    from transformers import AutoModel

    model_class: Any = AutoModel._model_mapping[type(config)]
    parameters = inspect.signature(model_class).parameters
    return {"add_pooling_layer": pooling == "pooler"} if "add_pooling_layer" in parameters else {}


def _spec(module: nn.Module, *, source: str, pooling: Pooling, max_length: int, tokenizer: Tokenizer) -> EncoderSpec:
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
        source=Path(source).name if Path(source).is_absolute() else source,
        hidden_size=config.hidden_size,
        pooling=pooling,
        max_length=max_length,
        pad_id=0 if pad_id is None else pad_id,
    )


def _position_limit(module: nn.Module) -> int:
    """Longest input in tokens; RoBERTa-like families start counting positions after the padding index."""
    for name, part in module.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
            return part.num_embeddings - (0 if part.padding_idx is None else part.padding_idx + 1)
    limit = getattr(module.config, "max_position_embeddings", None)
    return int(limit) if limit else 2**31 - 1


def _tokenizer_bytes(source: str) -> bytes:
    """The tokenizer.json of ``source`` as published; built by AutoTokenizer where it has none."""
    from transformers import AutoTokenizer
    from transformers.utils.hub import cached_file

    try:
        file = cached_file(source, "tokenizer.json", _raise_exceptions_for_missing_entries=False)
        if file is not None:
            return Path(file).read_bytes()
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        # Where every vocabulary file is missing, transformers makes up a tokenizer that knows no word.
        names = tokenizer.vocab_files_names.values()
        if not any(cached_file(source, name, _raise_exceptions_for_missing_entries=False) for name in names):
            raise EncoderError(f"encoder {source!r} has no tokenizer; save its tokenizer.json beside the weights")
        backend = tokenizer.backend_tokenizer
    except (OSError, ValueError, AttributeError) as error:
        raise EncoderError(
            f"encoder {source!r} has no tokenizer that can be written as tokenizer.json: {' '.join(str(error).split())}"
        ) from error
    return json.dumps(json.loads(backend.to_str())).encode()
