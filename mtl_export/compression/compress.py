"""checkpoint -> folder of students: made, tried, distilled, exported, compared and timed; one is taken."""

import dataclasses
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from mtl_export.checkpoint import Checkpoint, load_checkpoint, weights_digest
from mtl_export.compression.candidates import plan_levels
from mtl_export.compression.lesson import Lesson, prepare_lesson
from mtl_export.compression.measure_points import measure_points
from mtl_export.compression.points import TEACHER, StudentsRecord, choose, mark_front
from mtl_export.compression.stages import Compression, export_model, measure_teacher
from mtl_export.compression.student_shape import TeacherSize
from mtl_export.compression.students import make_students, try_candidates
from mtl_export.compression.students_page.document import students_page
from mtl_export.compression.work_folder import (
    RECORD_NAME,
    CompressionInputs,
    Stopwatch,
    finished_record,
    open_work_folder,
)
from mtl_export.preflight import check_compression
from mtl_export.training.plan import training_device
from mtl_export.training.precision import choose_precision
from mtl_export.variant_names import AUTO
from mtl_runtime.bundle.gate_config import GateConfig
from mtl_runtime.core import records
from mtl_runtime.core.atomic_file import replace_text
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.gate.teacher_comparison import fewest_sentences

__all__ = ["compress"]

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
        minutes: after so many, no further student is begun. One is made in any case.
        resume: continue an unfinished compression. Where there is none, start one; where it is finished, return what
            it found.
        force: replace ``output`` and discard an unfinished compression.
        console: draw progress bars here.

    Raises:
        CheckpointError, ConfigError, EncoderError, TableError: the message says what to do.
        GateError: a graph does not answer as its PyTorch model does.
    """
    target, files = Path(output), tuple(map(Path, texts))
    check_compression(Path(checkpoint), target, variants=variants, texts=files, resume=resume, force=force)
    teacher = load_checkpoint(checkpoint)
    digest, training = weights_digest(teacher), teacher.record.training.config.training
    if resume and (finished := finished_record(target, teacher=digest, budget=budget, speed=speed)) is not None:
        return finished
    size = TeacherSize.of(teacher.model)
    lesson = prepare_lesson(teacher, files, column=column)
    notes = _warn_of_few_sentences(lesson, budget)
    work = open_work_folder(
        target,
        CompressionInputs(teacher=digest, files=lesson.files, budget=budget, speed=speed, seed=training.seed),
        precision=choose_precision(training.precision, training_device()),
        resume=resume,
        force=force,
    )
    compression = Compression(
        teacher=teacher,
        digest=digest,
        size=size,
        lesson=lesson,
        measures=measure_teacher(teacher, lesson, size, seed=training.seed),
        work=work,
        stopwatch=Stopwatch.of(work),
        minutes=minutes,
        gate=_with_budget(teacher, budget),
        variants=tuple(variants),
        seed=training.seed,
        console=console,
    )
    record = _compress(compression, budget=budget, speed=speed, notes=notes)
    replace_text(work.path / RECORD_NAME, records.to_json(record))
    replace_text(work.path / "students.html", students_page(record, title=target.absolute().name))
    work.finish()
    return record


def _compress(compression: Compression, *, budget: float, speed: float, notes: tuple[str, ...]) -> StudentsRecord:
    own = export_model(compression, TEACHER, compression.teacher)
    levels = plan_levels(compression.size, compression.measures.layers, speed=speed)
    finalists, trials = try_candidates(compression, levels)
    students = make_students(compression, finalists, trials)
    sentences = [row.text for row in compression.lesson.data.validation.rows]
    points = mark_front(measure_points({TEACHER: own, **students.bundles}, {TEACHER: 1.0, **students.work}, sentences))
    return StudentsRecord(
        teacher=compression.digest,
        budget=budget,
        speed=speed,
        sentences=len(sentences),
        machine=machine_facts(),
        made_with=installed_versions(),
        layers={" ".join(map(str, step.remaining)): step.loss for step in compression.measures.layers},
        trials=trials,
        students=students.records,
        points=points,
        choice=choose(points, budget=budget, speed=speed),
        notes=(*notes, *students.notes),
        seconds=compression.stopwatch.seconds,
    )


def _with_budget(teacher: Checkpoint, budget: float) -> GateConfig:
    """The gate of the teacher's config, in which metrics may drop by the budget where no task has one of its own."""
    gate = teacher.record.training.config.gate
    return dataclasses.replace(gate, budget=dataclasses.replace(gate.budget, max_metric_drop=budget))


def _warn_of_few_sentences(lesson: Lesson, budget: float) -> tuple[str, ...]:
    tasks = sum(spec.kind != "regression" for spec in lesson.rows.specs)
    sentences, needed = len(lesson.data.validation.rows), fewest_sentences(budget, max(1, tasks))
    if sentences >= needed:
        return ()
    note = (
        f"{sentences:,} validation sentences cannot make any student certain to hold {budget:g} points: {needed:,} "
        f"would be needed, even if no answer changed; students are chosen by estimates alone"
    )
    _log.warning("%s", note)
    return (note,)
