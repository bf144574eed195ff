"""Two models' logits to evidence, and evidence to a verdict."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mtl_runtime.bundle.gate_config import DEFAULTS, GateBudget, GateConfig, GateLimits, PrecisionBudget, limits_for
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.core import records
from mtl_runtime.core.intervals import wilson_interval
from mtl_runtime.dataset.targets import encode_labels
from mtl_runtime.errors import NonFiniteError, RecordError
from mtl_runtime.gate.agreement import TaskOutputs, measure_agreement
from mtl_runtime.gate.budget_checks import task_problems
from mtl_runtime.inference.decode import decode

TONE = TaskSpec(name="tone", kind="single_label", labels=("a", "b", "c"))
TAGS = TaskSpec(name="tags", kind="multi_label", labels=("x", "y"), thresholds=(0.5, 0.5))
STARS = TaskSpec(name="stars", kind="regression")
LOOSE = GateLimits(
    max_logit_difference=1e9, min_agreement=0.0, max_regression_error=1e9, max_metric_drop=100.0, tie=0.0
)
STRICT = DEFAULTS["fp32"]


def f32(*rows):
    return np.array(rows, np.float32)


def texts(rows):
    return [f"text {row}" for row in range(len(rows))]


def compared(task, reference, candidate, labels=None, *, tie=0.0):
    targets = None if labels is None else encode_labels(task, labels)
    return measure_agreement(
        texts(reference), TaskOutputs(task, reference), TaskOutputs(task, candidate), targets, tie=tie
    )


def judge(task, evidence, limits, precision="fp32"):
    return dataclasses.replace(evidence, problems=task_problems(task, evidence, limits, precision=precision))


def test_equal_logits_agree_in_everything():
    logits = f32([1, 2, 3], [5, 4, 1])
    evidence = compared(TONE, logits, logits.copy())
    assert (evidence.sentences, evidence.agreement, evidence.flips, evidence.flipped) == (2, 1.0, 0, ())
    assert (evidence.max_logit_difference, evidence.mean_logit_difference) == (0.0, 0.0)
    assert (evidence.max_probability_difference, evidence.mean_probability_difference) == (0.0, 0.0)
    assert (evidence.agreement_low, evidence.agreement_high) == wilson_interval(2, 2)
    assert judge(TONE, evidence, STRICT).problems == ()


def test_a_flip_is_listed_with_both_answers_and_the_references_margin():
    reference, candidate = f32([1, 2, 0], [3, 0, 0], [0, 0, 9]), f32([2, 1, 0], [3, 0, 0], [0, 0, 9])
    evidence = compared(TONE, reference, candidate, tie=1.0)
    assert (evidence.flips, evidence.agreement) == (1, pytest.approx(2 / 3))
    (flip,) = evidence.flipped
    assert (flip.text, flip.reference, flip.candidate, flip.margin, flip.tie) == ("text 0", "b", "a", 1.0, True)


def test_logit_and_probability_differences_are_largest_and_mean_over_all_cells():
    reference, candidate = f32([0, 0], [2, 0]), f32([0.5, 0], [2, -1])
    evidence = compared(TaskSpec(name="t", kind="single_label", labels=("a", "b")), reference, candidate)
    assert evidence.max_logit_difference == 1.0
    assert evidence.mean_logit_difference == pytest.approx(1.5 / 4)
    first = 1 / (1 + math.exp(-0.5)) - 0.5
    second = 1 / (1 + math.exp(-3)) - 1 / (1 + math.exp(-2))
    assert evidence.max_probability_difference == pytest.approx(max(first, second))
    assert evidence.mean_probability_difference == pytest.approx((first + second) / 2)


def test_flips_come_with_the_widest_margin_first_and_at_most_fifty_of_them():
    margins = np.arange(1, 61, dtype=np.float32)
    reference = np.stack([margins, np.zeros(60, np.float32), np.full(60, -99, np.float32)], axis=1)
    candidate = reference[:, [1, 0, 2]]
    evidence = compared(TONE, reference, candidate)
    assert evidence.flips == 60
    assert [flip.margin for flip in evidence.flipped] == list(range(60, 10, -1))


def test_nan_and_infinity_count_as_flips_outside_ties_and_stay_out_of_the_differences():
    reference = f32([1, 2, 0], [3, 0, 0], [0, 5, 0])
    candidate = f32([1, np.nan, 0], [3, 0.5, 0], [0, np.inf, 0])
    evidence = compared(TONE, reference, candidate, ["b", "a", "b"])
    assert (evidence.not_finite, evidence.flips, evidence.flips_outside_ties) == (2, 2, 2)
    assert [(flip.reference, flip.candidate, flip.tie) for flip in evidence.flipped] == [
        ("b", "not finite", False),
        ("b", "not finite", False),
    ]
    assert evidence.max_logit_difference == 0.5
    assert math.isfinite(evidence.mean_probability_difference)
    assert judge(TONE, evidence, LOOSE).problems[0] == "2 of 3 sentences give NaN or infinity"


@pytest.mark.parametrize("task", [TONE, TAGS, STARS])
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_one_poisoned_logit_of_the_graph_is_a_problem_of_every_kind_of_task(task, poison):
    reference = np.ones((3, task.width), np.float32)
    candidate = reference.copy()
    candidate[1, -1] = poison
    evidence = judge(task, compared(task, reference, candidate), LOOSE)
    assert evidence.not_finite == evidence.flips == evidence.flips_outside_ties == 1
    assert evidence.problems[0] == "1 of 3 sentences give NaN or infinity"


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_reference_that_is_not_finite_is_refused_with_its_index(poison):
    reference = f32([1, 2, 0], [3, poison, 0])
    with pytest.raises(NonFiniteError) as caught:
        compared(TONE, reference, f32([1, 2, 0], [3, 0, 0]))
    assert caught.value.index == 1
    assert "the reference's logit of task 'tone'" in str(caught.value)


def test_one_label_more_or_less_is_a_flip_of_a_multi_label_task():
    # thresholds of 0.5 lie at logit 0
    reference, candidate = f32([2, -3], [1, 0.25], [-1, -2]), f32([2, -3], [1, -0.25], [-1, -2.5])
    evidence = compared(TAGS, reference, candidate)
    assert evidence.flips == 1
    (flip,) = evidence.flipped
    assert (flip.reference, flip.candidate) == ("x|y", "x")
    assert flip.margin == pytest.approx(0.25)


def test_the_margin_of_a_multi_label_answer_respects_thresholds_and_temperature():
    task = dataclasses.replace(TAGS, thresholds=(0.8, 0.5), temperature=2.0)
    bar = 2.0 * math.log(0.8 / 0.2)
    reference, candidate = f32([bar + 0.5, 9]), f32([bar - 0.5, 9])
    (flip,) = compared(task, reference, candidate).flipped
    assert (flip.reference, flip.candidate) == ("x|y", "y")
    assert flip.margin == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("thresholds", [(0.0, 1.0), (1.0, 0.0)])
def test_thresholds_of_zero_and_one_have_finite_margins(thresholds):
    task = dataclasses.replace(TAGS, thresholds=thresholds)
    evidence = compared(task, f32([50, 50]), f32([-50, -50]))
    assert evidence.flips == 1
    assert math.isfinite(evidence.flipped[0].margin)


def test_a_regression_never_flips_and_is_judged_by_its_difference():
    evidence = compared(STARS, f32([1.0], [2.0]), f32([1.5], [2.0]))
    assert (evidence.flips, evidence.agreement) == (0, 1.0)
    assert (evidence.max_logit_difference, evidence.max_probability_difference) == (0.5, 0.0)
    problems = judge(STARS, evidence, STRICT).problems
    assert problems == ("largest logit difference 5.00e-01 is over the budget of 0.0002",)


def test_metrics_of_both_models_are_taken_on_the_labelled_rows():
    reference, candidate = f32([9, 0, 0], [0, 9, 0], [0, 0, 9]), f32([9, 0, 0], [9, 0, 0], [9, 0, 0])
    evidence = compared(TONE, reference, candidate, ["a", "b", None])
    assert evidence.labelled == 2
    assert evidence.reference_metrics["accuracy"] == 1.0
    assert evidence.metrics["accuracy"] == 0.5


@pytest.mark.parametrize("labels", [None, [None, None]])
def test_without_labels_there_are_no_metrics_and_no_metric_problem(labels):
    reference, candidate = f32([9, 0, 0], [0, 9, 0]), f32([9, 0, 0], [0, 8, 0])
    evidence = compared(TONE, reference, candidate, labels)
    assert (evidence.labelled, evidence.metrics, evidence.reference_metrics) == (0, {}, {})
    assert judge(TONE, evidence, LOOSE).problems == ()


def test_no_sentences_give_evidence_without_flips():
    empty = np.zeros((0, 3), np.float32)
    evidence = compared(TONE, empty, empty)
    assert (evidence.sentences, evidence.flips, evidence.agreement_low, evidence.agreement_high) == (0, 0, 0.0, 1.0)


finite = st.floats(-8, 8, width=32)
pairs = st.integers(0, 8).flatmap(
    lambda n: st.tuples(*(arrays(np.float32, (n, 2), elements=finite) for _ in range(2)), st.floats(0, 2))
)


@pytest.mark.parametrize("task", [dataclasses.replace(TONE, labels=("a", "b")), TAGS])
@given(data=pairs)
def test_flips_are_exactly_the_decoded_answers_that_differ(task, data):
    reference, other, scale = data
    candidate = (reference + np.float32(scale) * other).astype(np.float32)
    evidence = compared(task, reference, candidate)
    before, after = (decode(task, logits) for logits in (reference, candidate))
    differing = [(old.value, new.value) for old, new in zip(before, after, strict=True) if old.value != new.value]
    assert sorted((flip.reference, flip.candidate) for flip in evidence.flipped) == sorted(differing)
    assert evidence.flips == len(differing)
    assert evidence.agreement == pytest.approx(1 - len(differing) / max(1, len(before)))


@pytest.mark.parametrize(("tie", "is_tie"), [(1.0, True), (0.999, False)])
def test_a_flip_is_a_tie_where_the_margin_is_at_most_the_tolerance(tie, is_tie):
    (flip,) = compared(TONE, f32([1, 0, -9]), f32([0.375, 0.625, -9]), tie=tie).flipped
    assert (flip.margin, flip.tie) == (1.0, is_tie)


@pytest.mark.parametrize("task", [dataclasses.replace(TONE, labels=("a", "b")), TAGS])
@given(data=pairs)
def test_no_flip_has_a_margin_of_more_than_twice_the_largest_difference(task, data):
    """Logits that move by at most d close a gap of at most 2 d: a flip with a wider margin would be our own error."""
    reference, other, scale = data
    candidate = (reference + np.float32(scale) * other).astype(np.float32)
    evidence = compared(task, reference, candidate)
    assert all(flip.margin <= 2 * evidence.max_logit_difference for flip in evidence.flipped)


def test_each_side_decides_by_its_own_thresholds():
    logits = f32([0.5, 0.5])
    strict = dataclasses.replace(TAGS, thresholds=(0.9, 0.5))
    evidence = measure_agreement(["a"], TaskOutputs(TAGS, logits), TaskOutputs(strict, logits), None, tie=0.0)
    assert [(flip.reference, flip.candidate) for flip in evidence.flipped] == [("x|y", "y")]
    assert evidence.max_logit_difference == 0.0


@given(arrays(np.float32, st.tuples(st.integers(1, 20), st.just(3)), elements=finite))
def test_the_histogram_counts_every_difference_once(candidate):
    evidence = compared(TONE, np.zeros_like(candidate), candidate)
    assert sum(evidence.logit_differences.counts) == candidate.size
    assert len(evidence.logit_differences.edges) == len(evidence.logit_differences.counts) + 1


def test_labels_bring_metrics_f1_by_label_and_calibration():
    reference, candidate = f32([2, 0, 0], [0, 2, 0], [0, 0, 2]), f32([2, 0, 0], [2, 0, 0], [0, 0, 2])
    evidence = compared(TONE, reference, candidate, ["a", "b", "c"])
    assert evidence.labelled == 3
    assert evidence.f1_by_label == {"a": pytest.approx(2 / 3), "b": 0.0, "c": 1.0}
    assert evidence.reference_f1_by_label == {"a": 1.0, "b": 1.0, "c": 1.0}
    confidence = math.exp(2) / (math.exp(2) + 2)
    assert evidence.calibration_error == pytest.approx(abs(confidence - 2 / 3))


def test_a_tasks_budget_goes_before_the_gates_and_that_before_the_default():
    gate = GateConfig(
        budget=GateBudget(max_logit_difference=0.2),
        tasks={"tone": GateBudget(max_metric_drop=3.0), "tags": GateBudget()},
    )
    default = DEFAULTS["fp32"]
    loose = dataclasses.replace(default, max_logit_difference=0.2)
    assert limits_for(gate, "tone", "fp32") == dataclasses.replace(loose, max_metric_drop=3.0)
    assert limits_for(gate, "tags", "fp32") == loose
    assert limits_for(gate, "stars", "fp32") == loose
    assert limits_for(GateConfig(), "tone", "fp32") == default
    assert limits_for(GateConfig(), "tone", "int8").min_agreement == 0.97
    own = GateConfig(budget=GateBudget(max_metric_drop=9.0), tasks={"tone": GateBudget(max_metric_drop=0.0)})
    assert limits_for(own, "tone", "fp32").max_metric_drop == 0.0


def test_a_precisions_budget_leaves_other_precisions_alone_and_goes_before_those_of_all():
    gate = GateConfig(
        budget=GateBudget(max_metric_drop=3.0),
        tasks={"tone": GateBudget(max_metric_drop=2.0)},
        precisions={
            "int8": PrecisionBudget(
                budget=GateBudget(max_logit_difference=0.5, max_metric_drop=1.0),
                tasks={"tags": GateBudget(max_logit_difference=9.0)},
            )
        },
    )
    assert limits_for(gate, "tone", "fp32") == dataclasses.replace(DEFAULTS["fp32"], max_metric_drop=2.0)
    assert limits_for(gate, "stars", "fp32") == dataclasses.replace(DEFAULTS["fp32"], max_metric_drop=3.0)
    assert limits_for(gate, "tone", "int8").max_logit_difference == 0.5
    assert limits_for(gate, "tone", "int8").max_metric_drop == 1.0
    assert limits_for(gate, "tags", "int8").max_logit_difference == 9.0
    with pytest.raises(RecordError, match="no such precision; known: fp32, fp16, bf16, int8"):
        GateConfig(precisions={"int4": PrecisionBudget()})


def test_a_config_without_budgets_of_a_precision_is_written_as_before():
    """Readers of the format's first version refuse keys that they do not know."""
    assert records.to_dict(GateConfig()).keys() == {"budget", "tasks"}
    gate = GateConfig(precisions={"int8": PrecisionBudget(budget=GateBudget(min_agreement=0.9))})
    assert records.from_dict(GateConfig, records.to_dict(gate)) == gate


