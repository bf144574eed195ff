"""The commands ``mtl train`` and ``mtl export``: options -> one library call -> its result as tables or JSON."""

import atexit
import gc
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from mtl_export.config import Config, read_gate
from mtl_export.console_log import log_to_console
from mtl_export.preflight import check_config_file, check_export, check_training
from mtl_export.variant_names import AUTO
from mtl_runtime.cli.options import column_option, json_option
from mtl_runtime.cli.output.evidence_table import print_evidence
from mtl_runtime.cli.output.model_quality_table import BASELINES, print_model_quality
from mtl_runtime.cli.output.teacher_table import print_teacher_comparison
from mtl_runtime.cli.stages import stages
from mtl_runtime.cli.terminal import print_json, print_line, print_table
from mtl_runtime.core import records
from mtl_runtime.core.intervals import accuracy_interval
from mtl_runtime.core.work import StageSeconds
from mtl_runtime.report.comparison import METRICS

if TYPE_CHECKING:
    from mtl_export.checkpoint import CheckpointRecord
    from mtl_runtime.bundle.bundle import Bundle
    from mtl_runtime.bundle.manifest import TaskSpec
    from mtl_runtime.dataset.confusion import Confusion
    from mtl_runtime.dataset.metrics import TaskMetrics

__all__ = ["LOADING", "export", "leave_garbage_at_exit", "let_threads_sleep", "quiet_transformers", "train"]

_log = logging.getLogger(__name__)

