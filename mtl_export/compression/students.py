"""candidates -> students: trials choose one of each size, which is distilled to its end, exported and compared."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mtl_export.bundling.export_bundle import Exported
from mtl_export.bundling.summarize_distillation import describe_student
from mtl_export.checkpoint import Checkpoint, StudentOrigin, load_checkpoint, weights_digest
from mtl_export.compression.candidates import Candidate, Level
from mtl_export.compression.distill import Distillation, distill, plan_student_epochs
from mtl_export.compression.make_student import make_student
from mtl_export.compression.points import StudentRecord
from mtl_export.compression.stages import Compression, export_model
from mtl_export.compression.transfer_set import TransferSet
from mtl_export.compression.trials import Trial, halve
from mtl_export.compression.work_folder import TrialOutcome
from mtl_export.model.distillation import mean_divergence
from mtl_runtime.core.clock import spoken_duration
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.evidence.schema import BUDGETED, Evidence

__all__ = ["Students", "make_students", "try_candidates"]

_log = logging.getLogger(__name__)

_TRIAL_SENTENCES = 512  # of the validation split, that trials are measured on


@dataclass(frozen=True, slots=True)
class Students:
    """Those that were distilled to their end, and why others were not."""

    records: tuple[StudentRecord, ...]
    bundles: dict[str, Exported]  # by name
    work: dict[str, float]  # of each, as a share of the teacher's
    notes: tuple[str, ...]


def try_candidates(
    compression: Compression, levels: Sequence[Level]
) -> tuple[tuple[Candidate, ...], tuple[Trial, ...]]:
    """The best candidate of each size, the largest first, and all trials; no further size when the time is up."""
    teacher = compression.teacher.model
    sentences = evenly_spaced(compression.transfer_set.data.validation.rows, _TRIAL_SENTENCES)
    validation = teacher.tokenize(row.text for row in sentences)
    answers = teacher.logits_of_tokens(validation)

    def attempt(candidate: Candidate, rung: int, rows: int) -> float:
        if (measured := compression.work.read_trial(candidate.name, rung)) is not None:
            compression.seconds_per_row.setdefault(candidate.name, measured.seconds_per_row)
            return measured.divergence
        transfer_set = compression.transfer_set.take(rows=rows, validation=_TRIAL_SENTENCES)
        target = compression.work.trial(candidate.name, rung)
        logits = _distil(compression, candidate, rung, transfer_set, target, epochs=1).model.logits_of_tokens(
            validation
        )
        by_task = [
            mean_divergence(task.kind, torch.from_numpy(logits[task.name]), torch.from_numpy(answers[task.name]))
            for task in teacher.spec.tasks
        ]
        divergence = float(np.mean(by_task))
        seconds = compression.seconds_per_row.get(candidate.name, 0.0)
        outcome = TrialOutcome(divergence=divergence, seconds_per_row=seconds)
        compression.work.finish_trial(candidate.name, rung, outcome)
        return divergence

    finalists: list[Candidate] = []
    trials: list[Trial] = []
    for number, level in enumerate(levels, 1):
        if finalists and compression.seconds_left <= 0 and not _is_tried(compression, level):
            _log.info(
                "%d smaller sizes are not tried: the %g minutes are up", len(levels) - number + 1, compression.minutes
            )
            break
        names = ", ".join(one.name for one in level.candidates)
        _log.info("size %d of %d, about %.0f %% of the work: %s", number, len(levels), 100 * level.work, names)
        best, made = halve(level.candidates, attempt, all_rows=len(compression.transfer_set.rows.rows))
        finalists.append(best)
        trials += made
        for loser in level.candidates:
            if loser is not best:
                compression.work.remove_trials(loser.name)
    return tuple(finalists), tuple(trials)


def _is_tried(compression: Compression, level: Level) -> bool:
    """Whether its trials are done, but for those of the better half; a single candidate needs none."""
    names = [one.name for one in level.candidates]
    return len(names) == 1 or all(compression.work.read_trial(name, 0) is not None for name in names)


def make_students(compression: Compression, finalists: Sequence[Candidate], trials: Sequence[Trial]) -> Students:
    """Distil the finalists on all rows, the largest first, until the time is up or nothing smaller can hold."""
    students = Students((), {}, {}, ())
    for number, candidate in enumerate(finalists, 1):
        if (
            students.records
            and not compression.work.is_exported(candidate.name)
            and (reason := _skip_reason(compression, candidate))
        ):
            students = _with_note(students, f"{candidate.name} was not distilled: {reason}")
            continue
        _log.info("student %d of %d: %s%s", number, len(finalists), candidate.name, _time_left(compression, finalists))
        rung = sum(trial.candidate == candidate.name for trial in trials)
        record, exported = _make_student(compression, candidate, rung)
        students = Students(
            (*students.records, record),
            {**students.bundles, candidate.name: exported},
            {**students.work, candidate.name: candidate.work},
            students.notes,
        )
        lost = _clear_loss(exported.evidence, number < len(finalists))
        if lost is not None:
            rest = [one.name for one in finalists[number:]]
            were = "was" if len(rest) == 1 else "were"
            return _with_note(
                students,
                f"{', '.join(rest)} {were} not distilled: {candidate.name} clearly exceeds the budget ({lost})",
            )
    return students


def _make_student(compression: Compression, candidate: Candidate, rung: int) -> tuple[StudentRecord, Exported]:
    start = time.monotonic()
    target = compression.work.checkpoint(candidate.name)
    transfer_set = compression.transfer_set
    epochs = plan_student_epochs(transfer_set.config.training, len(transfer_set.rows.rows))
    checkpoint = _distil(compression, candidate, rung, transfer_set, target, epochs=epochs)
    exported = export_model(compression, candidate.name, checkpoint)
    compression.stopwatch.save()
    origin = checkpoint.record.training.student
    assert origin is not None  # noqa: S101 - distill writes it
    method = describe_student(origin)
    return StudentRecord(candidate.name, candidate.shape, method, time.monotonic() - start), exported


def _distil(
    compression: Compression,
    candidate: Candidate,
    rung: int,
    transfer_set: TransferSet,
    target: Path,
    *,
    epochs: int,
) -> Checkpoint:
    """Distil a candidate further: as it was cut in rung 0, then from the weights of its trial before."""
    start = time.monotonic()
    teacher, shape = compression.teacher, candidate.shape
    if rung:
        before = load_checkpoint(compression.work.trial(candidate.name, rung - 1))
        model, base = before.model, weights_digest(before)
    else:
        model, base = make_student(teacher.model, shape, compression.measures.importance), compression.digest
    origin = StudentOrigin(
        teacher=compression.digest,
        layers=shape.layers,
        teacher_layers=compression.size.layers,
        heads=shape.heads,
        neurons=shape.neurons,
        texts=compression.transfer_set.texts,
        teacher_validation=teacher.record.training.validation,
    )
    distillation = Distillation(
        origin=origin,
        base=base,
        epochs=epochs,
        precision=compression.work.precision,
        seed=compression.seed,
        gate=compression.gate,
    )
    finished = target.exists()
    checkpoint = distill(model, distillation, transfer_set, target, console=compression.console)
    if not finished:
        seconds = time.monotonic() - start
        compression.seconds_per_row[candidate.name] = seconds / (epochs * len(transfer_set.rows.rows))
    compression.stopwatch.save()
    return checkpoint


def _estimate(compression: Compression, candidate: Candidate) -> float:
    """Seconds that its last distillation takes, by its trials; without one, by the slowest candidate's."""
    transfer_set, known = compression.transfer_set, compression.seconds_per_row
    rows = len(transfer_set.rows.rows)
    per_row = known.get(candidate.name, max(known.values(), default=0.0))
    return per_row * rows * plan_student_epochs(transfer_set.config.training, rows)


