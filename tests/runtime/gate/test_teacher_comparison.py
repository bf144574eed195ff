"""A student compared with its teacher: what was lost, and how sure that is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.metrics import f1_by_label, task_metrics
from mtl_runtime.dataset.resampling import resample_metrics
from mtl_runtime.gate.agreement import TaskOutputs
from mtl_runtime.gate.calibration import RowCalibration
from mtl_runtime.gate.teacher_comparison import compare_with_teacher, fewest_sentences, worst_outcome
from mtl_runtime.report.teacher.outcomes import describe_outcome

SINGLE = TaskSpec(name="single", kind="single_label", labels=("a", "b"))
MULTI = TaskSpec(name="multi", kind="multi_label", labels=("a", "b", "c"), thresholds=(0.5, 0.4, 0.6))
NUMBER = TaskSpec(name="number", kind="regression")


def examples_of(labels, task="single"):
    return [
        Example(text=f"text {row}", labels={} if label is None else {task: label}, path="x", line=row)
        for row, label in enumerate(labels)
    ]


def logits_of(labels):
    """Of SINGLE: a wide margin for each label."""
    return np.array([[3.0, 0.0] if label == "a" else [0.0, 3.0] for label in labels], np.float32)


def compare(truth, teacher, student, *, budget=0.5):
    (compared,) = compare_with_teacher(
        examples_of(truth),
        {"single": TaskOutputs(SINGLE, logits_of(teacher))},
        {"single": TaskOutputs(SINGLE, logits_of(student))},
        budget={"single": budget},
        tie=1e-4,
    ).values()
    return compared


def flip(labels, rows):
    return [("b" if label == "a" else "a") if row in rows else label for row, label in enumerate(labels)]


def test_a_student_that_answers_alike_is_certain_from_598_sentences_on():
    truth = ["a", "b"] * 300
    for count, proven in ((597, False), (598, True)):
        compared = compare(truth[:count], truth[:count], truth[:count])
        assert (compared.differing_bound <= 0.005) == proven
        assert compared.answers.flips == 0
        assert compared.changes["accuracy"].change == compared.changes["accuracy"].low == 0.0
        assert compared.outcome == ("certain" if proven else "uncertain")
        assert compared.sentences_needed == (None if proven else 598)


def test_so_few_sentences_cannot_prove_a_budget():
    assert fewest_sentences(0.5, 1) == 598
    assert fewest_sentences(0.5, 2) == 736
    assert fewest_sentences(1.0, 1) == 299


def test_two_tasks_share_the_error_of_the_bound():
    truth = ["a", "b"] * 368
    outputs = TaskOutputs(SINGLE, logits_of(truth))
    other = TaskOutputs(TaskSpec(name="other", kind="single_label", labels=("a", "b")), logits_of(truth))
    both = {"single": outputs, "other": other}
    for count, holds in ((735, False), (736, True)):
        cut = {name: TaskOutputs(side.task, side.logits[:count]) for name, side in both.items()}
        compared = compare_with_teacher(examples_of([None] * count), cut, cut, budget=dict.fromkeys(cut, 0.5), tie=1e-4)
        assert {one.outcome for one in compared.values()} == {"certain" if holds else "uncertain"}


@pytest.mark.parametrize(("flips", "holds"), [(6, True), (7, False)])
def test_2368_sentences_allow_six_other_answers(flips, holds):
    truth = ["a", "b"] * 1184
    compared = compare([None] * 2368, truth, flip(truth, range(flips)))
    assert compared.answers.flips == flips
    assert (compared.differing_bound <= 0.005) == holds
    assert compared.outcome == ("certain" if holds else "uncertain")


def test_answers_that_change_for_better_and_worse_lose_nothing_and_are_not_certain():
    truth = ["a", "b"] * 500
    teacher, student = flip(truth, range(100)), flip(truth, range(60, 160))
    compared = compare(truth, teacher, student)
    accuracy = compared.changes["accuracy"]
    assert accuracy.change == 0.0
    assert accuracy.low < -0.015 < 0.015 < accuracy.high
    assert compared.outcome == "uncertain"
    assert 9 * 1000 < compared.sentences_needed < 25 * 1000
    assert "not certain to hold 0.5 points with 1,000 sentences; about" in describe_outcome(compared)
    assert len(compared.answers.flipped) == 50
    assert {(flipped.reference, flipped.candidate) for flipped in compared.answers.flipped} <= {("a", "b"), ("b", "a")}


def test_a_drop_just_inside_the_budget_asks_for_no_number_of_sentences_that_nobody_has():
    truth = ["a", "b"] * 1000
    compared = compare(truth, flip(truth, range(200)), flip(truth, range(100, 309)))
    assert compared.changes["accuracy"].change == pytest.approx(-0.0045)
    assert (compared.outcome, compared.sentences_needed) == ("uncertain", None)
    assert describe_outcome(compared) == "not certain to hold 0.5 points with 2,000 sentences"


def test_the_number_of_sentences_has_two_digits_since_no_more_are_known():
    truth = ["a", "b"] * 500
    needed = compare(truth, flip(truth, range(100)), flip(truth, range(60, 160))).sentences_needed
    assert needed % 1000 == 0


def test_the_interval_of_a_paired_difference_is_that_of_its_normal_approximation():
    truth = ["a", "b"] * 1000
    compared = compare(truth, truth, flip(truth, range(100)))
    accuracy = compared.changes["accuracy"]
    error = 1.96 * np.sqrt(0.05 * 0.95 / 2000)
    assert (accuracy.change, accuracy.low, accuracy.high) == pytest.approx(
        (-0.05, -0.05 - error, -0.05 + error), abs=1e-3
    )


def test_a_student_below_the_budget_exceeds_it():
    truth = ["a", "b"] * 500
    compared = compare(truth, truth, flip(truth, range(20)))
    assert compared.outcome == "exceeded"
    assert compared.sentences_needed is None
    assert describe_outcome(compared) == "exceeds 0.5 points"
    assert compare(truth, truth, flip(truth, range(20)), budget=4.0).outcome == "certain"


def test_answers_to_sentences_without_labels_prove_nothing_about_the_accuracy_of_the_others():
    labels = ["a", "b"] * 300
    truth = labels + [None] * 19_400
    answers = labels + ["a"] * 19_400
    compared = compare(truth, answers, flip(answers, range(4)))
    assert compared.differing_bound <= 0.005
    assert compared.changes["accuracy"].change == pytest.approx(-4 / 600)
    assert compared.outcome == "exceeded"


def test_one_changed_answer_on_few_sentences_is_not_certain_rather_than_too_much():
    truth = ["a", "b"] * 20
    assert compare(truth, truth, flip(truth, {3})).outcome == "uncertain"


def compare_unlabelled(task, teacher, student, *, budget=0.5):
    (compared,) = compare_with_teacher(
        examples_of([None] * len(teacher)),
        {task.name: TaskOutputs(task, teacher)},
        {task.name: TaskOutputs(task, student)},
        budget={task.name: budget},
        tie=1e-4,
    ).values()
    return compared


def test_without_labels_every_other_answer_counts_as_a_loss():
    labels = ["a", "b"] * 350
    same = compare_unlabelled(SINGLE, logits_of(labels), logits_of(labels))
    assert (same.outcome, same.loss) == ("certain", 0.0)
    other = compare_unlabelled(SINGLE, logits_of(labels), logits_of(flip(labels, range(7))))
    assert (other.outcome, other.loss) == ("exceeded", pytest.approx(1.0))
    few = compare_unlabelled(SINGLE, logits_of(labels), logits_of(flip(labels, range(3))))
    assert (few.outcome, few.loss) == ("uncertain", pytest.approx(100 * 3 / 700))


def test_without_labels_a_number_is_judged_by_its_correlation_with_the_teachers():
    teacher = np.random.default_rng(0).normal(size=(200, 1)).astype(np.float32)
    alike = compare_unlabelled(NUMBER, teacher, 2 * teacher + 1)
    assert (alike.outcome, alike.loss) == ("uncertain", pytest.approx(0.0, abs=1e-4))
    opposite = compare_unlabelled(NUMBER, teacher, -teacher)
    assert (opposite.outcome, opposite.loss) == ("exceeded", pytest.approx(200.0))


@pytest.mark.parametrize("budget", [0.0, 100.0, 250.0])
def test_budgets_at_their_ends_are_judged(budget):
    labels = ["a", "b"] * 20
    compared = compare(labels, labels, flip(labels, range(4)), budget=budget)
    assert compared.outcome == ("exceeded" if budget == 0 else "certain")
    assert compared.sentences_needed is None
    assert fewest_sentences(budget, 1) == (None if budget == 0 else 1)


def test_changes_are_given_by_label_too():
    truth = ["a", "a", "b", "b"] * 100
    compared = compare(truth, truth, ["a" if label == "a" else "ab"[row % 2] for row, label in enumerate(truth)])
    assert compared.f1_changes["b"].change < compared.f1_changes["a"].change < 0
    assert all(moved.low <= moved.change <= moved.high for moved in compared.f1_changes.values())


@pytest.mark.parametrize(
    ("rows", "spread", "outcome", "needed"),
    [
        (400, 1e-4, "certain", None),
        (400, 1.0, "exceeded", None),
        (100, 1e-4, "certain", None),
        (99, 1e-4, "uncertain", 100),  # intervals of the bootstrap say too little there
    ],
)
def test_a_number_is_judged_by_its_correlation_where_there_are_enough_of_them(rows, spread, outcome, needed):
    truth = np.linspace(-1, 1, rows)
    noise = np.random.default_rng(1).normal(size=rows)
    (compared,) = compare_with_teacher(
        examples_of(truth.tolist(), "number"),
        {"number": TaskOutputs(NUMBER, truth.astype(np.float32)[:, None])},
        {"number": TaskOutputs(NUMBER, (truth + spread * noise).astype(np.float32)[:, None])},
        budget={"number": 0.5},
        tie=1e-4,
    ).values()
    assert (compared.outcome, compared.sentences_needed) == (outcome, needed)
    assert compared.changes["mae"].change > 0


def test_a_row_that_is_not_finite_is_a_flip():
    truth = ["a", "b"] * 20
    logits = logits_of(truth)
    logits[4] = np.nan
    (compared,) = compare_with_teacher(
        examples_of(truth),
        {"single": TaskOutputs(SINGLE, logits_of(truth))},
        {"single": TaskOutputs(SINGLE, logits)},
        budget={"single": 0.5},
        tie=1e-4,
    ).values()
    assert compared.answers.flips == 1


def test_the_gravest_outcome_counts():
    assert worst_outcome(["certain", "exceeded", "uncertain"]) == "exceeded"
    assert worst_outcome(["certain", "uncertain"]) == "uncertain"
    assert worst_outcome([]) == "certain"


CASES = {
    "single": (SINGLE, lambda random, rows: random.integers(2, size=rows)),
    "multi": (MULTI, lambda random, rows: random.integers(2, size=(rows, 3)).astype(np.float32)),
    "number": (NUMBER, lambda random, rows: random.normal(size=rows)),
}


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(sorted(CASES)), st.integers(1, 60), st.integers(0, 1000))
def test_resampled_metrics_are_those_of_the_rows_that_were_drawn(name, rows, seed):
    task, make_targets = CASES[name]
    random = np.random.default_rng(seed)
    targets, logits = make_targets(random, rows), random.normal(size=(rows, task.width)).astype(np.float32)
    (resampled,) = resample_metrics(targets, [(task, logits)])
    again = np.random.default_rng(0)
    for number in range(5):
        draw = again.integers(rows, size=rows)
        expected = task_metrics(task, targets[draw], logits[draw]).values
        assert {metric: values[number] for metric, values in resampled.values.items()} == pytest.approx(
            expected, abs=1e-6
        )
        by_label = dict(zip(task.labels, resampled.f1[number].tolist(), strict=True))
        assert {label: f1 for label, f1 in by_label.items() if not np.isnan(f1)} == pytest.approx(
            f1_by_label(task, targets[draw], logits[draw])
        )


def test_models_are_compared_on_the_same_resamples():
    random = np.random.default_rng(3)
    targets, logits = random.integers(2, size=50), random.normal(size=(50, 2)).astype(np.float32)
    first, second = resample_metrics(targets, [(SINGLE, logits), (SINGLE, logits)])
    assert np.array_equal(first.values["accuracy"], second.values["accuracy"])


def test_a_correlation_with_labels_that_are_all_the_same_says_nothing():
    rows = 800
    examples = examples_of([2.0] * rows, "number")
    logits = np.random.default_rng(0).normal(size=(rows, 1)).astype(np.float32)
    for factor, outcome, loss in ((1.0, "uncertain", 0.0), (-30.0, "exceeded", 200.0)):
        sides = [{"number": TaskOutputs(NUMBER, side)} for side in (logits, factor * logits)]
        (compared,) = compare_with_teacher(examples, *sides, budget={"number": 0.5}, tie=1e-4).values()
        assert "pearson" not in compared.changes
        assert compared.changes["mae"].change == pytest.approx(0.0 if factor == 1 else 22.0, abs=5)
        assert (compared.outcome, compared.sentences_needed) == (outcome, None)
        assert compared.loss == pytest.approx(loss, abs=1e-3)


def test_equal_answers_do_not_prove_the_accuracy_of_several_labels_whose_thresholds_saw_each_answer():
    rows = 800
    random = np.random.default_rng(1)
    logits = random.normal(size=(rows, 3)).astype(np.float32)
    given = random.random((rows, 3)) < 0.3
    truth = [tuple(label for label, there in zip("abc", row, strict=True) if there) for row in given]
    laxer = RowCalibration(np.ones(rows), np.full((rows, 3), 0.1))
    teacher, student = TaskOutputs(MULTI, logits), TaskOutputs(MULTI, logits, unseen=laxer)
    (compared,) = compare_with_teacher(
        examples_of(truth, "multi"), {"multi": teacher}, {"multi": student}, budget={"multi": 0.5}, tie=1e-4
    ).values()
    assert compared.answers.flips == 0
    assert compared.differing_bound < 0.005
    assert compared.changes["accuracy"].change < -0.05 < compared.changes["macro_f1"].low
    assert compared.outcome != "certain"
