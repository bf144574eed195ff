"""checkpoint -> folder of students: made, tried, distilled, exported, compared and timed; one is taken."""

import dataclasses
import math
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from mtl_export.checkpoint import Checkpoint, load_checkpoint, weights_digest
from mtl_export.compression.candidates import plan_levels
from mtl_export.compression.measure_points import measure_points
from mtl_export.compression.notes import (
    note_few_rows,
    note_few_sentences,
    note_left_out,
    note_no_candidates,
    note_speed_limit,
)
from mtl_export.compression.points import TEACHER, CompressionInputs, StudentsRecord, choose, mark_front
from mtl_export.compression.pruning.student_shape import TeacherSize
from mtl_export.compression.stages import Compression, export_model, measure_teacher
from mtl_export.compression.stopwatch import Stopwatch
from mtl_export.compression.students import make_students
from mtl_export.compression.students_page.document import students_page
from mtl_export.compression.transfer_set import TransferSet, digest_files, prepare_transfer_set
from mtl_export.compression.work_folder import (
    RECORD_NAME,
    WorkFolder,
    finished_record,
    open_work_folder,
)
from mtl_export.errors import ConfigError
from mtl_export.folder_marks import CHECKPOINT_RECORD, lock_run, run_folder_path
from mtl_export.graphs.trace import check_finite_weights
from mtl_export.preflight import check_compression, check_holds_none_of
from mtl_export.training.plan import training_device
from mtl_export.training.precision import choose_precision
from mtl_export.variant_names import AUTO
from mtl_runtime.bundle.gate_config import GateConfig
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.atomic_file import replace_text
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import machine_facts

__all__ = ["compress", "set_metric_budget"]


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
        minutes: once they are up, or too few for it, no further size is begun. One student is made in any case.
        resume: continue an unfinished compression. Where there is none, start one; where it is finished, return what
            it found.
        force: replace ``output`` and discard an unfinished compression.
        console: draw progress bars here.

    Raises:
        CheckpointError, ConfigError, EncoderError, ExportError, TableError: the message says what to do.
        MtlError: the output may not be written, or another process is writing it.
        GateError: a graph does not answer as its PyTorch model does.
    """
    target, files = Path(output), tuple(map(Path, texts))
    if not (0 < budget < 100 and 1 < speed < math.inf):
        raise ConfigError(f"budget is {budget:g} and speed {speed:g}; write points above 0, and a multiple above 1")
    check_compression(
        Path(checkpoint), target, variants=variants, texts=files, column=column, resume=resume, force=force
    )
    teacher = load_checkpoint(checkpoint)
    check_holds_none_of((target, run_folder_path(target)), teacher.data_files)
    check_finite_weights(teacher.model)
    training = teacher.record.training.config.training
    digests = digest_files(teacher, files)
    inputs = CompressionInputs(
        teacher=weights_digest(teacher),
        record=FileSpec.of_file(teacher.path / CHECKPOINT_RECORD),
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
    with lock_run(target):
        work = open_work_folder(
            target,
            inputs,
            choose_precision=lambda: choose_precision(training.precision, training_device()),
            resume=resume,
            force=force,
        )
        with work.note_how_to_continue():
            stopwatch = Stopwatch.in_folder(work.path)
            transfer_set = prepare_transfer_set(teacher, files, digests, column=column)
            compression = _prepare(
                teacher, transfer_set, size, inputs, work, stopwatch, minutes=minutes, console=console
            )
            try:
                record = _compress(compression, inputs)
            finally:
                with suppress(OSError):  # the time counts; a full disk is what already ended it
                    stopwatch.save()
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
    """What the stages share; the teacher is measured for it."""
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
    transfer_set = compression.transfer_set
    notes = (*note_few_sentences(transfer_set, compression.gate), *note_few_rows(transfer_set))
    own = export_model(compression, TEACHER, compression.teacher)
    levels = plan_levels(compression.size, compression.measures.layers, speed=inputs.speed)
    students = make_students(compression, levels)
    bundles = {TEACHER: own, **students.bundles}
    sentences = [row.text for row in transfer_set.data.validation.rows]
    points = mark_front(measure_points(bundles, {TEACHER: 1.0, **students.work}, sentences))
    return StudentsRecord(
        inputs=inputs,
        sentences=len(sentences),
        machine=machine_facts(),
        made_with=installed_versions(),
        layers={" ".join(map(str, step.remaining)): step.loss for step in compression.measures.layers},
        trials=students.trials,
        students=students.records,
        points=points,
        choice=choose(points, budget=inputs.budget, speed=inputs.speed),
        notes=(
            *notes,
            *note_no_candidates(levels),
            *note_speed_limit(compression.size, inputs.speed),
            *students.notes,
            *note_left_out(bundles),
        ),
        seconds=compression.stopwatch.seconds,
    )


def set_metric_budget(gate: GateConfig, points: float) -> GateConfig:
    """``gate`` in which metrics may drop by so many points of 100, in all tasks that have no budget of their own."""
    # A precision's budget comes before that of a task in all precisions, which would otherwise be lost.
    precisions = {
        name: dataclasses.replace(section, budget=dataclasses.replace(section.budget, max_metric_drop=None))
        for name, section in gate.precisions.items()
    }
    budget = dataclasses.replace(gate.budget, max_metric_drop=points)
    return dataclasses.replace(gate, budget=budget, precisions=precisions)
