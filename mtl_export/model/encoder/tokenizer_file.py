"""hub id or folder -> its tokenizer.json."""

import json

from mtl_export.errors import EncoderError
from mtl_export.upstream import find_file

__all__ = ["tokenizer_bytes"]


def tokenizer_bytes(source: str) -> bytes:
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
