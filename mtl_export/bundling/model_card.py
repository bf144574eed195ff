"""checkpoint record -> MODEL_CARD.md: what the model answers, what it learnt from, how well it did."""

from collections.abc import Iterator

from mtl_export.bundling.summarize_distillation import summarize_distillation
from mtl_export.bundling.summarize_training import summarize_training
from mtl_export.checkpoint import CheckpointRecord
from mtl_runtime.bundle.distillation_summary import DistillationSummary
from mtl_runtime.bundle.training_summary import TrainingSummary
from mtl_runtime.report.markdown import code, plain
from mtl_runtime.report.number_format import shares

__all__ = ["model_card"]


def model_card(record: CheckpointRecord) -> str:
    """Markdown; a function of the checkpoint alone, so that equal checkpoints give equal bundles."""
    encoder, training = record.model.encoder, record.training
    lines = [
        "# Model card",
        "",
        f"One {plain(encoder.family)} encoder (from {code(encoder.source)}), {encoder.pooling} pooling, "
        f"{len(record.model.tasks)} task heads, one ONNX graph. Texts are read up to {encoder.max_length} tokens.",
        "",
        *_distillation(summarize_distillation(training)),
        *_quality(summarize_training(training)),
        "## Tasks",
        "",
        "| task | kind | head | labels |",
        "|---|---|---|---|",
        *_task_rows(record),
        "",
        "## Validation",
        "",
        f"Measured in training (step {training.best_step} of {training.steps}) on the validation split, with PyTorch.",
        "",
        "| task | labelled rows | metrics |",
        "|---|--:|---|",
        *_metric_rows(record),
        "",
        "## Training data",
        "",
        "| file | bytes | SHA-256 |",
        "|---|--:|---|",
        *(f"| {code(name)} | {spec.bytes} | `{spec.sha256}` |" for name, spec in training.files.items()),
        "",
        f"Rows left out by the config: {len(training.skipped_rows)}.",
        "",
        "## Use",
        "",
        "```python",
        "from mtl_runtime import load",
        "",
        'classifier = load("this-folder")',
        f'print(classifier("A sentence.")["{record.model.tasks[0].name}"])',
        "```",
    ]
    return "\n".join(lines) + "\n"


def _distillation(summary: DistillationSummary | None) -> Iterator[str]:
    if summary is None:
        return
    yield from ("## Distilled", "", f"From the weights with SHA-256 `{summary.teacher}`: {summary.method}.", "")
    if summary.changes:
        yield from ("Change from the teacher on the validation rows, with PyTorch:", "")
        for task, changes in summary.changes.items():
            yield f"- {task}: {', '.join(f'{metric} {change:+.4f}' for metric, change in changes.items())}"
        yield ""


def _quality(summary: TrainingSummary) -> Iterator[str]:
    yield from ("## Is the model good?", "")
    if summary.findings:
        yield from (*(f"- **{plain(finding.text)}**" for finding in summary.findings), "")
    yield from (
        "Validation rows of training. Majority: always the most frequent answer of training, or its mean. Probe:",
        "linear heads on the frozen encoder. That a variant is verified means that it answers as PyTorch does, not",
        "that the answers are right.",
        "",
        "| task | metric | this model | 95 % interval | rows | probe | majority | this model is |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    )
    for name, scores in summary.validation.items():
        for metric in scores.tabulated_metrics:
            sides = (scores.model, scores.probe, scores.majority)
            model, probe, majority = (f"{side[metric]:.3f}" if metric in side else "" for side in sides)
            bounds = scores.intervals.get(metric)
            cells = (name, metric, model, shares(*bounds) if bounds else "", str(scores.rows), probe, majority)
            yield f"| {' | '.join(cells)} | {scores.comparison} |"
    yield ""


def _task_rows(record: CheckpointRecord) -> Iterator[str]:
    for task in record.model.tasks:
        labels = ", ".join(plain(label) for label in task.labels) or "a number"
        yield f"| {task.name} | {task.kind} | {record.model.heads[task.name].kind} | {labels} |"


def _metric_rows(record: CheckpointRecord) -> Iterator[str]:
    for name, metrics in record.training.validation.items():
        values = ", ".join(f"{key} {value:.4f}" for key, value in metrics.values.items())
        yield f"| {name} | {metrics.rows} | {values} |"
