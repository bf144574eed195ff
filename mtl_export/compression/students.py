"""levels -> students: of each size the best candidate, distilled to its end, exported and compared."""

import dataclasses
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

from mtl_export.bundling.export_bundle import Exported
from mtl_export.bundling.summarize_distillation import describe_student
from mtl_export.compression.candidates import Candidate, Level
from mtl_export.compression.distill import plan_student_epochs
from mtl_export.compression.distill_candidate import distill_candidate
from mtl_export.compression.points import StudentRecord
from mtl_export.compression.stages import Compression, export_model
from mtl_export.compression.trials import Trial, count_trial_rows
from mtl_export.compression.try_candidates import is_tried, prepare_trial_sentences, try_candidates
from mtl_runtime.core.clock import spoken_duration
from mtl_runtime.evidence.schema import BUDGETED, Evidence

__all__ = ["Students", "make_students"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Students:
    """Those that were distilled to their end, and why others were not."""

    records: tuple[StudentRecord, ...] = ()
    bundles: dict[str, Exported] = field(default_factory=dict)  # by name
    work: dict[str, float] = field(default_factory=dict)  # of each, as a share of the teacher's
    trials: tuple[Trial, ...] = ()
    omissions: tuple[tuple[str, str], ...] = ()  # size or name, and why

    def with_student(self, record: StudentRecord, exported: Exported, *, work: float) -> Self:
        """The same and one student more."""
        return dataclasses.replace(
            self,
            records=(*self.records, record),
            bundles={**self.bundles, record.name: exported},
            work={**self.work, record.name: work},
        )

    def with_omission(self, what: str, reason: str) -> Self:
        """The same, and why something is missing, which is logged."""
        _log.info("%s: not made, since %s", what, reason)
        return dataclasses.replace(self, omissions=(*self.omissions, (what, reason)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is missing, as a sentence for each reason."""
        by_reason: dict[str, list[str]] = {}
        for what, reason in self.omissions:
            by_reason.setdefault(reason, []).append(what)
        return tuple(f"not made, since {reason}: {', '.join(things)}" for reason, things in by_reason.items())


@dataclass(frozen=True, slots=True)
class _Exceeded:
    """A student that cannot hold the budget, so that no smaller one could."""

    level: Level
    name: str
    loss: str  # in words


def make_students(compression: Compression, levels: Sequence[Level]) -> Students:
    """Try each size and distil its best candidate, in the order of the levels, until the time is up.

    What is smaller than a student that clearly exceeds the budget is left out. One student is made in any case.
    """
    students, exceeded = Students(), None
    sentences = prepare_trial_sentences(compression)
    for number, level in enumerate(levels, 1):
        if students.records and (reason := _reason_not_to_try(compression, level, exceeded)):
            students = students.with_omission(f"a student of about {_percent(level)} of the work", reason)
            continue
        names = ", ".join(one.name for one in level.candidates)
        _log.info("size %d of %d, about %s of the work: %s", number, len(levels), _percent(level), names)
        best, trials = try_candidates(compression, level, sentences)
        students = dataclasses.replace(students, trials=(*students.trials, *trials))
        reason = _reason_not_to_distill(compression, best)
        if reason and students.records:
            students = students.with_omission(best.name, reason)
            continue
        if reason:
            _log.info("%s; one student is made in any case", reason)
        _log.info("%s: distilling%s", best.name, _time_left(compression, best, levels[number:], exceeded))
        record, exported = _make_student(compression, best, rung=sum(one.candidate == best.name for one in trials))
        students = students.with_student(record, exported, work=best.work)
        if lost := _clear_loss(exported.evidence):
            exceeded = _Exceeded(level, best.name, lost)
    return students


def _make_student(compression: Compression, candidate: Candidate, *, rung: int) -> tuple[StudentRecord, Exported]:
    start = time.monotonic()
    transfer_set = compression.transfer_set
    epochs = plan_student_epochs(transfer_set.config.training, len(transfer_set.rows.rows))
    target = compression.work.checkpoint(candidate.name)
    checkpoint = distill_candidate(compression, candidate, transfer_set, target, epochs=epochs, rung=rung)
    exported = export_model(compression, candidate.name, checkpoint)
    compression.stopwatch.save()
    origin = checkpoint.record.training.student
    assert origin is not None  # noqa: S101 - distill writes it
    method = describe_student(origin)
    return StudentRecord(candidate.name, candidate.shape, method, time.monotonic() - start), exported


def _reason_not_to_try(compression: Compression, level: Level, exceeded: _Exceeded | None) -> str | None:
    """Why a size is left out; None: it is not."""
    if exceeded and level.work < exceeded.level.work:
        return f"{exceeded.name} clearly exceeds the budget ({exceeded.loss})"
    if is_tried(compression, level):
        return None
    return _reason_of_time(compression, _seconds_of_size(compression, level))


def _reason_not_to_distill(compression: Compression, candidate: Candidate) -> str | None:
    """Why there is no time for a candidate; None: there is, or it is finished."""
    if compression.work.is_exported(candidate.name):
        return None
    return _reason_of_time(compression, _seconds_to_distill(compression, candidate.work))


def _reason_of_time(compression: Compression, needed: float) -> str | None:
    left = compression.seconds_left
    if left <= 0:
        return f"the {compression.minutes:g} minutes were up"
    if needed > left:
        time_left = spoken_duration(left)
        return f"it takes about {spoken_duration(needed)}, and {time_left} of {compression.minutes:g} minutes were left"
    return None


def _seconds_of_size(compression: Compression, level: Level) -> float:
    """Estimated, for the trials of a size and the distillation of its best candidate."""
    trial_rows = count_trial_rows(len(level.candidates), len(compression.transfer_set.rows.rows))
    return trial_rows * _seconds_per_row(compression, level.work) + _seconds_to_distill(compression, level.work)


def _seconds_to_distill(compression: Compression, work: float) -> float:
    """Estimated, for a student of that share of the work."""
    rows = len(compression.transfer_set.rows.rows)
    epochs = plan_student_epochs(compression.transfer_set.config.training, rows)
    return epochs * rows * _seconds_per_row(compression, work)


def _seconds_per_row(compression: Compression, work: float) -> float:
    """As it was measured for the candidate that is nearest in size; 0 where none is known."""
    known = compression.seconds_per_row
    nearest = min(known, key=lambda one: abs(one.work - work), default=None)
    return known[nearest] if nearest else 0.0


def _time_left(compression: Compression, best: Candidate, rest: Sequence[Level], exceeded: _Exceeded | None) -> str:
    """How long the candidate takes, and those sizes that are not left out, without their export; "": not known."""
    seconds = 0.0 if compression.work.checkpoint(best.name).exists() else _seconds_to_distill(compression, best.work)
    open_sizes = [level for level in rest if exceeded is None or level.work >= exceeded.level.work]
    later = sum(_seconds_of_size(compression, level) for level in open_sizes)
    later = min(later, max(0.0, compression.seconds_left - seconds))
    if seconds < 5:
        return ""
    words = f", about {spoken_duration(seconds)}"
    return f"{words}; all other sizes: {spoken_duration(later)}" if later >= 5 else words


def _clear_loss(evidence: Evidence) -> str | None:
    """The drop of a metric that even the better end of its interval puts over the budget; None: there is none."""
    for task, metric, high, budget in _ends(evidence):
        if 100 * high < -budget:
            return f"{metric} of {task} drops by at least {-100 * high:.2f} points"
    return None


def _ends(evidence: Evidence) -> Iterator[tuple[str, str, float, float]]:
    for name, compared in next(iter(evidence.variants.values())).teacher.items():
        for metric in BUDGETED[compared.answers.kind]:
            if metric in compared.changes:
                yield name, metric, compared.changes[metric].high, compared.budget


def _percent(level: Level) -> str:
    return f"{100 * level.work:.0f} %"