def evidence_with(**changes):
    logits = f32([1, 2, 3], [3, 2, 1])
    return dataclasses.replace(compared(TONE, logits, logits), **changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"not_finite": 1}, "1 of 2 sentences give NaN or infinity"),
        (
            {"max_logit_difference": 1.7e-4},
            "largest logit difference 1.70e-04 is over the budget of 0.0001",
        ),
        ({"flips": 2, "flips_outside_ties": 1}, "1 of 2 answers differ, ties aside"),
        (
            {"flips": 2, "metrics": {"macro_f1": 0.89}, "reference_metrics": {"macro_f1": 0.9}},
            "macro_f1 drops by 1.00 points, the budget is 0.5",
        ),
    ],
)
def test_each_budget_that_is_not_kept_is_one_problem(changes, problem):
    assert judge(TONE, evidence_with(**changes), STRICT).problems == (problem,)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_logit_difference": 1e-4},
        {"flips": 2, "flips_outside_ties": 0},
        {"flips": 2, "metrics": {"macro_f1": 0.896}, "reference_metrics": {"macro_f1": 0.9}},
        {"flips": 1, "metrics": {"macro_f1": 0.8}, "reference_metrics": {"macro_f1": 0.9}},
        {"metrics": {"macro_f1": 0.95}, "reference_metrics": {"macro_f1": 0.9}},
        {"metrics": {"macro_f1": 0.9, "accuracy": 0.1}, "reference_metrics": {"macro_f1": 0.9, "accuracy": 0.9}},
    ],
)
def test_what_stays_within_the_budgets_is_no_problem(changes):
    assert judge(TONE, evidence_with(**changes), STRICT).problems == ()


