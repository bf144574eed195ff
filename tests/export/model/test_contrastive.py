"""The contrastive loss: against the formula, and what it must not depend on."""

import itertools
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from mtl_export.config import TaskConfig
from mtl_export.model.contrastive import contrastive_loss
from mtl_export.model.losses import MultiTaskLoss
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.targets import MISSING

TONE = TaskSpec(name="tone", kind="single_label", labels=("a", "b", "c"))
STARS = TaskSpec(name="stars", kind="regression")


def by_the_formula(embeddings, target):
    """One pair after the other."""
    errors = {True: [], False: []}  # by whether the labels are the same
    for one, other in itertools.combinations(range(len(target)), 2):
        if MISSING not in (target[one], target[other]):
            same = bool(target[one] == target[other])
            cosine = float(functional.cosine_similarity(embeddings[one], embeddings[other], dim=0))
            errors[same].append((same - cosine) ** 2)
    return sum(statistics.mean(kind) / 2 for kind in errors.values() if kind)


@given(target=st.lists(st.sampled_from([0, 1, 2, MISSING]), min_size=1, max_size=10), seed=st.integers(0, 99))
def test_pairs_with_one_label_and_other_pairs_count_equally_much(target, seed):
    embeddings = torch.randn(len(target), 5, generator=torch.Generator().manual_seed(seed))
    target = torch.tensor(target)
    expected = by_the_formula(embeddings, target)
    assert contrastive_loss(embeddings, target).item() == pytest.approx(expected, abs=1e-4, rel=1e-4)


def test_only_the_direction_of_an_embedding_counts():
    embeddings, target = torch.randn(6, 5), torch.tensor([0, 0, 1, 1, 2, 2])
    scaled = embeddings * torch.tensor([[1.0], [2.0], [0.5], [9.0], [1.0], [3.0]])
    torch.testing.assert_close(contrastive_loss(scaled, target), contrastive_loss(embeddings, target))


@pytest.mark.parametrize("target", [[MISSING] * 3, [0, MISSING, MISSING]])
def test_without_any_pair_it_is_zero_and_has_zero_gradients(target):
    embeddings = torch.randn(3, 5, requires_grad=True)
    loss = contrastive_loss(embeddings, torch.tensor(target))
    loss.backward()
    assert loss.item() == 0
    assert not embeddings.grad.any()


def test_following_its_gradient_brings_equal_labels_together_and_parts_others():
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(8, 5, generator=generator, requires_grad=True)
    target = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    optimizer = torch.optim.SGD([embeddings], lr=1.0)
    for _ in range(200):
        optimizer.zero_grad()
        contrastive_loss(embeddings, target).backward()
        optimizer.step()
    unit = functional.normalize(embeddings.detach(), dim=1)
    similarity = unit @ unit.T
    assert similarity[:4, :4].min() > 0.8
    assert similarity[:4, 4:].abs().max() < 0.2


def test_each_single_label_task_adds_its_pairs_with_the_weight():
    tasks, configs = (TONE, STARS), {"tone": TaskConfig(), "stars": TaskConfig(kind="regression")}
    plain, paired = (MultiTaskLoss(tasks, configs, {}, contrastive_weight=weight) for weight in (0.0, 0.5))
    embeddings = torch.randn(4, 5)
    outputs = {"logits": {"tone": torch.randn(4, 3), "stars": torch.randn(4, 1)}, "embeddings": embeddings}
    labels = {"tone": torch.tensor([0, 0, 1, MISSING]), "stars": torch.randn(4)}
    added = paired(outputs, labels) - plain(outputs, labels)
    torch.testing.assert_close(added, 0.5 * contrastive_loss(embeddings, labels["tone"]))
