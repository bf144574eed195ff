"""Exact bounds of shares: what a number of sentences can show."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_runtime.core.intervals import most_hits, share_bound, trials_needed


@pytest.mark.parametrize(("tasks", "sentences"), [(1, 598), (2, 736), (8, 1013)])
def test_so_many_sentences_without_a_flip_show_that_half_a_percent_differs_at_most(tasks, sentences):
    error = 0.05 / tasks
    assert trials_needed(0.005, error=error) == sentences
    assert share_bound(0, sentences, error=error) <= 0.005 < share_bound(0, sentences - 1, error=error)


# By scipy.stats.binom.cdf(hits, trials, share) <= 0.05.
@pytest.mark.parametrize(
    ("trials", "share", "hits"),
    [
        *((597, 0.005, None), (598, 0.005, 0), (1200, 0.005, 1), (2368, 0.005, 6), (5000, 0.005, 16)),
        *((20_000, 0.005, 83), (400, 0.01, 0), (1200, 0.01, 6), (2368, 0.01, 15), (400, 0.03, 6), (2368, 0.03, 57)),
    ],
)
def test_so_many_flips_are_allowed(trials, share, hits):
    assert most_hits(trials, share) == hits


# C. J. Clopper and E. S. Pearson's bound as Beta quantile: scipy.stats.beta.ppf(1 - error, hits + 1, trials - hits).
@pytest.mark.parametrize(
    ("hits", "trials", "error", "bound"),
    [
        (0, 10, 0.05, 0.258866),
        (3, 10, 0.05, 0.606624),
        (150, 2368, 0.025, 0.073918),
        (10, 10, 0.05, 1.0),
        (0, 0, 0.05, 1.0),
    ],
)
def test_the_bound_is_that_of_clopper_and_pearson(hits, trials, error, bound):
    assert share_bound(hits, trials, error=error) == pytest.approx(bound, abs=2e-6)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 3000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_a_bound_is_above_the_share_and_falls_with_the_trials(case):
    hits, trials = case
    assert hits / trials <= share_bound(hits, trials) <= 1.0
    assert share_bound(2 * hits, 2 * trials) <= share_bound(hits, trials) + 1e-9
