"""Bodies of Text Embeddings Inference, and what Hugging Face's inference clients add to them."""

from typing import Annotated, Literal

import msgspec

from mtl_runtime.server.protocols.shared.embedding_input import EmbeddingInput

__all__ = [
    "ClassificationParameters",
    "ClassifierFacts",
    "EmbedBody",
    "EndpointError",
    "EndpointInfo",
    "ErrorType",
    "ModelType",
    "PredictBody",
    "TruncationOptions",
]

ErrorType = Literal["Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty"]


class TruncationOptions(msgspec.Struct):
    """Texts are truncated at the right, so another wish is refused where a text is too long."""

    truncate: bool | None = None
    truncation_direction: Literal["Left", "Right", "left", "right"] = "Right"


class ClassificationParameters(msgspec.Struct, forbid_unknown_fields=True):
    """``parameters`` of a text classification, from inference clients."""

    top_k: Annotated[int, msgspec.Meta(ge=1)] | None = None  # labels, the most probable first
    function_to_apply: Literal["softmax", "sigmoid", "none"] | None = None


class PredictBody(TruncationOptions, kw_only=True):
    """Body of POST /predict."""

    inputs: str | list[str | list[str]]
    raw_scores: bool = False
    parameters: ClassificationParameters | msgspec.UnsetType | None = msgspec.UNSET


class EmbedBody(TruncationOptions, kw_only=True):
    """Body of POST /embed."""

    inputs: EmbeddingInput
    normalize: bool = True
    prompt_name: str | None = None
    dimensions: int | None = None


class ClassifierFacts(msgspec.Struct):
    """Labels of a task, by their place and by their name."""

    id2label: dict[str, str]
    label2id: dict[str, int]


class ModelType(msgspec.Struct):
    """What a model does."""

    classifier: ClassifierFacts


class EndpointInfo(msgspec.Struct):
    """Body of the answer to GET /info."""

    model_id: str
    model_sha: str  # digest of the bundle's manifest
    model_dtype: str
    model_type: ModelType
    max_concurrent_requests: int
    max_input_length: int  # tokens
    max_batch_tokens: int
    max_client_batch_size: int  # texts in a request
    auto_truncate: bool
    tokenization_workers: int
    version: str  # of mtl-export
    max_batch_requests: int | None = None
    sha: str | None = None
    docker_label: str | None = None


class EndpointError(msgspec.Struct):
    """Body of an answer that is none."""

    error: str
    error_type: ErrorType
