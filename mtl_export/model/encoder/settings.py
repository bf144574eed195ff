"""[encoder] + what is published -> pooling and max_length; lines say where they are from and what is left out."""

import logging
from collections.abc import Mapping

from mtl_export.config import Auto
from mtl_export.errors import EncoderError
from mtl_export.model.encoder.published import PublishedSettings
from mtl_runtime.bundle.manifest import EncoderSpec, Pooling
from mtl_runtime.wording import shorten

__all__ = ["choose_max_length", "choose_pooling", "log_settings"]

_log = logging.getLogger(__name__)

_DEFAULT_POOLING: Pooling = "mean"
_DEFAULT_MAX_LENGTH = 128  # tokens
_POOLINGS: Mapping[str, Pooling] = {"mean": "mean", "cls": "cls", "max": "max"}  # by sentence-transformers' names
_SHOWN_PROMPTS, _SHOWN_CHARACTERS = 3, 60


def choose_pooling(configured: Pooling | Auto, published: PublishedSettings, *, source: str) -> Pooling:
    """The pooling of the config, or else the published one, or else the mean.

    Raises:
        EncoderError: the config leaves it open, and ``source`` is published with a pooling or with further layers that
            do not exist here; the message says what to write.
    """
    if configured != "auto":
        return configured
    mode = " + ".join(published.pooling) or _DEFAULT_POOLING
    if mode not in _POOLINGS:
        raise EncoderError(
            f"encoder {source!r} is published with the pooling {mode}, which mtl-export does not have; "
            f"set [encoder] pooling to mean, cls or max"
        )
    if published.layers:
        raise EncoderError(
            f"encoder {source!r} is published with {' and '.join(published.layers)} after its transformer, which "
            f"mtl-export does not apply; to train heads without it, set [encoder] pooling = {_POOLINGS[mode]!r}"
        )
    return _POOLINGS[mode]


def choose_max_length(configured: int | Auto, published: PublishedSettings, *, source: str, limit: int) -> int:
    """The max_length of the config, or else the published one, or else 128; at most ``limit``, in tokens.

    Raises:
        EncoderError: the config asks for more than ``limit``.
    """
    if configured == "auto":
        return min(published.max_length or _DEFAULT_MAX_LENGTH, limit)
    if configured > limit:
        raise EncoderError(f"max_length is {configured}, but encoder {source!r} reads at most {limit} tokens")
    return configured


def log_settings(
    spec: EncoderSpec, published: PublishedSettings, *, pooling: Pooling | Auto, max_length: int | Auto
) -> None:
    """Say where pooling and max_length of ``spec`` are from, and what of ``published`` is left out.

    Args:
        spec: of the encoder that was loaded.
        published: what its source says.
        pooling: of the config.
        max_length: of the config.
    """
    mode = _POOLINGS.get(" + ".join(published.pooling), " + ".join(published.pooling))
    _log.info(
        "encoder: %s, pooling %s, max_length %s",
        spec.family,
        _with_origin(spec.pooling, pooling, mode or None),
        _with_origin(spec.max_length, max_length, published.max_length),
    )
    left_out = (*published.layers, *(["Normalize"] if published.normalize else []))
    if left_out:
        verb = "are" if left_out[1:] else "is"
        _log.info("encoder: %s %s left out; heads read the pooled vectors", " and ".join(left_out), verb)
    if published.prompts:
        _log.info("encoder: %s", _describe_prompts(published))


def _with_origin(value: object, configured: object, published: object) -> str:
    if configured != "auto":
        return f"{value} (config; published: {published})" if published not in (None, value) else f"{value} (config)"
    if published is None:
        return f"{value} (default)"
    return (
        f"{value} (published)"
        if value == published
        else f"{value} (published: {published}, of which the encoder reads {value})"
    )


def _describe_prompts(published: PublishedSettings) -> str:
    if default := published.prompts.get(published.default_prompt or ""):
        prompt = shorten(default, _SHOWN_CHARACTERS)
        return (
            f"sentence-transformers starts every text with {prompt!r}, mtl-export does not; "
            f"write it into the texts of training and prediction alike, or into none"
        )
    shown = [
        f"{name} {shorten(text, _SHOWN_CHARACTERS)!r}"
        for name, text in list(published.prompts.items())[:_SHOWN_PROMPTS]
    ]
    if more := len(published.prompts) - len(shown):
        shown.append(f"{more} more")
    return (
        f"prompts are not added to texts ({', '.join(shown)}); "
        f"write one into the texts of training and prediction alike, or into none"
    )
