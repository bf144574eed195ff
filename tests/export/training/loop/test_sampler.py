"""The order of an epoch: repeatable, complete, fair to small sources, with batches of similar lengths."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mtl_export.training.loop.sampler import MixedLengthSampler, source_shares

BATCH = 8


def sampler(rows, *, sources=None, seed=0, temperature=1.0, batch_size=BATCH):
    lengths = np.random.default_rng(99).integers(3, 60, rows)
    where = sources or [0] * rows
    return MixedLengthSampler(lengths.tolist(), where, batch_size=batch_size, seed=seed, temperature=temperature)


def two_sources(large, small):
    return [0] * large + [1] * small


def test_equal_samplers_agree_on_every_epoch():
    for epoch in (0, 1, 7):
        assert sampler(100, seed=3).order(epoch).tolist() == sampler(100, seed=3).order(epoch).tolist()


def test_the_order_does_not_depend_on_the_epochs_asked_for_before():
    used = sampler(100, sources=two_sources(80, 20), temperature=2.0)
    for epoch in (0, 1, 2):
        list(used)
        used.set_epoch(epoch)
    unused = sampler(100, sources=two_sources(80, 20), temperature=2.0)
    unused.set_epoch(2)
    assert list(used) == list(unused) == unused.order(2).tolist()


def test_seeds_and_epochs_give_different_orders():
    orders = {tuple(sampler(100, seed=seed).order(epoch).tolist()) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4


@pytest.mark.parametrize("rows", [24, 48, 400])
def test_few_rows_meet_other_rows_in_every_epoch(rows):
    """Sorted by length as a whole, they would make the same batches again and again."""
    few = sampler(rows)
    batches = [{frozenset(batch) for batch in few.order(epoch).reshape(-1, BATCH).tolist()} for epoch in range(10)]
    for one, other in itertools.pairwise(batches):
        assert len(one & other) <= rows // BATCH // 4
    partners = {pair for epoch in batches for batch in epoch for pair in itertools.permutations(batch, 2)}
    assert len(partners) > 0.9 * rows * min(rows - 1, 10 * (BATCH - 1) * 0.5)


def global_states():
    numpy_state = np.random.get_state()  # noqa: NPY002
    return random.getstate(), numpy_state[1].tolist(), numpy_state[2:], torch.get_rng_state().tolist()


def test_the_global_random_states_are_neither_read_nor_moved():
    orders = []
    for state in (1, 2):
        random.seed(state)
        np.random.seed(state)  # noqa: NPY002
        torch.manual_seed(state)
        expected = global_states()
        orders.append(list(sampler(100)))
        assert global_states() == expected
    assert orders[0] == orders[1]


@given(
    sources=st.lists(st.integers(0, 3), min_size=1, max_size=80),
    epoch=st.integers(0, 5),
    batch_size=st.integers(1, 9),
)
def test_at_temperature_one_an_epoch_holds_each_row_exactly_once(sources, epoch, batch_size):
    rows = sampler(len(sources), sources=sources, batch_size=batch_size)
    order = rows.order(epoch).tolist()
    assert sorted(order) == list(range(len(sources)))
    assert len(rows) == len(sources)


@given(
    sources=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    temperature=st.floats(1, 50),
    epoch=st.integers(0, 20),
)
def test_an_epoch_has_as_many_rows_as_the_data_at_any_temperature(sources, temperature, epoch):
    rows = sampler(len(sources), sources=sources, temperature=temperature)
    order = rows.order(epoch).tolist()
    assert len(order) == len(rows) == len(sources)
    shares = source_shares([sources.count(source) for source in range(max(sources) + 1)], temperature=temperature)
    drawn = Counter(sources[row] for row in order)
    assert [drawn[source] for source in range(len(shares))] == shares


sizes = st.lists(st.integers(0, 500), min_size=1, max_size=6).filter(sum)


@given(sizes, st.floats(1, 100))
def test_shares_sum_to_all_rows_and_leave_no_source_out(sizes, temperature):
    shares = source_shares(sizes, temperature=temperature)
    assert sum(shares) == sum(sizes)
    assert all((share > 0) == (size > 0) for share, size in zip(shares, sizes, strict=True))


@given(sizes)
def test_shares_are_the_sizes_at_temperature_one(sizes):
    assert source_shares(sizes, temperature=1.0) == sizes


@given(sizes, st.floats(1, 100))
def test_a_larger_source_never_gets_a_smaller_share(sizes, temperature):
    pairs = sorted(zip(sizes, source_shares(sizes, temperature=temperature), strict=True))
    # one row more or less is rounding
    assert all(after >= before - 1 for (_, before), (_, after) in itertools.pairwise(pairs))


def test_shares_follow_the_root_of_the_sizes_and_become_equal():
    assert source_shares([900, 100], temperature=1.0) == [900, 100]
    assert source_shares([900, 100], temperature=2.0) == [750, 250]
    assert source_shares([900, 100], temperature=1e6) == [500, 500]


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0, 100.0])
def test_every_row_of_a_source_is_seen_equally_often_over_the_epochs(temperature):
    rows = sampler(57, sources=two_sources(50, 7), temperature=temperature)
    seen = Counter()
    for epoch in range(9):
        seen.update(rows.order(epoch).tolist())
        for members in (range(50), range(50, 57)):
            counts = [seen[row] for row in members]
            assert max(counts) - min(counts) <= 1
    small = sum(seen[row] for row in range(50, 57))
    assert small == 9 * source_shares([50, 7], temperature=temperature)[1]


def spreads(lengths, order):
    """Difference of the longest and the shortest row of each batch."""
    return [int(np.ptp(lengths[order[start : start + BATCH]])) for start in range(0, len(order), BATCH)]


def test_batches_have_rows_of_similar_length():
    lengths = np.random.default_rng(5).integers(3, 128, 1000)
    rows = MixedLengthSampler(lengths.tolist(), [0] * 1000, batch_size=BATCH, seed=0)
    ours = np.mean(spreads(lengths, rows.order(0)))
    shuffled = np.mean(spreads(lengths, np.random.default_rng(0).permutation(1000)))
    assert ours < shuffled / 10


def test_batches_do_not_come_in_order_of_length():
    lengths = np.arange(3, 403)
    rows = MixedLengthSampler(lengths.tolist(), [0] * 400, batch_size=BATCH, seed=0)
    means = lengths[rows.order(0)].reshape(-1, BATCH).mean(axis=1)
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.5


def test_batches_come_in_another_order_in_every_epoch():
    lengths = np.arange(3, 4003)
    rows = MixedLengthSampler(lengths.tolist(), [0] * 4000, batch_size=BATCH, seed=0)
    means = [lengths[rows.order(epoch)].reshape(-1, BATCH).mean(axis=1) for epoch in (0, 1)]
    assert np.allclose(sorted(means[0]), sorted(means[1]), atol=200)  # of similar lengths, not of the same sentences
    assert (abs(means[0] - means[1]) > 200).mean() > 0.5


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 400, 403, 800, 1237])
def test_only_the_last_batch_is_short(rows):
    """With a short batch in any other place, each batch after it would have the ends of two groups."""
    lengths = np.random.default_rng(5).integers(3, 2000, rows)
    order = MixedLengthSampler(lengths.tolist(), [0] * rows, batch_size=BATCH, seed=1).order(0)
    sorted_batches = {tuple(order[start : start + BATCH]) for start in range(0, rows, BATCH)}
    for batch in sorted_batches:
        inside = lengths[list(batch)]
        assert (np.diff(inside) >= 0).all()
    assert len(order) == rows


def test_sources_are_mixed():
    rows = sampler(400, sources=two_sources(200, 200))
    order = rows.order(0)
    assert 0.3 < (order[:200] < 200).mean() < 0.7
