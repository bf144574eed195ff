"""Bodies of the server's own JSON API."""

import msgspec

__all__ = [
    "InfoResponse",
    "ModelFacts",
    "ModelTasks",
    "ModelVersion",
    "NumberScale",
    "PredictRequest",
    "PredictResponse",
    "ProblemDetails",
    "RequestLimits",
    "TaskAnswer",
    "TaskFacts",
    "TasksResponse",
    "TextAnswer",
]


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /v1/predict."""

    texts: list[str]
    tasks: list[str] | None = None  # default: all
    model: str | None = None  # default: the first that the server has
    embed: bool = False  # give sentence embeddings too


class TaskAnswer(msgspec.Struct, omit_defaults=True):
    """Answer of one task about one text; which fields it has follows from the task's kind."""

    label: str | None = None  # single_label
    probability: float | None = None  # single_label: of that label
    labels: list[str] | None = None  # multi_label: those that reach their thresholds
    probabilities: dict[str, float] | None = None  # by label, calibrated
    thresholds: dict[str, float] | None = None  # multi_label: by label
    value: float | None = None  # regression


class TextAnswer(msgspec.Struct, omit_defaults=True):
    """All answers about one text."""

    answers: dict[str, TaskAnswer]
    tokens: int  # that the encoder read
    truncated: bool  # the text was longer than the encoder reads, and its end was left out
    windows: int = 1  # that the text was read in
    embedding: list[float] | None = None


class ModelVersion(msgspec.Struct):
    """What answered."""

    name: str
    variant: str
    digest: str  # SHA-256 of the bundle's manifest


class PredictResponse(msgspec.Struct):
    """Body of the answer to POST /v1/predict."""

    predictions: list[TextAnswer]  # in the order of the texts
    model: ModelVersion


class NumberScale(msgspec.Struct):
    """Of the numbers that a regression was trained on."""

    mean: float
    deviation: float


class TaskFacts(msgspec.Struct, omit_defaults=True):
    """What a task asks."""

    name: str
    kind: str  # single_label, multi_label or regression
    labels: list[str] | None = None  # of a regression: none
    thresholds: list[float] | None = None  # multi_label: of each label
    standardization: NumberScale | None = None  # regression, if it has one


class ModelTasks(msgspec.Struct):
    """Tasks of one model."""

    name: str
    tasks: list[TaskFacts]


class TasksResponse(msgspec.Struct):
    """Body of the answer to GET /v1/tasks."""

    models: list[ModelTasks]


class ModelFacts(msgspec.Struct):
    """What a model really runs, and why."""

    name: str
    digest: str
    variant: str
    provider: str
    reason: str
    fallback: str | None  # why a faster variant does not run
    workers: int
    threads: int
    max_batch_tokens: int
    onnxruntime: str
    max_length: int  # tokens that the encoder reads
    hidden_size: int
    tasks: list[str]


class RequestLimits(msgspec.Struct):
    """What a request may hold at most."""

    texts: int
    text_bytes: int
    body_bytes: int
    request_seconds: float


class InfoResponse(msgspec.Struct):
    """Body of the answer to GET /v1/info."""

    models: list[ModelFacts]
    limits: RequestLimits


class ProblemDetails(msgspec.Struct, omit_defaults=True):
    """An error as RFC 9457 writes it."""

    type: str
    title: str
    status: int
    detail: str
    index: int | None = None  # of the text that is the reason
    problem: str | None = None  # what is wrong with that text
    known: list[str] | None = None  # names that would have been right
    texts: int | None = None
    limit: int | None = None
    retry_after: int | None = None  # seconds