def test_a_budget_is_shown_as_it_was_written():
    limits = dataclasses.replace(STRICT, max_logit_difference=0.00015, max_metric_drop=0.25)
    problems = judge(
        TONE,
        evidence_with(
            max_logit_difference=1.7e-4, flips=2, metrics={"macro_f1": 0.5}, reference_metrics={"macro_f1": 0.9}
        ),
        limits,
    ).problems
    assert problems[0].endswith("the budget of 0.00015")
    assert problems[1].endswith("the budget is 0.25")


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])
def test_lower_precisions_are_judged_by_agreement_and_not_by_logits(precision):
    limits = limits_for(GateConfig(), "tone", precision)
    evidence = evidence_with(agreement=limits.min_agreement, flips=9, flips_outside_ties=9, max_logit_difference=1.0)
    assert judge(TONE, evidence, limits, precision).problems == ()
    (problem,) = judge(TONE, dataclasses.replace(evidence, agreement=0.9), limits, precision).problems
    assert problem == f"90.00 % of 2 answers agree, the budget is {100 * limits.min_agreement:g} %"


def test_the_budget_of_a_regression_grows_with_its_values_and_that_of_a_classification_does_not():
    reference, candidate = np.array([[20000.0], [3.0]], np.float32), np.array([[20000.5], [3.0]], np.float32)
    price = TaskSpec(name="price", kind="regression")
    evidence = compared(price, reference, candidate)
    limits = limits_for(GateConfig(), "price", "fp32")
    assert evidence.logit_scale == 20000.0
    assert judge(price, evidence, limits).problems == ()
    tone = TaskSpec(name="tone", kind="single_label", labels=("a", "b"))
    large = np.array([[20000.0, 0.0]], np.float32)
    strict = compared(tone, large, large + np.float32(0.5))
    assert strict.logit_scale == 1.0
    assert judge(tone, strict, limits_for(GateConfig(), "tone", "fp32")).problems