def _skip_reason(compression: Compression, candidate: Candidate) -> str | None:
    """Why there is no time to distil it; None: there is."""
    needed, left = _estimate(compression, candidate), compression.seconds_left
    if left <= 0:
        return f"the {compression.minutes:g} minutes were up"
    if needed > left:
        time_left = spoken_duration(left)
        return f"it needs about {spoken_duration(needed)}, and {time_left} of {compression.minutes:g} minutes were left"
    return None


def _time_left(compression: Compression, finalists: Sequence[Candidate]) -> str:
    seconds = sum(
        _estimate(compression, one) for one in finalists if not compression.work.checkpoint(one.name).exists()
    )
    return f", about {spoken_duration(seconds)} of distillation left" if seconds >= 5 else ""


def _clear_loss(evidence: Evidence, smaller_left: bool) -> str | None:
    """The drop of a metric that even the better end of its interval puts over the budget; None: there is none."""
    if not smaller_left:
        return None
    for task, metric, high, budget in _ends(evidence):
        if 100 * high < -budget:
            return f"{metric} of {task} drops by at least {-100 * high:.2f} points"
    return None


def _ends(evidence: Evidence) -> Iterator[tuple[str, str, float, float]]:
    for name, compared in next(iter(evidence.variants.values())).teacher.items():
        for metric in BUDGETED[compared.answers.kind]:
            if metric in compared.changes:
                yield name, metric, compared.changes[metric].high, compared.budget


def _with_note(students: Students, note: str) -> Students:
    _log.info("%s", note)
    return Students(students.records, students.bundles, students.work, (*students.notes, note))