LOADING = "loading torch and transformers, which takes a few seconds"
_MOST_LABELS_IN_MATRIX = 12
_LISTED_CONFUSIONS = 15
_LISTED_SECONDS = 1.0


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the checkpoint.")
@click.option(
    "--from",
    "base",
    type=click.Path(path_type=Path),
    help="Checkpoint to start from: add a task to it, or tune one of its heads.",
)
@click.option("--resume", is_flag=True, help="Continue the unfinished run of this output; else start one.")
@click.option("--force", is_flag=True, help="Replace the output, and discard an unfinished run.")
@json_option()
def train(config: Path, output: Path, base: Path | None, resume: bool, force: bool, as_json: bool) -> None:
    """Train the tasks of CONFIG (TOML) and write a checkpoint."""
    check_config_file(config)
    parsed = Config.from_toml(config)
    check_training(parsed, output, base=base, resume=resume, force=force)
    let_threads_sleep()
    leave_garbage_at_exit()
    with log_to_console(Console(stderr=True)) as bar:
        _log.info(LOADING)
        from mtl_export.training import train as run

        quiet_transformers()
        checkpoint = run(parsed, output, base=base, resume=resume, force=force, console=bar)
    if as_json:
        print_json(records.to_dict(checkpoint.record.training))
        return
    _print_training(checkpoint.record)
    print_line(f"checkpoint written to {checkpoint.path}; how it was trained: {checkpoint.path / 'training.html'}")


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the bundle.")
@click.option(
    "--variants",
    default="auto",
    show_default=True,
    help="Names, separated by commas; auto: what this machine and others like it need. For more: auto,cuda-fp16.",
)
@click.option(
    "--data",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Sentences to compare with PyTorch on (default: the validation files of training). Repeatable.",
)
@click.option(
    "--calibration",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Sentences that set the scales of int8 (default: the training files). Repeatable.",
)
@column_option("--data and --calibration")
@click.option("--gate", type=click.Path(path_type=Path), help="TOML file whose [gate] replaces the checkpoint's.")
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    help="Checkpoint of the teacher, if CHECKPOINT was distilled from one: the evidence says what each variant loses.",
)
@click.option("--force", is_flag=True, help="Replace the output.")
@json_option()
def export(
    checkpoint: Path,
    output: Path,
    variants: str,
    data: tuple[Path, ...],
    calibration: tuple[Path, ...],
    column: str | None,
    gate: Path | None,
    reference: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Export CHECKPOINT to a bundle, and compare it with PyTorch before it is let out."""
    names = [name.strip() for name in variants.split(",") if name.strip()]
    check_export(checkpoint, output, variants=names, data=(*data, *calibration), reference=reference, force=force)
    budgets = read_gate(gate) if gate else None
    let_threads_sleep()
    leave_garbage_at_exit()
    with stages() as clock:
        _log.info(LOADING)
        from mtl_export.bundling.export_bundle import export_bundle
        from mtl_runtime.gate.openvino_advice import advise_openvino

        quiet_transformers()
        exported = export_bundle(
            checkpoint,
            output,
            variants=names,
            data=data,
            calibration=calibration,
            column=column,
            gate=budgets,
            reference=reference,
            force=force,
        )
        advice = advise_openvino(exported.bundle) if AUTO in names else None
        seconds = clock.stages()
    if as_json:
        print_json(
            {
                **records.to_dict(exported.evidence),
                "stages": [records.to_dict(stage) for stage in seconds],
                "advice": advice,
            }
        )
        return
    print_model_quality(exported.evidence.training)
    print_evidence(exported.evidence)
    print_teacher_comparison(exported.evidence)
    _print_sizes(exported.bundle)
    _print_stages(seconds)
    if advice is not None:
        print_line(advice)
    print_line(f"bundle written to {exported.bundle.path}; what was measured: {exported.page}")


def _print_sizes(bundle: "Bundle") -> None:
    """Print what each variant's graph adds to the bundle; a graph that variants share counts once."""
    files, users = bundle.manifest.files, bundle.manifest.variants.items()
    graphs = dict.fromkeys(spec.graph for _, spec in users)
    rows = [
        (
            ", ".join(name for name, spec in users if spec.graph == graph),
            graph,
            _megabytes(sum(file.bytes for name, file in files.items() if name.startswith(graph))),
        )
        for graph in graphs
    ]
    print_table(
        f"Size of the bundle: {_megabytes(sum(file.bytes for file in files.values()))}",
        ("variants", "graph", "size"),
        rows,
    )


def _print_stages(stages: Sequence[StageSeconds]) -> None:
    """Print how long each stage took; those of less than a second are summed up."""
    long = [stage for stage in stages if stage.seconds >= _LISTED_SECONDS]
    rows = [(stage.stage, f"{stage.seconds:,.1f}", f"{stage.cpu_seconds:,.1f}") for stage in long]
    rest = [stage for stage in stages if stage not in long]
    if rest:
        seconds, cpu_seconds = (sum(values) for values in zip(*((s.seconds, s.cpu_seconds) for s in rest), strict=True))
        rows.append((f"{len(rest)} shorter stages", f"{seconds:,.1f}", f"{cpu_seconds:,.1f}"))
    total = sum(stage.seconds for stage in stages)
    print_table(f"Where the time went: {total:,.0f} s", ("stage", "seconds", "CPU seconds"), rows)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _print_training(record: "CheckpointRecord") -> None:
    """Print the metrics of the best weights on the validation split, and what is confused."""
    training = record.training
    rows = []
    for name, metrics in training.validation.items():
        for metric, value in metrics.values.items():
            ends = accuracy_interval(value, metrics.rows) if metric == "accuracy" else ()
            model, probe, majority = (
                _format_metric(side, name, metric) for side in (training.validation, training.probe, training.majority)
            )
            interval = " to ".join(f"{end:.4f}" for end in ends)
            rows.append((name, METRICS[metric][0], metrics.rows, model, interval, probe, majority))
    title = f"Validation (step {training.best_step} of {training.steps})"
    print_table(title, ("task", "metric", "rows", "this model", "95 % interval", "probe", "majority"), rows)
    print_line(BASELINES)
    print_line("")
    for task in record.model.tasks:
        if task.name in training.validation and (confusion := training.validation[task.name].confusion):
            print_table(*(_matrix if task.width <= _MOST_LABELS_IN_MATRIX else _most_confused)(task, confusion))


_Table = tuple[str, Sequence[str], Sequence[Sequence[object]]]  # title, columns, rows


def _matrix(task: "TaskSpec", confusion: "Confusion") -> _Table:
    counts = [(name, *row) for name, row in zip(task.labels, confusion.to_matrix().tolist(), strict=True)]
    return f"{task.name}: true label down, predicted label across", ("", *task.labels), counts


def _most_confused(task: "TaskSpec", confusion: "Confusion") -> _Table:
    """The wrong answers that occur most often: a matrix of many labels is wider than a terminal."""
    pairs, of_label = confusion.most_confused(), confusion.rows_by_label
    shown = pairs[:_LISTED_CONFUSIONS]
    rows = [(task.labels[pair.true], task.labels[pair.predicted], pair.rows, of_label[pair.true]) for pair in shown]
    title = f"{task.name}: most frequent confusions, {len(shown)} of {len(pairs):,} pairs of {task.width:,} labels"
    return title, ("true label", "predicted", "rows", "of the label's rows"), rows


def _format_metric(side: "Mapping[str, TaskMetrics]", task: str, metric: str) -> str:
    return f"{side[task].values[metric]:.4f}" if task in side and metric in side[task].values else ""


def let_threads_sleep() -> None:
    """Let torch's threads sleep while they wait for work, unless the user says otherwise.

    By default they spin, and next to another busy program each step waits for threads that spin without a core. OpenMP
    reads the variable when torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def leave_garbage_at_exit() -> None:
    """Let the interpreter end without a last search for unreachable objects.

    Among the objects of torch and transformers it takes seconds, after the last line is printed; the memory goes back
    to the system without it. Files are closed and flushed, and exit handlers run, as ever.
    """
    atexit.register(gc.freeze)


def quiet_transformers() -> None:
    """Hide the log and the progress bars of transformers."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
