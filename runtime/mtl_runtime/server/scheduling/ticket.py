"""One request on its way through the scheduler: which of its texts are taken, and what is answered so far."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.inference.decode import Prediction
from mtl_runtime.inference.requests import Result
from mtl_runtime.server.served_model import ServedModel
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["Ticket"]

Rows = NDArray[np.float32]


@dataclass(slots=True, kw_only=True, eq=False)
class Ticket:
    """A request whose texts wait, are being computed, or are answered."""

    model: ServedModel
    texts: Sequence[str] | Sequence[TokenizedText]  # at least one, valid
    tasks: Sequence[TaskSpec]  # that each prediction answers; may be none
    embed: bool  # compute embeddings too
    deadline: float  # as time.monotonic() counts; afterwards none of its texts is computed
    future: "asyncio.Future[Result]"
    trace: Any = None  # of its request, for the spans of what is done for it; None: it is not traced
    tokens: Sequence[int] = field(init=False)  # that each text will probably have
    arrived: float = field(init=False, default_factory=time.monotonic)
    taken: int = field(init=False, default=0)  # texts that a worker has got
    _predictions: list[Prediction | None] = field(init=False)
    _embeddings: Rows | None = field(init=False)
    _unanswered: int = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = self.model.token_estimate.estimate(self.texts)
        self._unanswered = len(self.texts)
        self._predictions = [None] * len(self.texts)
        shape = (len(self.texts), self.model.classifier.encoder.hidden_size)
        self._embeddings = np.empty(shape, dtype=np.float32) if self.embed else None

    @property
    def is_tokenized(self) -> bool:
        """Its texts are token ids."""
        return isinstance(self.texts[0], TokenizedText)

    @property
    def is_over(self) -> bool:
        """Nobody waits any more: it is answered, refused or cancelled."""
        return self.future.done()

    @property
    def is_late(self) -> bool:
        """Its deadline has passed."""
        return time.monotonic() >= self.deadline

    def answer(self, start: int, predictions: Sequence[Prediction], embeddings: Rows | None) -> None:
        """Fill in answers of the texts from ``start`` on; the last ones complete the future. In the loop's thread."""
        stop = start + len(predictions)
        self._predictions[start:stop] = predictions
        if self._embeddings is not None and embeddings is not None:
            self._embeddings[start:stop] = embeddings
        self._unanswered -= len(predictions)
        if not self._unanswered and not self.future.done():
            answered = [prediction for prediction in self._predictions if prediction is not None]
            self.future.set_result(Result(answered, self._embeddings))

    def fail(self, error: BaseException) -> None:
        """Refuse it, whatever is computed already. In the loop's thread."""
        if not self.future.done():
            self.future.set_exception(error)
