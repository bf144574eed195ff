"""A bundle that a server answers with, under the name by which clients ask for it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.inference.pipeline import Pipeline
from mtl_runtime.server.batch_counter import BatchCounter
from mtl_runtime.server.scheduling.token_estimate import TokenEstimate
from mtl_runtime.text.batch import Batch

__all__ = ["ServedModel"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServedModel:
    """One version of a served bundle; requests keep theirs where the server loads another under the same name."""

    name: str
    classifier: Classifier
    pipeline: Pipeline = field(init=False, repr=False)  # runs each job in the thread of its worker
    token_estimate: TokenEstimate = field(init=False, repr=False)
    batches: BatchCounter = field(init=False, repr=False, default_factory=BatchCounter)
    vocabulary_size: int = field(init=False, repr=False)  # counting takes a while, so it is done once
    loaded_at: float = field(init=False, default_factory=time.time)  # Unix time, in seconds

    def __post_init__(self) -> None:
        of = self.classifier
        object.__setattr__(self, "pipeline", Pipeline(of.tokenizer, self._run_batch, of.settings, None))
        object.__setattr__(self, "token_estimate", TokenEstimate(of.encoder.max_length))
        object.__setattr__(self, "vocabulary_size", of.tokenizer.vocabulary_size)

    def _run_batch(self, batch: Batch, outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        self.batches.count(batch)
        return self.classifier.run_batch(batch, outputs)

    @property
    def digest(self) -> str:
        """SHA-256 of the bundle's manifest."""
        return self.classifier.source.digest

    @property
    def variant(self) -> str:
        """Name of the graph that runs."""
        return self.classifier.source.variant
