"""bundle + labelled file -> EvaluationReport: the answers of one variant, compared with the labels."""

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.majority import majority_logits
from mtl_runtime.dataset.metrics import TaskMetrics, task_metrics
from mtl_runtime.dataset.targets import Targets, encode_labels
from mtl_runtime.evaluation.answer_file import AnsweredFile, answer_file
from mtl_runtime.evaluation.confident_answers import confident_answers
from mtl_runtime.evaluation.evaluation_report import (
    ConfidentAnswers,
    ConfusedLabels,
    EvaluationReport,
    LabelScores,
    Score,
    TaskEvaluation,
)
from mtl_runtime.evaluation.metric_intervals import metric_intervals
from mtl_runtime.evaluation.wrong_answers import wrong_answers
from mtl_runtime.inference.decode import compute_probabilities

__all__ = ["evaluate", "evaluate_answers"]


def evaluate(
    path: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    text: str | None = None,
    variant: str | None = None,
    threads: int | None = None,
) -> EvaluationReport:
    """Measure how good a bundle is on labelled rows, best on some that training never saw.

    Args:
        path: folder of the bundle.
        data: csv, tsv, jsonl or parquet with the texts and a column for each task; a missing label does not count.
        text: column of the texts; default: as in training, if ``data`` has such a column, else "text".
        variant: that answers; default: the one that ``load`` takes.
        threads: as in :func:`mtl_runtime.load`.

    Raises:
        TableError: ``data`` cannot be read, has a bad row, or no row has a label.
        BundleError, IntegrityError, UnknownVariantError, ProviderError: as :func:`mtl_runtime.load`.
    """
    return evaluate_answers(answer_file(path, data, text=text, variant=variant, threads=threads))


def evaluate_answers(answered: AnsweredFile) -> EvaluationReport:
    """Measure answers that are there already."""
    return EvaluationReport(
        bundle=str(answered.bundle.path),
        digest=answered.bundle.digest,
        file=str(answered.file),
        rows=len(answered.examples),
        variant=answered.variant,
        tasks={
            task.name: _evaluate_task(task, answered.examples, answered.logits[task.name])
            for task in answered.tasks
            if task.name in answered.columns
        },
    )


def _evaluate_task(task: TaskSpec, examples: Sequence[Example], logits: NDArray[np.float32]) -> TaskEvaluation:
    rows = [row for row, example in enumerate(examples) if task.name in example.labels]
    if not rows:
        return TaskEvaluation(kind=task.kind, rows=0, scores={})
    labelled, logits = [examples[row] for row in rows], logits[rows]
    targets = encode_labels(task, [example.labels[task.name] for example in labelled])
    measured = task_metrics(task, targets, logits)
    return TaskEvaluation(
        kind=task.kind,
        rows=len(rows),
        scores=_scores(task, targets, logits, measured),
        labels=_label_scores(task, measured),
        confusions=_confusions(task, measured),
        confident=_confident(task, targets, logits),
        wrong=wrong_answers(task, labelled, targets, logits),
    )


def _scores(task: TaskSpec, targets: Targets, logits: NDArray[np.float32], measured: TaskMetrics) -> dict[str, Score]:
    neutral = replace(task, standardization=None, thresholds=(0.5,) * len(task.thresholds))
    constant = np.tile(majority_logits(neutral, targets), (len(targets), 1))
    majority = task_metrics(neutral, targets, constant).values
    intervals = metric_intervals(task, targets, logits, measured)
    return {
        name: Score(
            value=value,
            low=intervals[name][0] if name in intervals else None,
            high=intervals[name][1] if name in intervals else None,
            majority=majority[name],
        )
        for name, value in measured.values.items()
    }


def _label_scores(task: TaskSpec, measured: TaskMetrics) -> tuple[LabelScores, ...]:
    return tuple(
        LabelScores(
            label=label,
            rows=result.rows,
            precision=result.correct / result.predicted if result.predicted else None,
            recall=result.correct / result.rows if result.rows else None,
        )
        for label, result in zip(task.labels, measured.by_label, strict=True)
    )


def _confusions(task: TaskSpec, measured: TaskMetrics) -> tuple[ConfusedLabels, ...]:
    pairs = measured.confusion.most_confused() if measured.confusion is not None else []
    return tuple(
        ConfusedLabels(truth=task.labels[pair.true], answer=task.labels[pair.predicted], rows=pair.rows)
        for pair in pairs
    )


def _confident(task: TaskSpec, targets: Targets, logits: NDArray[np.float32]) -> tuple[ConfidentAnswers, ...]:
    """Of a single_label task: elsewhere no one probability says how sure an answer is."""
    if task.kind != "single_label":
        return ()
    return confident_answers(logits.argmax(axis=1) == targets, compute_probabilities(task, logits).max(axis=1))
