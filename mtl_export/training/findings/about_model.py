"""metrics + history -> findings about a model that is bad, or of which nobody can tell how good it is."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from mtl_export.checkpoint import Evaluation
from mtl_export.config import TaskConfig
from mtl_export.training.loop.selection import is_as_good
from mtl_runtime.bundle.manifest import Kind, TaskSpec
from mtl_runtime.bundle.training_summary import NOTABLE, Finding
from mtl_runtime.core.intervals import accuracy_interval
from mtl_runtime.dataset.confusion import Confusion
from mtl_runtime.dataset.metrics import HEADLINE, TaskMetrics
from mtl_runtime.report.number_format import plural
from mtl_runtime.wording import enumerate_names

__all__ = [
    "no_better_than_constant",
    "still_rising",
    "too_few_rows_to_tell",
    "unpredicted_labels",
    "worse_than_probe",
]

_RISING = 0.01
# A 95 % interval this wide does not tell a good model from a mediocre one.
_WIDE = 0.1
_LEAST_ROWS = 50  # fewer are narrow only where all are right, which a lucky draw is, too
_Z95_ONE_SIDED = 1.6448536269514722
_NEARLY = 0.05  # accuracy above the constant's beyond which a model is not "hardly better"
_LEAST_UNANSWERED = 3  # rows of labels that are never answered: a good model misses one or two
_LEAST_OTHERS = 5  # rows with another label than the constant's: with fewer, chance explains any model

_MORE_ROWS = "label more rows, validate on more of them (holdout = 0.2), or keep some back for mtl evaluate"

_NAMES = {"macro_f1": "macro-F1", "pearson": "Pearson correlation"}


def no_better_than_constant(
    specs: Sequence[TaskSpec],
    tasks: Mapping[str, TaskConfig],
    model: Mapping[str, TaskMetrics],
    majority: Mapping[str, TaskMetrics],
) -> Iterator[Finding]:
    """Tasks that a constant answer does as well, or so nearly as well that chance explains the difference."""
    for spec in specs:
        if spec.name in majority and model[spec.name].rows:
            text = _COMPARE[spec.kind](spec, tasks[spec.name], model[spec.name], majority[spec.name])
            if text is not None:
                yield Finding(problem="no_better_than_majority", task=spec.name, text=text)


def worse_than_probe(
    specs: Sequence[TaskSpec], model: Mapping[str, TaskMetrics], probe: Mapping[str, TaskMetrics]
) -> Iterator[Finding]:
    """Tasks that a linear head on the frozen encoder does better."""
    for spec in specs:
        if spec.name not in probe:
            continue
        metric = HEADLINE[spec.kind]
        ours, theirs = model[spec.name].values[metric], probe[spec.name].values[metric]
        if theirs - ours >= NOTABLE:
            rows = model[spec.name].rows
            advice = "freeze_encoder = true trains such a model"
            if is_as_good(ours, [theirs], rows=rows):
                advice = f"{plural(rows, 'validation row')} cannot tell them apart"
            text = (
                f"task {spec.name} is worse than a linear probe on the frozen encoder: {_NAMES[metric]} {ours:.3f} "
                f"against {theirs:.3f}; {advice}"
            )
            yield Finding(problem="worse_than_probe", task=spec.name, text=text)


def unpredicted_labels(specs: Sequence[TaskSpec], model: Mapping[str, TaskMetrics]) -> Iterator[Finding]:
    """Labels that validation has and the model never gives there."""
    for spec in specs:
        results = zip(spec.labels, model[spec.name].by_label, strict=False)  # a regression has none
        occurring = [(label, result) for label, result in results if result.rows]
        never = sorted((pair for pair in occurring if not pair[1].predicted), key=lambda pair: -pair[1].rows)
        if sum(result.rows for _, result in never) >= _LEAST_UNANSWERED:
            names = enumerate_names([f"{label} ({plural(result.rows, 'row')})" for label, result in never])
            text = (
                f"task {spec.name} never answers {len(never):,} of the {len(occurring):,} labels that validation has: "
                f"{names}"
            )
            yield Finding(problem="unpredicted_labels", task=spec.name, text=text)


def too_few_rows_to_tell(specs: Sequence[TaskSpec], model: Mapping[str, TaskMetrics]) -> Iterator[Finding]:
    """Tasks whose validation rows leave a wide interval around what was measured on them."""
    for spec in specs:
        rows = model[spec.name].rows
        few, width, meaning = rows < _LEAST_ROWS, 0.0, ""
        if spec.kind != "regression":
            accuracy = model[spec.name].values["accuracy"]
            low, high = accuracy_interval(accuracy, rows)
            width = high - low
            meaning = f": an accuracy of {accuracy:.2f} on them means {low:.2f} to {high:.2f} (95 % interval)"
        if few or width > _WIDE:
            tell = "cannot tell" if few or width > 2 * _WIDE else "tell only roughly"
            text = f"task {spec.name}: {plural(rows, 'validation row')} {tell} how good it is{meaning}; {_MORE_ROWS}"
            yield Finding(problem="too_few_validation_rows", task=spec.name, text=text)


def still_rising(specs: Sequence[TaskSpec], history: Sequence[Evaluation]) -> Iterator[Finding]:
    """A score that rose to the very end, while the validation loss fell."""
    history = [evaluation for evaluation in history if evaluation.step > 0]
    if len(history) < 2:
        return
    scores = [_score(specs, evaluation) for evaluation in history]
    losses = [sum(evaluation.validation_loss.values()) for evaluation in history[-2:]]
    rises = scores[-1] == max(scores) and scores[-1] - scores[-2] >= _RISING
    if rises and losses[1] <= losses[0]:
        text = (
            f"the validation score was still rising at the last evaluation: {scores[-2]:.3f} at step "
            f"{history[-2].step:,}, {scores[-1]:.3f} at step {history[-1].step:,}; more epochs are likely to help"
        )
        yield Finding(problem="still_rising", text=text)


def _score(specs: Sequence[TaskSpec], evaluation: Evaluation) -> float:
    values = [evaluation.metrics[spec.name][HEADLINE[spec.kind]] for spec in specs if spec.name in evaluation.metrics]
    return float(np.mean(values)) if values else 0.0


def _compare_labels(spec: TaskSpec, task: TaskConfig, model: TaskMetrics, constant: TaskMetrics) -> str | None:
    ours, theirs = model.values, constant.values
    confusions = model.confusion, constant.confusion
    if confusions[0] is None or confusions[1] is None:
        raise ValueError(f"metrics of task {spec.name} lack the counts of a single_label task")
    answer = confusions[1].predicted[0]  # the only one
    figures = (
        f"always answering {spec.labels[answer]}: accuracy {ours['accuracy']:.3f} against {theirs['accuracy']:.3f}, "
        f"macro-F1 {ours['macro_f1']:.3f} against {theirs['macro_f1']:.3f} on {plural(model.rows, 'validation row')}"
    )
    if task.class_weights is not None:
        # Class weights give up right answers on the frequent label for the rare ones.
        return f"task {spec.name} is no better than {figures}" if ours["macro_f1"] <= theirs["macro_f1"] else None
    if ours["accuracy"] <= theirs["accuracy"]:
        return f"task {spec.name} is right no more often than by {figures}"
    if ours["accuracy"] - theirs["accuracy"] < _NEARLY and _chance_explains(confusions[0], answer):
        return f"task {spec.name} is hardly better than {figures}"
    return None


def _chance_explains(confusion: Confusion, answer: int) -> bool:
    """Whether rows that the model alone gets right are not clearly more than those that the constant alone does.

    The one-sided test of Q. McNemar, Psychometrika 12 (1947) 153-157, with Edwards' correction for continuity. False
    where validation has too few rows with another label for any model to pass it.
    """
    of_answer = [pair for pair in confusion.pairs if pair.true == answer]
    rows_of_answer = sum(pair.rows for pair in of_answer)
    if confusion.rows - rows_of_answer < _LEAST_OTHERS:
        return False
    model_alone = sum(pair.rows for pair in confusion.pairs if pair.true == pair.predicted != answer)
    constant_alone = sum(pair.rows for pair in of_answer if pair.predicted != answer)
    return model_alone - constant_alone - 1 < _Z95_ONE_SIDED * math.sqrt(model_alone + constant_alone)


def _compare_label_sets(spec: TaskSpec, _task: TaskConfig, model: TaskMetrics, constant: TaskMetrics) -> str | None:
    ours, theirs = model.values["macro_f1"], constant.values["macro_f1"]
    if ours > theirs:
        return None
    return (
        f"task {spec.name} is no better than always answering every label: macro-F1 {ours:.3f} against "
        f"{theirs:.3f} on {plural(model.rows, 'validation row')}"
    )


def _compare_numbers(spec: TaskSpec, _task: TaskConfig, model: TaskMetrics, constant: TaskMetrics) -> str | None:
    ours, theirs = model.values, constant.values
    if ours["mse"] < theirs["mse"]:
        return None
    return (
        f"task {spec.name} is no better than always answering the mean: mean squared error {ours['mse']:.4g} "
        f"against {theirs['mse']:.4g}, mean absolute error {ours['mae']:.4g} against {theirs['mae']:.4g} on "
        f"{plural(model.rows, 'validation row')}"
    )


# What a model and a constant answer reached -> a sentence where the model is no better.
_COMPARE: Mapping[Kind, Callable[[TaskSpec, TaskConfig, TaskMetrics, TaskMetrics], str | None]] = {
    "single_label": _compare_labels,
    "multi_label": _compare_label_sets,
    "regression": _compare_numbers,
}
