"""Which size of batches is taken."""

from hypothesis import given
from hypothesis import strategies as st

from mtl_bench.results.schema import Swept
from mtl_bench.suite.batch_size_sweep import chosen, sweep


class Process:
    """Stands for a process that answers 8 texts at 100 texts per second, 32 at 200."""

    facts = {"sizes": [8, 32]}  # noqa: RUF012

    def __init__(self, rates={8: 100, 32: 200}):  # noqa: B006
        self.asked, self.rates = [], rates

    def run(self, name, *, size, count):
        self.asked.append((name, size, count))
        return type("Done", (), {"value": count / self.rates[size]})


def test_every_size_is_warmed_up_and_timed_long_enough():
    process = Process()
    assert {one.size: one.texts_per_second for one in sweep(process, 64)} == {8: 100, 32: 200}
    assert process.asked[:2] == [("warm_up", 8, 32), ("offline", 8, 64)]  # 0.64 s: one pass tells enough
    assert process.asked.count(("offline", 32, 64)) == 2  # 0.32 s each


@given(rates=st.lists(st.floats(1, 1000), min_size=1, max_size=6), usual=st.integers(0, 6))
def test_the_usual_size_stays_unless_another_is_a_tenth_faster(rates, usual):
    swept = [Swept(size=number, texts_per_second=rate) for number, rate in enumerate(rates)]
    taken = chosen(Process(dict(enumerate(rates))), swept, usual, 64)
    best = max(rates)
    assert rates[taken] * 1.1 >= best * (1 - 1e-9)
    if usual < len(rates) and best <= 1.1 * rates[usual]:
        assert taken == usual


def test_a_size_that_was_faster_in_the_sweep_alone_is_not_taken():
    swept = [Swept(size=8, texts_per_second=100), Swept(size=32, texts_per_second=150)]
    process = Process({8: 150, 32: 150})
    assert chosen(process, swept, 8, 64) == 8
    assert process.asked == [("offline", 8, 64), ("offline", 32, 64)] * 5
    assert chosen(process, swept, None, 64) == 32
