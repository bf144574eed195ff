"""CheckpointRecord -> tables of the run: its settings, and the rows and files that it read."""

from collections.abc import Iterator, Sequence

from mtl_export.checkpoint import CheckpointRecord, TrainingPlan, TrainingRecord
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Markup, join, table, tag

__all__ = ["data_tables", "settings_table"]

_SETTINGS = {
    "epochs": "epochs",
    "batch_size": "batch size",
    "encoder_learning_rate": "learning rate of the encoder",
    "head_learning_rate": "learning rate of the heads",
    "warmup": "share of the steps in which the learning rates rise",
    "contrastive_weight": "weight of the contrastive loss",
    "precision": "precision",
}
_DERIVED = {"steps": "optimizer steps", "evaluation_epochs": "epochs from one evaluation to the next"}
_LISTED_ROWS = 20


def settings_table(record: CheckpointRecord) -> Markup:
    """Make the table of settings: what "auto" was taken to be, and what the config says."""
    config, plan = record.training.config.training, record.training.plan
    rows = [
        (name, _format(getattr(config if plan is None else plan, key)), _origin(getattr(config, key)))
        for key, name in _SETTINGS.items()
    ]
    if plan is not None:
        rows += [(name, _format(getattr(plan, key)), "follows from the rows") for key, name in _DERIVED.items()]
    return table(_caption(plan), ("setting", "value", "from"), rows, words=(2,))


def _caption(plan: TrainingPlan | None) -> str:
    return "Settings of the run" if plan is not None else "Settings as the config says"


def _origin(value: object) -> str:
    return "auto: taken by the amount of data and this machine" if value == "auto" else "config, or its default"


def _format(value: object) -> str:
    if isinstance(value, int):
        return number_format.count(value)
    return number_format.small(value) if isinstance(value, float) else str(value)


def data_tables(training: TrainingRecord, trained: Sequence[TaskSpec]) -> Markup:
    """Make the tables of rows by split, of data files, and of rows that were left out."""
    return join(_splits(training, trained), _files(training), _skipped(training))


def _splits(training: TrainingRecord, trained: Sequence[TaskSpec]) -> Markup:
    if not training.splits:
        return Markup()
    rows = [
        (split, *map(number_format.count, [counts.rows, *(counts.labelled[task.name] for task in trained)]))
        for split, counts in training.splits.items()
    ]
    return table("Rows by split", ("split", "rows", *(f"with {task.name}" for task in trained)), rows)


def _files(training: TrainingRecord) -> Markup:
    rows = [(name, number_format.count(file.bytes), tag("code", file.sha256)) for name, file in training.files.items()]
    return table("Data files, relative to the checkpoint", ("file", "bytes", "SHA-256"), rows, words=(2,))


def _skipped(training: TrainingRecord) -> Markup:
    if not training.skipped_rows:
        return tag("p", "No row was left out.", class_="quiet")
    rest = f", of which the first {_LISTED_ROWS} are shown" if len(training.skipped_rows) > _LISTED_ROWS else ""
    caption = f"{number_format.plural(len(training.skipped_rows), 'row')} left out{rest}"
    return table(caption, ("file", "line", "reason"), list(_skipped_rows(training)), words=(2,))


def _skipped_rows(training: TrainingRecord) -> Iterator[tuple[str, str, str]]:
    for row in training.skipped_rows[:_LISTED_ROWS]:
        yield row.path, number_format.count(row.line), row.reason
