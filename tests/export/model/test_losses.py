"""The loss: torch's on a full batch, the same however a step is divided, and zero where there are no labels."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from mtl_export.config import TaskConfig
from mtl_export.model.losses import MultiTaskLoss, class_weights
from mtl_runtime.bundle.manifest import Standardization, TaskSpec
from mtl_runtime.dataset.targets import MISSING, encode_labels

TONE = TaskSpec(name="tone", kind="single_label", labels=("a", "b", "c"))
TAGS = TaskSpec(name="tags", kind="multi_label", labels=("x", "y"), thresholds=(0.5, 0.5))
STARS = TaskSpec(name="stars", kind="regression")
TASKS = (TONE, TAGS, STARS)
CONFIGS = {
    "tone": TaskConfig(class_weights={"a": 1.0, "b": 2.0, "c": 0.5}, label_smoothing=0.1),
    "tags": TaskConfig(kind="multi_label", class_weights={"x": 3.0, "y": 0.5}, loss_weight=2.0),
    "stars": TaskConfig(kind="regression", loss_weight=0.25),
}


def loss_of(*tasks, weighting="static", **configs):
    """A loss for ``tasks``; class weights come from a table in the config."""
    by_task = {task.name: configs.get(task.name, TaskConfig(kind=task.kind)) for task in tasks}
    weights = {task.name: class_weights(task, by_task[task.name], np.zeros(0, np.int64)) for task in tasks}
    return MultiTaskLoss(tasks, by_task, weights, weighting=weighting)


def targets_of(task, labels):
    return torch.from_numpy(encode_labels(task, labels))


def random_logits(task, rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, task.width, generator=generator).requires_grad_()


def value(loss, logits, labels, totals=None):
    return loss({"logits": logits}, labels, totals)


def test_a_single_label_task_equals_torchs_weighted_mean_cross_entropy():
    logits, target = random_logits(TONE, 5), targets_of(TONE, ["a", "c", None, "b", "b"])
    loss = loss_of(TONE, tone=TaskConfig(class_weights={"a": 1.0, "b": 2.0, "c": 0.5}))
    expected = functional.cross_entropy(logits, target, weight=torch.tensor([1.0, 2.0, 0.5]), reduction="mean")
    torch.testing.assert_close(value(loss, {"tone": logits}, {"tone": target}), expected)


@pytest.mark.parametrize("weights", [None, {"a": 1.0, "b": 2.0, "c": 0.5}])
def test_label_smoothing_equals_torchs(weights):
    logits, target = random_logits(TONE, 5), targets_of(TONE, ["a", "c", None, "b", "b"])
    loss = loss_of(TONE, tone=TaskConfig(class_weights=weights, label_smoothing=0.2))
    tensor = None if weights is None else torch.tensor(list(weights.values()))
    expected = functional.cross_entropy(logits, target, weight=tensor, label_smoothing=0.2)
    torch.testing.assert_close(value(loss, {"tone": logits}, {"tone": target}), expected)


def test_a_multi_label_task_equals_torchs_binary_cross_entropy_with_pos_weight():
    logits, target = random_logits(TAGS, 3), targets_of(TAGS, [("x",), (), ("x", "y")])
    loss = loss_of(TAGS, tags=TaskConfig(kind="multi_label", class_weights={"x": 3.0, "y": 0.5}))
    expected = functional.binary_cross_entropy_with_logits(logits, target, pos_weight=torch.tensor([3.0, 0.5]))
    torch.testing.assert_close(value(loss, {"tags": logits}, {"tags": target}), expected)


def test_multi_label_smoothing_moves_targets_towards_one_half():
    logits, target = random_logits(TAGS, 3), targets_of(TAGS, [("x",), (), ("x", "y")])
    loss = loss_of(TAGS, tags=TaskConfig(kind="multi_label", label_smoothing=0.2))
    expected = functional.binary_cross_entropy_with_logits(logits, target * 0.8 + 0.1)
    torch.testing.assert_close(value(loss, {"tags": logits}, {"tags": target}), expected)


def test_a_regression_is_the_mean_squared_error():
    logits, target = random_logits(STARS, 3), targets_of(STARS, [1.0, -2.0, 0.5])
    expected = functional.mse_loss(logits.squeeze(-1), target.float())
    torch.testing.assert_close(value(loss_of(STARS), {"stars": logits}, {"stars": target}), expected)


def test_a_standardized_regression_learns_deviations_from_the_mean():
    task = dataclasses.replace(STARS, standardization=Standardization(mean=2000.0, deviation=500.0))
    logits, target = random_logits(STARS, 3), targets_of(STARS, [1500.0, 2000.0, 3000.0])
    expected = functional.mse_loss(logits.squeeze(-1), torch.tensor([-1.0, 0.0, 2.0]))
    torch.testing.assert_close(value(loss_of(task), {"stars": logits}, {"stars": target}), expected)


def test_the_loss_by_task_is_what_each_task_adds_and_leaves_out_tasks_without_labels():
    logits = {"tone": random_logits(TONE, 3), "stars": random_logits(STARS, 3)}
    targets = {"tone": targets_of(TONE, [TONE.labels[0], None, TONE.labels[1]]), "stars": targets_of(STARS, [None] * 3)}
    loss = loss_of(TONE, STARS)
    assert loss.by_task(logits, targets) == {"tone": pytest.approx(value(loss, logits, targets).item())}


@pytest.mark.parametrize(
    ("task", "labels"), [(TONE, ["a", "c", "b"]), (TAGS, [("x",), (), ("y",)]), (STARS, [1.0, -2.0, 0.5])]
)
def test_rows_without_a_label_change_nothing(task, labels):
    logits = random_logits(task, 5)
    loss = loss_of(task)
    masked = value(loss, {task.name: logits}, {task.name: targets_of(task, [None, *labels, None])})
    alone = value(loss, {task.name: logits[1:4]}, {task.name: targets_of(task, labels)})
    torch.testing.assert_close(masked, alone)
    masked.backward()
    assert logits.grad is not None
    assert logits.grad[[0, 4]].eq(0).all()
    assert logits.grad[1:4].ne(0).any(dim=1).all()


@pytest.mark.parametrize("weighting", ["static", "uncertainty"])
@pytest.mark.parametrize("task", TASKS)
def test_a_batch_in_which_a_task_has_no_label_gives_zero_loss_and_zero_gradients(task, weighting):
    logits = random_logits(task, 2)
    loss = loss_of(task, weighting=weighting, **{task.name: CONFIGS[task.name]})
    result = value(loss, {task.name: logits}, {task.name: targets_of(task, [None, None])})
    assert result.item() == 0.0
    result.backward()
    assert logits.grad is not None
    assert logits.grad.eq(0).all()
    if weighting == "uncertainty":
        assert loss.log_variances.grad is not None
        assert loss.log_variances.grad.eq(0).all()


def test_a_task_without_labels_leaves_the_other_tasks_loss_as_it_is():
    logits = {"tone": random_logits(TONE, 2), "stars": random_logits(STARS, 2)}
    labels = {"tone": targets_of(TONE, ["a", "b"]), "stars": targets_of(STARS, [None, None])}
    both = value(loss_of(TONE, STARS), logits, labels)
    torch.testing.assert_close(both, value(loss_of(TONE), {"tone": logits["tone"]}, {"tone": labels["tone"]}))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_step_with_only_rows_of_a_class_of_weight_zero_gives_zero_loss(smoothing):
    logits, target = random_logits(TONE, 2), targets_of(TONE, ["a", "a"])
    config = TaskConfig(class_weights={"a": 0.0, "b": 1.0, "c": 1.0}, label_smoothing=smoothing)
    result = value(loss_of(TONE, tone=config), {"tone": logits}, {"tone": target})
    result.backward()
    assert result.item() == 0.0
    assert logits.grad is not None
    assert logits.grad.eq(0).all()


def test_loss_weights_scale_and_tasks_add_up():
    logits = {task.name: random_logits(task, 4, seed) for seed, task in enumerate(TASKS)}
    labels = {
        "tone": targets_of(TONE, ["a", "b", None, "c"]),
        "tags": targets_of(TAGS, [("x",), None, (), ("y",)]),
        "stars": targets_of(STARS, [None, 1.0, 2.0, 3.0]),
    }
    parts = {task.name: value(loss_of(task), {task.name: logits[task.name]}, labels).item() for task in TASKS}
    weights = {"tone": 0.5, "tags": 2.0, "stars": 3.0}
    configs = {task.name: TaskConfig(kind=task.kind, loss_weight=weights[task.name]) for task in TASKS}
    expected = sum(weights[name] * part for name, part in parts.items())
    assert value(loss_of(*TASKS, **configs), logits, labels).item() == pytest.approx(expected, rel=1e-6)


LABELS = {
    "tone": st.sampled_from(TONE.labels),
    "tags": st.sets(st.sampled_from(TAGS.labels)),
    "stars": st.floats(-5, 5),
}


@st.composite
def steps(draw):
    """Labels by task, some missing, for up to 10 rows; and where the rows are cut into micro-batches."""
    rows = draw(st.integers(1, 10))
    labels = {name: draw(st.lists(st.none() | each, min_size=rows, max_size=rows)) for name, each in LABELS.items()}
    cuts = sorted({0, rows, *draw(st.lists(st.integers(0, rows), max_size=4))})
    return labels, cuts


@pytest.mark.parametrize("weighting", ["static", "uncertainty"])
@given(step=steps(), seed=st.integers(0, 1000))
def test_micro_batches_sum_to_the_loss_and_the_gradients_of_the_whole_step(weighting, step, seed):
    labels, cuts = step
    targets = {
        task.name: targets_of(task, [tuple(x) if isinstance(x, set) else x for x in labels[task.name]])
        for task in TASKS
    }
    loss = loss_of(*TASKS, weighting=weighting, **CONFIGS)
    if weighting == "uncertainty":
        with torch.no_grad():
            loss.log_variances.copy_(torch.tensor([0.3, -0.7, 1.1]))
    rows = cuts[-1]
    results = []
    for bounds in ([0, rows], cuts):
        logits = {task.name: random_logits(task, rows, seed) for task in TASKS}
        batches = [
            {name: target[start:end] for name, target in targets.items()} for start, end in itertools.pairwise(bounds)
        ]
        totals = loss.normalizers(batches)
        assert totals.dtype == torch.float64
        loss.zero_grad()
        parts = []
        for (start, end), batch in zip(itertools.pairwise(bounds), batches, strict=True):
            part = value(loss, {name: rows_[start:end] for name, rows_ in logits.items()}, batch, totals)
            part.backward()
            parts.append(part.item())
        gradients = [logits[task.name].grad for task in TASKS]
        gradients += [loss.log_variances.grad.clone()] if weighting == "uncertainty" else []
        assert all(gradient.isfinite().all() for gradient in gradients)
        results.append((math.fsum(parts), gradients))
    (whole, whole_gradients), (cut, cut_gradients) = results
    assert math.isfinite(whole)
    assert cut == pytest.approx(whole, rel=1e-4, abs=1e-5)
    for expected, gradient in zip(whole_gradients, cut_gradients, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)


def test_normalizers_count_weighted_rows_labelled_cells_and_rows():
    batches = [
        {
            "tone": targets_of(TONE, ["a", None]),
            "tags": targets_of(TAGS, [(), None]),
            "stars": targets_of(STARS, [None, 1.0]),
        },
        {"tone": targets_of(TONE, ["b"]), "tags": targets_of(TAGS, [("x",)]), "stars": targets_of(STARS, [None])},
    ]
    assert loss_of(*TASKS, **CONFIGS).normalizers(batches).tolist() == [3.0, 4.0, 1.0]
    assert loss_of(*TASKS).normalizers(batches).tolist() == [2.0, 4.0, 1.0]


def test_uncertainty_weighting_starts_as_the_plain_sum_with_half_a_regression():
    logits = {task.name: random_logits(task, 3, seed) for seed, task in enumerate(TASKS)}
    labels = {
        "tone": targets_of(TONE, ["a", "b", "c"]),
        "tags": targets_of(TAGS, [("x",), (), ("y",)]),
        "stars": targets_of(STARS, [1.0, 2.0, 3.0]),
    }
    parts = {task.name: value(loss_of(task), {task.name: logits[task.name]}, labels).item() for task in TASKS}
    result = value(loss_of(*TASKS, weighting="uncertainty"), logits, labels).item()
    assert result == pytest.approx(parts["tone"] + parts["tags"] + 0.5 * parts["stars"], rel=1e-6)


@pytest.mark.parametrize(("task", "labels", "scale"), [(TONE, ["a", "c"], 1.0), (STARS, [1.0, -2.0], 0.5)])
def test_uncertainty_weighting_has_the_value_and_the_gradient_of_its_formula(task, labels, scale):
    logits, target = {task.name: random_logits(task, 2)}, {task.name: targets_of(task, labels)}
    plain = value(loss_of(task), logits, target).item()
    loss = loss_of(task, weighting="uncertainty", **{task.name: TaskConfig(kind=task.kind, loss_weight=3.0)})
    with torch.no_grad():
        loss.log_variances.fill_(0.8)
    result = value(loss, logits, target)
    assert result.item() == pytest.approx(3.0 * (scale * math.exp(-0.8) * plain + 0.4), rel=1e-5)
    result.backward()
    assert loss.log_variances.grad is not None
    assert loss.log_variances.grad.item() == pytest.approx(3.0 * (0.5 - scale * math.exp(-0.8) * plain), rel=1e-5)


def test_learnt_log_variances_settle_where_the_formula_says():
    target = {"stars": targets_of(STARS, [4.0])}
    logits = {"stars": torch.tensor([[1.0]])}
    loss = loss_of(STARS, weighting="uncertainty")
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.2)
    for _ in range(200):
        optimizer.zero_grad()
        value(loss, logits, target).backward()
        optimizer.step()
    assert loss.log_variances.item() == pytest.approx(math.log(9.0), abs=1e-3)


def test_balanced_weights_are_rows_over_classes_times_rows_of_the_class():
    targets = encode_labels(TONE, ["a", "a", "a", "b", None, "c", "c"])
    weights = class_weights(TONE, TaskConfig(class_weights="balanced"), targets)
    assert weights is not None
    assert weights.dtype == torch.float32
    assert weights.tolist() == pytest.approx([6 / 9, 6 / 3, 6 / 6])


def test_a_class_without_a_row_has_balanced_weight_one():
    weights = class_weights(TONE, TaskConfig(class_weights="balanced"), encode_labels(TONE, ["a", "a", "b"]))
    assert weights is not None
    assert weights.tolist() == pytest.approx([3 / 6, 3 / 3, 1.0])


def test_balanced_weights_of_a_multi_label_task_are_negatives_over_positives():
    spec = TaskSpec(name="tags", kind="multi_label", labels=("x", "y", "z"), thresholds=(0.5,) * 3)
    targets = encode_labels(spec, [("x", "z"), ("z",), ("z",), None, ("z",)])
    weights = class_weights(spec, TaskConfig(kind="multi_label", class_weights="balanced"), targets)
    assert weights is not None
    # x: 3 negatives to 1 positive; y never applies, z always does: neither can be balanced
    assert weights.tolist() == pytest.approx([3.0, 1.0, 1.0])


def test_weights_of_a_table_follow_the_order_of_the_labels():
    config = TaskConfig(class_weights={"c": 3.0, "a": 1.0, "b": 2.0})
    weights = class_weights(TONE, config, np.array([MISSING]))
    assert weights is not None
    assert weights.tolist() == [1.0, 2.0, 3.0]
    assert class_weights(TONE, TaskConfig(), np.array([0])) is None


def test_balanced_weights_make_every_class_count_alike():
    target = targets_of(TONE, ["a"] * 6 + ["b"] * 2 + ["c"])
    weights = class_weights(TONE, TaskConfig(class_weights="balanced"), target.numpy())
    loss = MultiTaskLoss([TONE], {"tone": TaskConfig(class_weights="balanced")}, {"tone": weights})
    logits = torch.zeros(9, 3, requires_grad=True)
    value(loss, {"tone": logits}, {"tone": target}).backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad.sum(dim=0), torch.zeros(3), atol=1e-7, rtol=0)


def test_class_weights_are_not_saved_with_the_model():
    assert loss_of(*TASKS, **CONFIGS).state_dict() == {}
