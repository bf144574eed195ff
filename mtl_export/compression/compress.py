"""checkpoint -> folder of students: made, tried, distilled, exported, compared and timed; one is taken."""

import dataclasses
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from mtl_export.bundling.export_bundle import Exported
from mtl_export.checkpoint import Checkpoint, load_checkpoint, weights_digest
from mtl_export.compression.candidates import Candidate, Level, plan_levels
from mtl_export.compression.measure_points import measure_points
from mtl_export.compression.points import TEACHER, CompressionInputs, StudentsRecord, choose, mark_front
from mtl_export.compression.stages import Compression, export_model, measure_teacher
from mtl_export.compression.student_shape import TeacherSize
from mtl_export.compression.students import make_students, try_candidates
from mtl_export.compression.students_page.document import students_page
from mtl_export.compression.transfer_set import TransferSet, digest_files, prepare_transfer_set
from mtl_export.compression.work_folder import (
    RECORD_NAME,
    Stopwatch,
    WorkFolder,
    finished_record,
    open_work_folder,
)
from mtl_export.preflight import check_compression
from mtl_export.training.plan import training_device
from mtl_export.training.precision import choose_precision
from mtl_export.variant_names import AUTO
from mtl_runtime.bundle.gate_config import GateConfig, limits_for, precision_of
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.core import records
from mtl_runtime.core.atomic_file import replace_text
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.gate.teacher_comparison import fewest_sentences

__all__ = ["compress", "set_metric_budget"]

_log = logging.getLogger(__name__)


def compress(
    checkpoint: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    budget: float = 0.5,
    speed: float = 2.0,
    texts: Iterable[str | os.PathLike[str]] = (),
    column: str | None = None,
    variants: Sequence[str] = (AUTO,),
    minutes: float = 60.0,
    resume: bool = False,
    force: bool = False,
    console: Console | None = None,
) -> StudentsRecord:
    """Search for the fastest model whose answers hold, and write what was found to the folder ``output``.

    The folder has a checkpoint and a bundle for each student, students.json and students.html. An interrupted
    compression is in ``<output>.run`` and continues with ``resume``; each student has the same bytes as without the
    interruption. How many students there are depends on ``minutes``, their bytes do not.

    Args:
        checkpoint: folder of the teacher.
        output: appears whole or not at all.
        budget: points of 100 that accuracy, macro-F1 or correlation of each task may drop on the validation split.
        speed: wanted, as a multiple of the teacher's; sizes around it are tried.
        texts: files of sentences without labels, to learn the teacher's answers from.
        column: of the sentences in ``texts``; default: as in training, if a file has such a column, else "text".
        variants: of each student, and of the teacher; as in ``export_bundle``.
        minutes: once they are up, no further student is started. One is made in any case.
        resume: continue an unfinished compression. Where there is none, start one; where it is finished, return what
            it found.
        force: replace ``output`` and discard an unfinished compression.
        console: draw progress bars here.

    Raises:
        CheckpointError, ConfigError, EncoderError, TableError: the message says what to do.
        GateError: a graph does not answer as its PyTorch model does.
    """
    target, files = Path(output), tuple(map(Path, texts))
    check_compression(
        Path(checkpoint), target, variants=variants, texts=files, column=column, resume=resume, force=force
    )
    teacher = load_checkpoint(checkpoint)
    training = teacher.record.training.config.training
    digests = digest_files(teacher, files)
    inputs = CompressionInputs(
        teacher=weights_digest(teacher),
        files=tuple(digests.values()),
        column=column,
        variants=tuple(variants),
        budget=budget,
        speed=speed,
        seed=training.seed,
    )
    if resume and (finished := finished_record(target, inputs)) is not None:
        return finished
    size = TeacherSize.of(teacher.model)
    work = open_work_folder(
        target,
        inputs,
        choose_precision=lambda: choose_precision(training.precision, training_device()),
        resume=resume,
        force=force,
    )
    with work.note_how_to_continue():
        stopwatch = Stopwatch.of(work)
        transfer_set = prepare_transfer_set(teacher, files, digests, column=column)
        compression = _prepare(teacher, transfer_set, size, inputs, work, stopwatch, minutes=minutes, console=console)
        record = _compress(compression, inputs)
        replace_text(work.path / RECORD_NAME, records.to_json(record))
        replace_text(work.path / "students.html", students_page(record, title=target.absolute().name))
    work.finish()
    return record


