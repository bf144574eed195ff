"""students of one data set + its test split -> one run more in the study's results file.

python -m mtl_bench.studies.compression vader CHECKPOINT STUDENTS TEST... -o compression.json --title "VADER, two tasks"
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from mtl_bench.results.files import read_results, write_results
from mtl_bench.studies.command_line import study_command
from mtl_bench.studies.compression.results import CompressionResults, CompressionRun, TestedVariant
from mtl_export.checkpoint import Checkpoint, load_checkpoint, weights_digest
from mtl_export.compression.points import StudentsRecord, task_change, worst_loss
from mtl_export.compression.work_folder import RECORD_NAME
from mtl_export.gate.comparison_data import ComparisonData, Sentences, data_from_checkpoint, data_from_files
from mtl_export.gate.teacher import ask_teacher
from mtl_runtime.bundle.gate_config import DEFAULTS, precision_of
from mtl_runtime.core.clock import utc_timestamp
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import MtlError
from mtl_runtime.gate.agreement import TaskOutputs
from mtl_runtime.gate.gate_variant import Reference
from mtl_runtime.gate.teacher_comparison import compare_with_teacher, worst_outcome
from mtl_runtime.loading.load import load

__all__ = ["main", "measure_students"]


def measure_students(teacher: Checkpoint, students: Path, files: Sequence[Path], *, title: str) -> CompressionRun:
    """Let each variant of ``students`` answer the sentences of ``files``, and compare with the teacher.

    Args:
        teacher: that they were distilled from.
        students: folder that ``mtl compress`` wrote.
        files: labelled sentences of a test split.
        title: of the data set, in tables.

    Raises:
        MtlError: the folder has no record or is of another teacher, or a file cannot be read.
    """
    found = read_results(StudentsRecord, students / RECORD_NAME)
    if found.teacher != weights_digest(teacher):
        raise MtlError(f"the students in {students} are of another teacher than {teacher.path}; make them again")
    sentences = data_from_files(teacher, files)
    reference = ask_teacher(teacher, ComparisonData(sentences, (), data_from_checkpoint(teacher, "validation")))
    config: Any = teacher.model.encoder.config
    splits = teacher.record.training.splits
    return CompressionRun(
        title=title,
        measured_at=utc_timestamp(),
        machine=machine_facts(),
        made_with=installed_versions(),
        encoder=f"{config.model_type}, {config.num_hidden_layers} layers of {config.hidden_size}",
        training_rows=splits["train"].rows,
        test_sentences=len(sentences.examples),
        found=found,
        tested=tuple(_test(students, found, reference, sentences)),
    )


def _test(students: Path, found: StudentsRecord, reference: Reference, sentences: Sentences) -> Iterator[TestedVariant]:
    teacher = {task.name: TaskOutputs(task, reference.logits[task.name]) for task in reference.tasks}
    for point in found.points:
        classifier = load(students / point.model / "bundle", variant=point.variant)
        logits = classifier.logits(sentences.texts)
        compared = compare_with_teacher(
            sentences.examples,
            teacher,
            {task.name: TaskOutputs(task, logits[task.name]) for task in classifier.specs},
            budget={name: task.budget for name, task in point.tasks.items()},
            tie=DEFAULTS[precision_of(point.variant)].tie,
        )
        yield TestedVariant(
            model=point.model,
            variant=point.variant,
            tasks={name: task_change(one) for name, one in compared.items()},
            loss=worst_loss(compared),
            outcome=worst_outcome([one.outcome for one in compared.values()]),
        )


@click.command()
@click.argument("name")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("students", type=click.Path(path_type=Path))
@click.argument("test", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file (JSON).")
@click.option("--title", help="Of the data set, in tables; default: NAME.")
def main(name: str, checkpoint: Path, students: Path, test: tuple[Path, ...], output: Path, title: str | None) -> None:
    """Test the STUDENTS of CHECKPOINT on the files TEST, and keep the run as NAME in the results file."""
    with study_command():
        run = measure_students(load_checkpoint(checkpoint), students, test, title=title or name)
        before = read_results(CompressionResults, output) if output.is_file() else CompressionResults()
        write_results(CompressionResults(runs={**before.runs, name: run}), output)
    click.echo(f"{name}: {run.found.choice.model}, {run.found.choice.variant}: {run.found.choice.reason}")
    for variant in run.tested:
        click.echo(f"{variant.model}, {variant.variant}: {-variant.loss:+.2f} points on the test split")
