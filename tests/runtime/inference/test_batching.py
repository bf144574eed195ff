"""The batch plan: each text once, under the budget."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.inference.batching import plan_batches

lengths = st.lists(st.integers(min_value=0, max_value=600), max_size=200)
budgets = st.integers(min_value=1, max_value=5000)


@given(lengths, budgets)
def test_plans_cover_each_index_once(sizes, budget):
    batches = plan_batches(sizes, max_batch_tokens=budget)
    assert sorted(int(index) for batch in batches for index in batch) == list(range(len(sizes)))
    assert all(len(batch) for batch in batches)


@given(lengths, budgets)
def test_only_a_lone_text_may_exceed_the_budget(sizes, budget):
    for batch in plan_batches(sizes, max_batch_tokens=budget):
        longest = max(sizes[index] for index in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget


@given(lengths, budgets, st.integers(min_value=1, max_value=100))
def test_a_batch_holds_no_more_texts_than_it_may(sizes, budget, most):
    limited = plan_batches(sizes, max_batch_tokens=budget, max_batch_size=most)
    assert sorted(int(index) for batch in limited for index in batch) == list(range(len(sizes)))
    assert all(len(batch) <= most for batch in limited)


def cost(sizes, batches, overhead):
    return sum(overhead + len(batch) * max(1, *(sizes[index] for index in batch)) for batch in batches)


def ways_to_cut(count):
    """All lists of consecutive ranges that cover range(count)."""
    for inner in itertools.product((False, True), repeat=count - 1):
        bounds = [0, *(place for place, cut in enumerate(inner, 1) if cut), count]
        yield [range(*pair) for pair in itertools.pairwise(bounds)]


@given(
    st.lists(st.integers(min_value=0, max_value=40), min_size=1, max_size=8),
    st.integers(min_value=1, max_value=200),
    st.integers(min_value=1, max_value=8),
    st.integers(min_value=0, max_value=60),
)
def test_no_other_way_to_cut_sorted_texts_costs_less(sizes, budget, most, overhead):
    plan = plan_batches(sizes, max_batch_tokens=budget, max_batch_size=most, batch_overhead=overhead)
    falling = sorted(sizes, reverse=True)
    allowed = (
        way
        for way in ways_to_cut(len(sizes))
        if all(len(part) == 1 or (len(part) <= most and len(part) * max(1, falling[part[0]]) <= budget) for part in way)
    )
    assert cost(sizes, plan, overhead) == min(cost(falling, way, overhead) for way in allowed)


def test_a_batch_is_filled_where_batches_are_dear_and_hardly_padded_where_they_are_cheap():
    sizes = [40, 10, 10, 10]
    assert [len(batch) for batch in plan_batches(sizes, max_batch_tokens=512, batch_overhead=4096)] == [4]
    assert [len(batch) for batch in plan_batches(sizes, max_batch_tokens=512, batch_overhead=16)] == [1, 3]


@given(lengths, budgets)
def test_no_text_is_longer_than_those_in_the_batches_before(sizes, budget):
    order = [sizes[index] for batch in plan_batches(sizes, max_batch_tokens=budget) for index in batch]
    assert order == sorted(sizes, reverse=True)
