"""Interleaved rounds: every run in every round, in turn or in an order that is drawn."""

import logging
from functools import partial
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mtl_bench.processes.interleave import round_ratios, run_interleaved

NAMES = st.lists(st.sampled_from("abcdef"), min_size=1, unique=True)


def run_and_record(names, **options):
    """The order in which the runs ran, and the values by run: places in that order."""
    order = []

    def run(name):
        order.append(name)
        return len(order)

    return order, run_interleaved({name: partial(run, name) for name in names}, **options)


@given(NAMES, st.integers(0, 5), st.none() | st.integers(0, 9))
def test_every_round_runs_each_once_and_values_are_by_round(names, rounds, seed):
    order, values = run_and_record(names, rounds=rounds, shuffle_seed=seed)
    by_round = [order[start : start + len(names)] for start in range(0, len(order), len(names))]
    assert len(by_round) == rounds
    assert all(sorted(one_round) == sorted(names) for one_round in by_round)
    assert {name: [number + 1 for number, at in enumerate(order) if at == name] for name in names} == values


def test_the_first_of_a_round_is_the_last_of_the_one_before():
    assert "".join(run_and_record("abc", rounds=4)[0]) == "abccabbcaabc"


def test_with_a_seed_the_order_is_drawn_for_each_round_and_is_the_same_for_the_same_seed():
    order, _ = run_and_record("abcdef", rounds=20, shuffle_seed=1)
    assert order == run_and_record("abcdef", rounds=20, shuffle_seed=1)[0]
    assert order != run_and_record("abcdef", rounds=20, shuffle_seed=2)[0]
    followed = {(before, after) for before, after in pairwise(order)}
    assert len(followed) > 20  # in turn, there would be six pairs of neighbours


def test_rounds_with_a_stage_are_logged_as_stages_and_others_as_details(caplog):
    caplog.set_level(logging.DEBUG)
    run_and_record("a", rounds=1)
    run_and_record("a", rounds=2, stage="offline")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "round 1 of 1"),
        ("INFO", "offline, round 1 of 2"),
        ("INFO", "offline, round 2 of 2"),
    ]


def test_ratios_are_taken_round_by_round():
    assert round_ratios([6.0, 9.0], [2.0, 4.5]) == (3.0, 2.0)
