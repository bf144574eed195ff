"""the files of an encoder -> transformers' tokenizer -> tokenizer.json."""

import json
import logging
from typing import Any

from mtl_export.model.encoder.files import EncoderFiles

__all__ = ["load_auto_tokenizer", "to_tokenizer_json"]

_log = logging.getLogger(__name__)

_REASON_CHARACTERS = 200  # some messages of transformers are pages


def load_auto_tokenizer(files: EncoderFiles) -> Any:
    """Load what AutoTokenizer gives, with truncation at the end of a text, as the runtime truncates.

    Raises:
        ValueError: there are no files of a tokenizer, or transformers cannot read them; the message is the reason.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(**files.location, trust_remote_code=False)
    except Exception as error:  # the classes of tokenizers raise whatever their files make them raise
        raise ValueError(" ".join(str(error).split())[:_REASON_CHARACTERS]) from error
    # Without the files of its class, transformers returns a tokenizer that does not know a single word.
    names = [*tokenizer.vocab_files_names.values(), *(["tokenizer.json"] if tokenizer.is_fast else [])]
    if not any(files.find(name) for name in names):
        raise ValueError(f"there is no {' or '.join(dict.fromkeys(names))}")
    if tokenizer.truncation_side != "right":
        _log.info("encoder: tokenizer_config.json cuts long texts at their start; here they are cut at their end")
        tokenizer.truncation_side = "right"
    return tokenizer


def to_tokenizer_json(tokenizer: Any, *, embeddings: int) -> bytes | None:
    """The tokenizer.json of a tokenizer of transformers; None where its class exists only in Python.

    transformers adds the special tokens of a class, such as [MASK], where the vocabulary lacks them. Those beyond the
    ``embeddings`` of the encoder are left out, since no text could use them.
    """
    if not tokenizer.is_fast:
        return None
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    special = frozenset(tokenizer.all_special_tokens)
    content["added_tokens"] = [
        token for token in content["added_tokens"] if token["id"] < embeddings or token["content"] not in special
    ]
    return json.dumps(content).encode()