def _prepare(
    teacher: Checkpoint,
    transfer_set: TransferSet,
    size: TeacherSize,
    inputs: CompressionInputs,
    work: WorkFolder,
    stopwatch: Stopwatch,
    *,
    minutes: float,
    console: Console | None,
) -> Compression:
    """Measure the teacher's layers."""
    return Compression(
        teacher=teacher,
        digest=inputs.teacher,
        size=size,
        transfer_set=transfer_set,
        measures=measure_teacher(teacher, transfer_set, size, work, seed=inputs.seed),
        work=work,
        stopwatch=stopwatch,
        minutes=minutes,
        gate=set_metric_budget(teacher.record.training.config.gate, inputs.budget),
        variants=inputs.variants,
        seed=inputs.seed,
        console=console,
    )


def _compress(compression: Compression, inputs: CompressionInputs) -> StudentsRecord:
    compression.stopwatch.save()
    notes = _warn_of_few_sentences(compression.transfer_set, compression.gate)
    own = export_model(compression, TEACHER, compression.teacher)
    levels = plan_levels(compression.size, compression.measures.layers, speed=inputs.speed)
    finalists, trials = try_candidates(compression, levels)
    students = make_students(compression, finalists, trials)
    bundles = {TEACHER: own, **students.bundles}
    sentences = [row.text for row in compression.transfer_set.data.validation.rows]
    points = mark_front(measure_points(bundles, {TEACHER: 1.0, **students.work}, sentences))
    return StudentsRecord(
        inputs=inputs,
        sentences=len(sentences),
        machine=machine_facts(),
        made_with=installed_versions(),
        layers={" ".join(map(str, step.remaining)): step.loss for step in compression.measures.layers},
        trials=trials,
        students=students.records,
        points=points,
        choice=choose(points, budget=inputs.budget, speed=inputs.speed),
        notes=(*notes, *_note_untried(compression, levels, finalists), *students.notes, *_note_left_out(bundles)),
        seconds=compression.stopwatch.seconds,
    )


def _note_untried(compression: Compression, levels: Sequence[Level], finalists: Sequence[Candidate]) -> tuple[str, ...]:
    untried = len(levels) - len(finalists)
    if not untried:
        return ()
    return (
        f"the smallest sizes, {untried} of {len(levels)}, were not tried: the {compression.minutes:g} minutes were up",
    )


def _note_left_out(bundles: Mapping[str, Exported]) -> tuple[str, ...]:
    """Variants that are no points: those that the gate refuses, and those that cannot run here."""
    notes = []
    for model, exported in bundles.items():
        refused = exported.evidence.refused.items()
        notes += [f"{model}: {name} was refused: {'; '.join(one.all_problems)}" for name, one in refused]
        for name, one in exported.evidence.variants.items():
            if one.status != "verified":
                notes.append(f"{model}: {name} was not compared, since it cannot be verified on this machine")
    return tuple(notes)


def set_metric_budget(gate: GateConfig, points: float) -> GateConfig:
    """``gate`` in which metrics may drop by so many points of 100, in all tasks that have no budget of their own."""
    # A precision's budget comes before that of a task in all precisions, which would otherwise be lost.
    precisions = {
        name: dataclasses.replace(section, budget=dataclasses.replace(section.budget, max_metric_drop=None))
        for name, section in gate.precisions.items()
    }
    budget = dataclasses.replace(gate.budget, max_metric_drop=points)
    return dataclasses.replace(gate, budget=budget, precisions=precisions)


def _warn_of_few_sentences(transfer_set: TransferSet, gate: GateConfig) -> tuple[str, ...]:
    """A note for each task whose validation rows cannot make any student certain to hold its budget."""
    specs, rows = transfer_set.rows.specs, transfer_set.data.validation.rows
    decided = sum(spec.kind != "regression" for spec in specs)
    notes = []
    for spec in specs:
        budget = limits_for(gate, spec.name, precision_of(DEFAULT_VARIANT)).max_metric_drop
        labelled = sum(row.labels.get(spec.name) is not None for row in rows)
        # Without labels the teacher's answers to all sentences are compared, and a correlation proves nothing.
        needed = fewest_sentences(budget, decided, kind=spec.kind) if labelled or spec.kind != "regression" else None
        if needed is None or (labelled or len(rows)) < needed:
            which = (
                f"{labelled:,} validation sentences with" if labelled else f"{len(rows):,} validation sentences without"
            )
            enough = "no number would" if needed is None else f"{needed:,} would be needed"
            notes.append(
                f"{which} a label of {spec.name} cannot make any student certain to hold {budget:g} points: {enough}, "
                "even if no answer changed"
            )
    for note in notes:
        _log.warning("%s; students are chosen by estimates alone", note)
    return tuple(notes)
