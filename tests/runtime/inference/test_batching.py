"""The batch plan: each text once, under the budget."""

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
def test_a_batch_holds_no_more_texts_than_it_may_and_is_full_wherever_it_can_be(sizes, budget, most):
    limited = plan_batches(sizes, max_batch_tokens=budget, max_batch_size=most)
    assert sorted(int(index) for batch in limited for index in batch) == list(range(len(sizes)))
    assert all(len(batch) <= most for batch in limited)
    for batch in limited[:-1]:
        assert len(batch) == most or (len(batch) + 1) * max(1, sizes[batch[0]]) > budget


@given(lengths, budgets)
def test_no_text_is_longer_than_those_in_the_batches_before(sizes, budget):
    order = [sizes[index] for batch in plan_batches(sizes, max_batch_tokens=budget) for index in batch]
    assert order == sorted(sizes, reverse=True)
