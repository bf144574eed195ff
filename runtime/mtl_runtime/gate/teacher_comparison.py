"""a student's answers + its teacher's -> TeacherComparison by task: what differs, what was lost, and how sure that is.

A student changes answers for better and for worse, so that agreement alone does not say what it costs. Metrics of both
are compared on the same rows, with the interval of the paired bootstrap: resampled rows count for both alike.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import Kind, TaskSpec
from mtl_runtime.core.intervals import share_bound, trials_needed
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.metrics import pearson
from mtl_runtime.dataset.resampling import resample_metrics
from mtl_runtime.dataset.targets import Targets, has_label
from mtl_runtime.evidence.schema import BUDGETED, BudgetOutcome, MetricChange, TaskEvidence, TeacherComparison
from mtl_runtime.gate.agreement import TaskOutputs, measure_agreement
from mtl_runtime.gate.calibration import encode_targets

__all__ = ["compare_with_teacher", "fewest_sentences", "worst_outcome"]

ERROR = 0.05
_ENDS = (2.5, 97.5)  # percentiles
# Intervals of the bootstrap are too narrow where there are few values to draw from.
_FEWEST_NUMBERS = 100
_MOST_SENTENCES = 1_000_000  # that somebody may have labelled
_GRAVITY: Sequence[BudgetOutcome] = ("certain", "uncertain", "exceeded")


def compare_with_teacher(
    examples: Sequence[Example],
    teacher: Mapping[str, TaskOutputs],
    student: Mapping[str, TaskOutputs],
    *,
    budget: Mapping[str, float],
    tie: float,
) -> dict[str, TeacherComparison]:
    """Compare the answers to the same N sentences, by task.

    Args:
        examples: the sentences, with the labels that they have.
        teacher: its logits (N, width) by task, with its own temperatures and thresholds.
        student: likewise.
        budget: points of 100 that each task's metrics may lose.
        tie: as in :func:`mtl_runtime.gate.agreement.measure_agreement`.

    Raises:
        NonFiniteError: the teacher's logits hold NaN or infinity.
    """
    texts, decided = (
        [example.text for example in examples],
        sum(side.task.kind != "regression" for side in student.values()),
    )
    comparisons = {}
    for name, after in student.items():
        targets = encode_targets(after.task, examples)
        answers = measure_agreement(texts, teacher[name], after, targets, tie=tie)
        changes, f1_changes = _changes(after.task, targets, teacher[name].at_thresholds, after.at_thresholds, answers)
        judged = changes.keys() & BUDGETED[answers.kind]
        unlabelled = None if judged else _difference(teacher[name], after, answers)
        comparisons[name] = _judge(answers, changes, f1_changes, unlabelled, budget=budget[name], tasks=max(1, decided))
    return comparisons


def fewest_sentences(budget: float, tasks: int, *, kind: Kind = "single_label") -> int | None:
    """Sentences without which no student can be certain to hold a budget, even if it never answers otherwise.

    None: no number of them suffices, because the budget is 0.

    Where at most a share of the answers differs, accuracy is at most that share lower. The error is divided among the
    tasks (C. E. Bonferroni, 1936). Of a regression no answers are counted; below 100 values the interval of its
    correlation is not relied on.

    Args:
        budget: points of 100.
        tasks: that decide and are judged together; regressions are none of them.
        kind: of the task.
    """
    if kind == "regression":
        return _FEWEST_NUMBERS
    if budget <= 0:
        return None
    return trials_needed(budget / 100, error=ERROR / tasks) if budget < 100 else 1


def worst_outcome(outcomes: Sequence[BudgetOutcome]) -> BudgetOutcome:
    """The gravest of several outcomes."""
    return max(outcomes, key=_GRAVITY.index, default="certain")


def _changes(
    task: TaskSpec, targets: Targets | None, before: TaskOutputs, after: TaskOutputs, answers: TaskEvidence
) -> tuple[dict[str, MetricChange], dict[str, MetricChange]]:
    """By metric, and by label."""
    labelled = has_label(targets) if targets is not None else np.zeros(0, np.bool_)
    if targets is None or not labelled.any():
        return {}, {}
    finite = np.where(np.isfinite(after.logits), after.logits, 0.0).astype(np.float32)
    sides = [(before.task, before.logits[labelled]), (after.task, finite[labelled])]
    old, new = resample_metrics(targets[labelled], sides)
    # Nothing correlates with labels that are all the same, right or wrong.
    undefined = {"pearson"} if task.kind == "regression" and np.ptp(targets[labelled]) == 0 else set()
    changes = {
        name: _change(value - answers.reference_metrics[name], new.values[name] - old.values[name])
        for name, value in answers.metrics.items()
        if name not in undefined
    }
    zero = [np.nan_to_num(side.f1) for side in (old, new)]  # a label that is neither given nor there is not missed
    f1_changes = {
        label: _change(
            answers.f1_by_label.get(label, 0.0) - answers.reference_f1_by_label.get(label, 0.0),
            zero[1][:, index] - zero[0][:, index],
        )
        for index, label in enumerate(task.labels)
        if label in answers.f1_by_label or label in answers.reference_f1_by_label
    }
    return changes, f1_changes


def _difference(before: TaskOutputs, after: TaskOutputs, answers: TaskEvidence) -> float:
    """Without labels, points by which the student differs from the teacher: other answers, or missing correlation."""
    if answers.kind != "regression":
        return 100 * (1 - answers.agreement)
    finite = np.where(np.isfinite(after.logits), after.logits, 0.0)
    correlation = pearson(before.logits[:, 0], finite[:, 0])
    return 100 * (1 - correlation)


def _change(change: float, resampled: NDArray[np.float64]) -> MetricChange:
    low, high = np.percentile(resampled, _ENDS)
    return MetricChange(change=change, low=min(float(low), change), high=max(float(high), change))


def _judge(
    answers: TaskEvidence,
    changes: Mapping[str, MetricChange],
    f1_changes: Mapping[str, MetricChange],
    unlabelled: float | None,
    *,
    budget: float,
    tasks: int,
) -> TeacherComparison:
    decides = answers.kind != "regression"
    bound = share_bound(answers.flips, answers.sentences, error=ERROR / tasks) if decides else 0.0
    # Where so few answers differ, accuracy cannot have lost more, whatever the labels are. It is that of the labelled
    # sentences, which may be of another kind than the others: at worst all that differ are among them. Of several
    # labels, accuracy is measured at thresholds that have not seen the sentence, and answers at the final ones.
    counted = answers.labelled or answers.sentences
    proven = decides and share_bound(min(answers.flips, counted), counted, error=ERROR / tasks) <= budget / 100
    least = fewest_sentences(budget, tasks, kind=answers.kind)
    enough = least is not None and answers.labelled >= least
    judged = {name: changes[name] for name in BUDGETED[answers.kind] if name in changes}
    outcomes = {
        name: "certain"
        if proven and name == "accuracy" and answers.kind == "single_label"
        else _judge_change(change, answers, budget=budget, enough=enough)
        for name, change in judged.items()
    } or {"agreement": _judge_difference(unlabelled or 0.0, answers, budget=budget, proven=proven)}
    outcome = worst_outcome(list(outcomes.values()))
    needed = [
        _sentences_needed(judged[name], budget, answers.labelled)
        for name, value in outcomes.items()
        if value == "uncertain" and name in judged
    ]
    known = [count for count in needed if count is not None]
    return TeacherComparison(
        answers=answers,
        changes=changes,
        f1_changes=f1_changes,
        differing_bound=bound,
        budget=budget,
        outcome=outcome,
        sentences_needed=max([least, *known])
        if least and outcome == "uncertain" and known == needed and judged
        else None,
        unlabelled_difference=unlabelled,
    )


def _judge_change(change: MetricChange, answers: TaskEvidence, *, budget: float, enough: bool) -> BudgetOutcome:
    # Where few answers differ, resamples say too little: without a single one, they all agree, however few there are.
    if enough and 100 * change.low >= -budget:
        return "certain"
    # A single changed answer says nothing about a metric: on 40 rows it moves macro-F1 by more than a sensible budget.
    if 100 * change.change < -budget and (answers.kind == "regression" or answers.flips > 1):
        return "exceeded"
    return "uncertain"


def _judge_difference(difference: float, answers: TaskEvidence, *, budget: float, proven: bool) -> BudgetOutcome:
    """Without labels nothing says which of two answers is right, so each that differs counts as a loss."""
    if proven:
        return "certain"
    return "exceeded" if difference > budget and (answers.kind == "regression" or answers.flips > 1) else "uncertain"


def _sentences_needed(change: MetricChange, budget: float, sentences: int) -> int | None:
    """With so many the interval's lower end would hold the budget: its width falls with the root of their number.

    Two digits of it are known at best. None where the change is so close to the budget that nobody has so many.
    """
    room = change.change + budget / 100
    if room <= 0:
        return None
    needed = math.ceil(sentences * ((change.change - change.low) / room) ** 2)
    unit = int(10 ** max(0, len(str(needed)) - 2))
    return -(-needed // unit) * unit if needed <= _MOST_SENTENCES else None
