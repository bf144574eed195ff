"""the files of an encoder -> the tokenizer that AutoTokenizer gives, as the runtime runs it.

transformers builds most tokenizers from tokenizer_config.json and takes only the vocabulary from tokenizer.json. So
everybody who uses transformers may get another tokenizer than the one in tokenizer.json, which the runtime reads.
"""

import json
import logging
from collections.abc import Iterator
from typing import Any

from mtl_export.errors import EncoderError
from mtl_export.model.encoder.auto_tokenizer import load_auto_tokenizer, to_tokenizer_json
from mtl_export.model.encoder.files import EncoderFiles
from mtl_export.model.encoder.tokenizer_difference import find_difference
from mtl_export.model.encoder.tokenizer_texts import make_comparison_texts
from mtl_runtime.errors import BundleError, InvalidTextError, TokenizerError
from mtl_runtime.text.tokenizer import Tokenizer
from mtl_runtime.text.validation import DEFAULT_MAX_TEXT_BYTES

__all__ = ["load_tokenizer"]

_log = logging.getLogger(__name__)

_FILE = "tokenizer.json"
# Loading a bundle estimates how long a text takes. Longer texts here leave room for slower machines there.
_MAX_TEXT_BYTES = 2 * DEFAULT_MAX_TEXT_BYTES


def load_tokenizer(files: EncoderFiles, *, max_length: int, embeddings: int, lowercase: bool) -> Tokenizer:
    """The tokenizer of an encoder: tokenizer.json where AutoTokenizer agrees with it, else AutoTokenizer's.

    Args:
        files: of the encoder.
        max_length: tokens that are read, special ones included.
        embeddings: number of token ids that the encoder embeds.
        lowercase: lowercase texts before they are tokenized, as sentence-transformers' do_lower_case does.

    Raises:
        EncoderError: there is no tokenizer, it cannot be written as tokenizer.json, or it has more tokens than the
            encoder embeds.
    """
    file = files.find(_FILE)
    if file is None:
        tokenizer = _without_tokenizer_json(files, max_length=max_length, embeddings=embeddings)
    else:
        published = _parse(files, file.read_bytes(), max_length)
        tokenizer = _agree(files, published, embeddings=embeddings)
    if lowercase:
        tokenizer = _with_lowercase(files, tokenizer)
    _check_ids(files, tokenizer, embeddings=embeddings)
    return tokenizer


def _check_ids(files: EncoderFiles, tokenizer: Tokenizer, *, embeddings: int) -> None:
    empty, text = tokenizer.encode(["", "a text"])
    around = max((*empty.ids, *text.ids), default=0)  # a template has ids of its own
    if (size := max(tokenizer.vocabulary_size, around + 1)) > embeddings:
        raise EncoderError(
            f"the tokenizer of encoder {files.source!r} gives ids up to {size - 1}, but the encoder embeds only "
            f"{embeddings} tokens; add rows with resize_token_embeddings({size}) and save it, or take the tokenizer "
            f"that it was trained with"
        )


def _without_tokenizer_json(files: EncoderFiles, *, max_length: int, embeddings: int) -> Tokenizer:
    try:
        reference = load_auto_tokenizer(files)
    except ValueError as error:
        raise EncoderError(
            f"encoder {files.source!r} has no tokenizer: {error}; save {_FILE} next to its weights"
        ) from error
    return _convert(files, reference, max_length=max_length, embeddings=embeddings)


def _agree(files: EncoderFiles, published: Tokenizer, *, embeddings: int) -> Tokenizer:
    """``published``, or the one of AutoTokenizer where that reads texts differently."""
    try:
        reference = load_auto_tokenizer(files)
        name = type(reference).__name__
        if _is_wrong_guess(files, published, reference):
            _log.info("encoder: %s is used; without a tokenizer_class, AutoTokenizer reads it as a %s", _FILE, name)
            return published
        difference = find_difference(published, reference, embeddings=embeddings)
    except ValueError as error:
        _log.info("encoder: %s is used and was not compared with AutoTokenizer: %s", _FILE, error)
        return published
    if difference is None:
        return published
    words = difference.describe(_FILE, f"AutoTokenizer ({name})")
    converted = _convert(files, reference, max_length=published.max_length, embeddings=embeddings, difference=words)
    _log.info("encoder: AutoTokenizer's tokenizer is used: %s", words)
    return converted


def _is_wrong_guess(files: EncoderFiles, published: Tokenizer, reference: Any) -> bool:
    """Whether transformers took the class from the encoder's family, and it cannot read this kind of vocabulary.

    A tokenizer.json of its own kind without a tokenizer_config.json then becomes a tokenizer that knows hardly a word.
    """
    named = any(files.read_table(name).get("tokenizer_class") for name in ("tokenizer_config.json", "config.json"))
    if named or not reference.is_fast:
        return False
    kinds = [
        json.loads(backend)["model"]["type"] for backend in (published.to_json(), reference.backend_tokenizer.to_str())
    ]
    return bool(kinds[0] != kinds[1])


def _convert(
    files: EncoderFiles, reference: Any, *, max_length: int, embeddings: int, difference: str = ""
) -> Tokenizer:
    """AutoTokenizer's tokenizer as the runtime runs it.

    Raises:
        EncoderError: it exists only in Python, or reads texts differently once it is converted.
    """
    name, known = type(reference).__name__, f"; {difference}" if difference else ""
    data = to_tokenizer_json(reference, embeddings=embeddings)
    if data is None:
        raise EncoderError(
            f"encoder {files.source!r} needs {name}, which exists only in Python and has no {_FILE}{known}; "
            f"use an encoder with a fast tokenizer"
        )
    tokenizer = _parse(files, data, max_length)
    try:
        remaining = find_difference(tokenizer, reference, embeddings=embeddings)
    except ValueError as error:
        raise EncoderError(f"encoder {files.source!r}: AutoTokenizer's {name} cannot be used: {error}") from error
    if remaining is not None:
        words = remaining.describe(f"the converted {_FILE}", f"AutoTokenizer ({name})")
        raise EncoderError(f"encoder {files.source!r}: {name} cannot be written as {_FILE}: {words}")
    return tokenizer


def _parse(files: EncoderFiles, data: bytes, max_length: int) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_bytes(data, max_length=max_length, max_text_bytes=_MAX_TEXT_BYTES)
    except BundleError as error:
        pointer = files.find_pointer(_FILE) and f"{_FILE} is a pointer of Git LFS; fetch it with `git lfs pull`"
        raise EncoderError(f"encoder {files.source!r}: {pointer or error}") from error
    try:
        tokenizer.encode(make_comparison_texts([], []))
    except InvalidTextError as error:
        raise EncoderError(f"encoder {files.source!r}: {error.problem}; {TokenizerError.ADVICE}") from error
    return tokenizer


def _with_lowercase(files: EncoderFiles, tokenizer: Tokenizer) -> Tokenizer:
    """Put a lowercase step in front, where there is none, as sentence-transformers does."""
    content = json.loads(tokenizer.to_json())
    steps = list(_normalizers(content["normalizer"]))
    if any(step["type"] == "Lowercase" or step.get("lowercase") for step in steps):
        return tokenizer
    content["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, *steps]}
    _log.info("encoder: texts are lowercased (do_lower_case of sentence-transformers)")
    return _parse(files, json.dumps(content).encode(), tokenizer.max_length)


def _normalizers(normalizer: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The steps of a normalizer, sequences in it written out."""
    if normalizer is not None and normalizer["type"] == "Sequence":
        for step in normalizer["normalizers"]:
            yield from _normalizers(step)
    elif normalizer is not None:
        yield normalizer
