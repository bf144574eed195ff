"""95 % intervals of shares."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.core.intervals import wilson_interval


# R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3
@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_wilson_interval_equals_published_values(hits, trials, low, high):
    assert wilson_interval(hits, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_the_wilson_interval_holds_the_share_and_mirrors(case):
    hits, trials = case
    low, high = wilson_interval(hits, trials)
    assert 0.0 <= low <= hits / trials + 1e-12
    assert hits / trials - 1e-12 <= high <= 1.0
    mirrored = wilson_interval(trials - hits, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)
    wider = wilson_interval(hits, trials)[1] - wilson_interval(hits, trials)[0]
    narrower = np.subtract(*wilson_interval(hits * 10, trials * 10)[::-1])
    assert narrower < wider


@pytest.mark.parametrize("trials", [1, 7, 2354, 2368])
def test_all_or_none_of_the_trials_reach_the_end_exactly(trials):
    assert wilson_interval(trials, trials)[1] == 1.0
    assert wilson_interval(0, trials)[0] == 0.0


def test_no_trials_say_nothing():
    assert wilson_interval(0, 0) == (0.0, 1.0)
