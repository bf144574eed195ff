"""The choice of a batch size."""

from hypothesis import given
from hypothesis import strategies as st

from mtl_bench.results.scenarios import SweepPoint
from mtl_bench.suite.batch_size_sweep import choose_batch_size, sweep_batch_sizes


class Process:
    """Stands for a process that answers 8 texts at 100 texts per second, 32 at 200."""

    facts = {"sizes": [8, 32]}  # noqa: RUF012

    def __init__(self, rates={8: 100, 32: 200}):  # noqa: B006
        self.asked, self.rates = [], rates

    def run(self, name, *, size, count):
        self.asked.append((name, size, count))
        return type("Reply", (), {"value": count / self.rates[size]})


def test_every_size_is_warmed_up_and_timed_long_enough():
    process = Process()
    assert {point.size: point.texts_per_second for point in sweep_batch_sizes(process, 64)} == {8: 100, 32: 200}
    assert process.asked[:2] == [("warm_up", 8, 32), ("offline", 8, 64)]  # 0.64 s: one pass is enough
    assert process.asked.count(("offline", 32, 64)) == 2  # 0.32 s each


@given(rates=st.lists(st.floats(1, 1000), min_size=1, max_size=6), usual=st.integers(0, 6))
def test_the_usual_size_stays_unless_another_is_a_tenth_faster(rates, usual):
    sweep = [SweepPoint(size=number, texts_per_second=rate) for number, rate in enumerate(rates)]
    size = choose_batch_size(Process(dict(enumerate(rates))), sweep, usual, 64)
    best = max(rates)
    assert rates[size] * 1.1 >= best * (1 - 1e-9)
    if usual < len(rates) and best <= 1.1 * rates[usual]:
        assert size == usual


def test_a_size_that_was_faster_in_the_sweep_alone_is_not_taken():
    sweep = [SweepPoint(size=8, texts_per_second=100), SweepPoint(size=32, texts_per_second=150)]
    process = Process({8: 150, 32: 150})
    assert choose_batch_size(process, sweep, 8, 64) == 8
    assert process.asked == [("offline", 8, 64), ("offline", 32, 64)] * 5
    assert choose_batch_size(process, sweep, None, 64) == 32
