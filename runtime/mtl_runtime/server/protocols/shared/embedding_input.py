"""input of an embedding request, one or several texts or their token ids -> embeddings."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.inference.requests import Result
from mtl_runtime.inference.unit_length import scale_to_unit_length
from mtl_runtime.server.failures import BadRequestError, NoTextsError
from mtl_runtime.server.http.call import Call
from mtl_runtime.server.served_model import ServedModel

__all__ = ["EmbeddingInput", "check_dimensions", "embed_input", "embedding_rows", "list_texts"]

# A text, several, the token ids of one, or those of several.
EmbeddingInput = str | list[str | int | list[int]]


def list_texts(value: EmbeddingInput) -> list[str] | list[list[int]]:
    """The texts of an input, or the token ids of each text.

    Raises:
        NoTextsError: it is an empty list.
        BadRequestError: it mixes texts and token ids.
    """
    if isinstance(value, str):
        return [value]
    if not value:
        raise NoTextsError("the input is empty; send at least one text")
    if len(texts := [item for item in value if isinstance(item, str)]) == len(value):
        return texts
    if len(ids := [item for item in value if isinstance(item, int)]) == len(value):
        return [ids]
    if len(several := [item for item in value if isinstance(item, list)]) == len(value):
        return several
    raise BadRequestError("the input mixes texts and token ids; send a text, texts, token ids, or lists of token ids")


def check_dimensions(dimensions: int | None, model: ServedModel) -> None:
    """Refuse to shorten embeddings, which only encoders trained for it bear.

    Raises:
        BadRequestError: ``dimensions`` is not what the model has.
    """
    width = model.classifier.encoder.hidden_size
    if dimensions not in (None, width):
        raise BadRequestError(f"dimensions is {dimensions}, but these embeddings have {width} and are not shortened")


async def embed_input(call: Call, model: ServedModel, texts: Sequence[str] | Sequence[Sequence[int]]) -> Result:
    """Embeddings of :func:`list_texts`, and predictions without answers that count tokens.

    Raises:
        Exception: as :meth:`Call.predict`.
    """
    strings = [text for text in texts if isinstance(text, str)]
    if strings:
        return await call.predict(model, strings, tasks=(), embed=True)
    return await call.embed_token_ids(model, [text for text in texts if not isinstance(text, str)])


def embedding_rows(result: Result, *, normalize: bool) -> NDArray[np.float32]:
    """Embeddings (N, hidden_size) of a result that has them, divided by their length if ``normalize``."""
    if result.embeddings is None:
        raise ValueError("no embeddings were asked for")
    return scale_to_unit_length(result.embeddings) if normalize else result.embeddings
