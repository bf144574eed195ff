"""hub id or folder -> what sentence-transformers does with its encoder: pooling, length, prompts, further modules."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import try_to_load_from_cache

from mtl_export.errors import EncoderError
from mtl_export.model.encoder.files import EncoderFiles
from mtl_runtime.wording import enumerate_names

__all__ = ["PublishedSettings", "read_published_settings"]

_log = logging.getLogger(__name__)

_MODULES = "modules.json"

# Keys of earlier versions, in the order in which sentence-transformers concatenates; later ones write "pooling_mode", a
# name or a list of names.
_POOLING_KEYS: Mapping[str, str] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_TRANSFORMERS = ("Transformer", "MLMTransformer")
_WITHOUT_EFFECT = ("Dropout",)  # in prediction
# Where Transformer modules of different ages keep their settings.
_TRANSFORMER_CONFIGS = tuple(
    f"sentence_{family}_config.json"
    for family in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
# Of the arguments that sentence-transformers gives to transformers: those that are read here, or change no answer.
_USED_ARGUMENTS = frozenset({"model_max_length", "trust_remote_code", "revision", "use_fast", "cache_dir"})
_NO_LIMIT = 1_000_000  # transformers writes 1e30 as model_max_length where a tokenizer has no limit


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSettings:
    """How sentence-transformers runs an encoder; the defaults stand for an encoder that is published without that."""

    subfolder: str = ""  # of config.json, weights and tokenizer
    pooling: tuple[str, ...] = ()  # names of sentence-transformers; several are concatenated
    max_length: int | None = None  # tokens, special ones included
    lowercase: bool = False  # texts, before they are tokenized
    normalize: bool = False  # embeddings to length 1
    layers: tuple[str, ...] = ()  # other modules that change the embedding, such as "Dense (768 -> 512, Tanh)"
    prompts: Mapping[str, str] = field(default_factory=dict)  # put in front of a text, by name
    default_prompt: str | None = None  # name of the prompt that every text gets


def read_published_settings(source: str) -> PublishedSettings:
    """Read modules.json of ``source`` and the files that it names.

    Raises:
        EncoderError: a file cannot be read, or the modules do not start with a transformer.
    """
    root = EncoderFiles(source)
    modules = root.read_json(_MODULES)
    if modules is None:
        if not Path(source).is_dir() and try_to_load_from_cache(source, _MODULES) is None:
            _log.info(
                "encoder: %s was not downloaded, and cannot be offline: a published pooling is not known", _MODULES
            )
        return PublishedSettings()
    (first, subfolder), *rest = _modules(source, modules)
    if first not in _TRANSFORMERS:
        raise EncoderError(
            f"encoder {source!r} starts with a module {first}, not with a transformer (modules.json); "
            f"name the folder or repository of one transformer encoder"
        )
    if Path(source).is_dir() and not Path(source, subfolder).is_dir():
        raise EncoderError(f"encoder {source!r}: modules.json names the folder {subfolder!r}, which is not there")
    encoder = EncoderFiles(source, subfolder)
    prompts = root.read_table("config_sentence_transformers.json")
    settings = next((table for name in _TRANSFORMER_CONFIGS if (table := encoder.read_table(name))), {})
    texts = prompts.get("prompts")
    modes = tuple(mode for kind, path in rest if kind == "Pooling" for mode in _pooling(source, path))
    _log_unused_arguments(settings)
    return PublishedSettings(
        subfolder=subfolder,
        pooling=(*_own_output(settings), *modes),
        max_length=_max_length(encoder, settings),
        lowercase=settings.get("do_lower_case") is True,
        normalize=any(kind == "Normalize" for kind, _ in rest),
        layers=tuple(
            _describe(EncoderFiles(source, path), kind)
            for kind, path in rest
            if kind not in ("Pooling", "Normalize", *_WITHOUT_EFFECT)
        ),
        prompts={str(name): text for name, text in texts.items() if text and isinstance(text, str)}
        if isinstance(texts, Mapping)
        else {},
        default_prompt=prompts.get("default_prompt_name"),
    )


def _modules(source: str, modules: Any) -> Iterator[tuple[str, str]]:
    """Class and folder of each module, in their order."""
    if not isinstance(modules, list) or not modules:
        raise EncoderError(f"encoder {source!r}: modules.json holds no list of modules")
    for module in modules:
        kind, path = (module.get("type"), module.get("path")) if isinstance(module, Mapping) else (None, None)
        if not isinstance(kind, str) or not isinstance(path, str):
            raise EncoderError(f"encoder {source!r}: a module in modules.json has no type or no path")
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise EncoderError(f"encoder {source!r}: modules.json names {path!r}, which lies outside of its folder")
        if not kind.startswith("sentence_transformers."):
            _log.warning("encoder: its repository's own code (%s in modules.json) is never run", kind)
        yield kind.rpartition(".")[2], path.strip("/")


def _pooling(source: str, path: str) -> tuple[str, ...]:
    """The modes of a Pooling module; sentence-transformers takes the mean where none is named."""
    config = EncoderFiles(source, path).read_table("config.json")
    modes = config.get("pooling_mode") or [mode for key, mode in _POOLING_KEYS.items() if config.get(key) is True]
    names = [modes] if isinstance(modes, str) else modes
    if not config or not isinstance(names, list):
        return ("unknown",)
    return tuple(str(name) for name in names) or ("mean",)


def _own_output(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The output that a Transformer module takes in place of the tokens' vectors; none where it takes these."""
    modalities = settings.get("modality_config")
    text = modalities.get("text") if isinstance(modalities, Mapping) else None
    output = text.get("method_output_name") or text.get("method") if isinstance(text, Mapping) else None
    return () if output in (None, "last_hidden_state", "forward") else (str(output),)


def _log_unused_arguments(settings: Mapping[str, Any]) -> None:
    """Name what sentence-transformers changes in the config and the tokenizer that are loaded here as they are."""
    for name in ("config_args", "config_kwargs", "tokenizer_args", "processor_kwargs"):
        arguments = settings.get(name)
        if isinstance(arguments, Mapping) and (unused := sorted(arguments.keys() - _USED_ARGUMENTS)):
            _log.warning(
                "encoder: sentence-transformers loads it with %s of %s, which is not done here",
                enumerate_names(list(map(str, unused))),
                name,
            )


def _max_length(encoder: EncoderFiles, settings: Mapping[str, Any]) -> int | None:
    """Earlier versions of sentence-transformers write max_seq_length, later ones the tokenizer's model_max_length."""
    arguments = (settings.get(name) or {} for name in ("processor_kwargs", "tokenizer_args"))
    lengths = (
        settings.get("max_seq_length"),
        *(table.get("model_max_length") for table in arguments if isinstance(table, Mapping)),
        encoder.read_table("tokenizer_config.json").get("model_max_length"),
    )
    return next((n for n in lengths if isinstance(n, int) and not isinstance(n, bool) and 3 <= n < _NO_LIMIT), None)


def _describe(files: EncoderFiles, kind: str) -> str:
    config = files.read_table("config.json")
    facts = []
    if "in_features" in config and "out_features" in config:
        facts.append(f"{config['in_features']} -> {config['out_features']}")
    if isinstance(activation := config.get("activation_function"), str):
        facts.append(activation.rpartition(".")[2])
    return f"{kind} ({', '.join(facts)})" if facts else kind
