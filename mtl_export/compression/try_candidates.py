"""candidates of one size -> the one whose answers are closest to the teacher's, after short distillations."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_export.compression.candidates import Candidate, Level
from mtl_export.compression.distill_candidate import distill_candidate
from mtl_export.compression.stages import Compression
from mtl_export.compression.trials import Trial, halve
from mtl_export.compression.work_folder import TrialOutcome
from mtl_export.model import MultiTaskModel
from mtl_export.model.distillation import mean_divergence
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["TrialSentences", "is_tried", "prepare_trial_sentences", "try_candidates"]

_log = logging.getLogger(__name__)

_TRIAL_SENTENCES = 512  # of the validation split, that trials are measured on


@dataclass(frozen=True, slots=True)
class TrialSentences:
    """What trials are measured on."""

    tokenized: list[TokenizedText]
    answers: Mapping[str, NDArray[np.float32]]  # of the teacher, (N, width) by task

    def divergence(self, student: MultiTaskModel) -> float:
        """Of the student's answers from the teacher's, the mean over tasks."""
        return mean_divergence(student.spec.tasks, student.logits_of_tokens(self.tokenized), self.answers)


def prepare_trial_sentences(compression: Compression) -> TrialSentences:
    """Sentences of the validation split, and the teacher's answers to them."""
    teacher = compression.teacher.model
    sentences = evenly_spaced(compression.transfer_set.data.validation.rows, _TRIAL_SENTENCES)
    tokenized = teacher.tokenize(row.text for row in sentences)
    return TrialSentences(tokenized, teacher.logits_of_tokens(tokenized))


def try_candidates(
    compression: Compression, level: Level, sentences: TrialSentences
) -> tuple[Candidate, tuple[Trial, ...]]:
    """The best candidate of a size, and the trials that say so; those of an earlier attempt are not repeated."""
    work = compression.work

    def attempt(candidate: Candidate, rung: int, rows: int) -> float:
        if (measured := work.read_trial(candidate.name, rung)) is None:
            measured = _try(compression, candidate, sentences, rung=rung, rows=rows)
            work.finish_trial(candidate.name, rung, measured)
        compression.seconds_per_row[candidate] = measured.seconds_per_row
        return measured.divergence

    best, trials = halve(level.candidates, attempt, all_rows=len(compression.transfer_set.rows.rows))
    for loser in level.candidates:
        if loser is not best:
            work.remove_trials(loser.name)
    return best, trials


def is_tried(compression: Compression, level: Level) -> bool:
    """Whether its trials are done, but for those of the better half; a single candidate needs none."""
    names = [one.name for one in level.candidates]
    return len(names) == 1 or all(compression.work.read_trial(name, 0) is not None for name in names)


def _try(
    compression: Compression, candidate: Candidate, sentences: TrialSentences, *, rung: int, rows: int
) -> TrialOutcome:
    transfer_set = compression.transfer_set.take(rows=rows, validation=_TRIAL_SENTENCES)
    target = compression.work.trial(candidate.name, rung)
    _log.info("%s: a trial on %s rows", candidate.name, f"{len(transfer_set.rows.rows):,}")
    with _errors_alone(logging.getLogger("mtl_export.training")):
        checkpoint = distill_candidate(compression, candidate, transfer_set, target, epochs=1, rung=rung)
    return TrialOutcome(
        divergence=sentences.divergence(checkpoint.model),
        seconds_per_row=compression.seconds_per_row.get(candidate, 0.0),
    )


@contextmanager
def _errors_alone(logger: logging.Logger) -> Iterator[None]:
    """Hide plan, metrics and findings of a trial: there are many of them, and what decides is the divergence."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
