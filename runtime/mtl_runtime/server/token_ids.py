"""token ids of a caller -> texts as the encoder reads them: ids of the vocabulary only, and not too many."""

from collections.abc import Sequence

from mtl_runtime.errors import InvalidTextError
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["read_token_ids"]


def read_token_ids(texts: Sequence[Sequence[int]], *, vocabulary_size: int, max_length: int) -> list[TokenizedText]:
    """Take the ids of each text as they are: special tokens are those that the caller put there.

    Args:
        texts: the token ids of each.
        vocabulary_size: one more than the largest id; of a negative id onnxruntime would count from the end.
        max_length: tokens that the encoder reads; ids are not truncated, since the last one is usually special.

    Raises:
        InvalidTextError: a text has no ids, too many, or one that is not in the vocabulary; the error has its index.
    """
    for index, ids in enumerate(texts):
        if not 1 <= len(ids) <= max_length:
            raise InvalidTextError(index, f"has {len(ids)} token ids; the encoder reads from 1 to {max_length}")
        for token in (min(ids), max(ids)):
            if not 0 <= token < vocabulary_size:
                raise InvalidTextError(
                    index,
                    f"token id {token} is not in the vocabulary, which ends at {vocabulary_size - 1}; make the ids "
                    f"with the bundle's tokenizer.json, or send the text itself",
                )
    return [TokenizedText(tuple(ids), (0,) * len(ids), False) for ids in texts]
