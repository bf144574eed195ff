"""SystemResult -> why its figures may not be trusted, in words; empty where nothing speaks against them."""

from collections.abc import Iterator

import numpy as np

from mtl_bench.schema import SystemResult, Values
from mtl_bench.summary import pooled
from mtl_runtime.budgets import DEFAULTS

__all__ = ["row_doubts"]

# Ends of the rounds, or of the processes' medians, as a multiple: further apart is unstable (after pyperf's warnings).
_MOST_APART = 1.25
_PROCESSES_APART = 1.10
# An order-statistics interval of 95 % needs six.
_FEWEST_ROUNDS = 6
# Memory at the end of the soak as a multiple of that after a fifth of it.
_MOST_GROWTH = 1.10


def row_doubts(result: SystemResult) -> tuple[str, ...]:
    """Doubts about one row that ran."""
    return (*_of_times(result), *_of_memory(result), *_of_answers(result))


def _of_times(result: SystemResult) -> Iterator[str]:
    if result.offline is None:
        return
    rounds = pooled(result.offline.seconds)
    if len(rounds) < _FEWEST_ROUNDS:
        yield f"only {len(rounds)} rounds: too few for a 95 % interval"
    if max(rounds) > _MOST_APART * min(rounds):
        yield f"unstable: the slowest round took {max(rounds) / min(rounds):.2f} times the fastest"
    if (apart := _apart(result.offline.seconds)) > _PROCESSES_APART:
        yield f"its processes differ: the slowest's median is {apart:.2f} times the fastest's"


def _of_memory(result: SystemResult) -> Iterator[str]:
    memory = result.memory
    if memory is None or not memory.soaked or not memory.early:
        return
    growth = max(memory.soaked) / max(memory.early)
    if growth > _MOST_GROWTH:
        yield f"memory grew to {growth:.2f} times in {memory.soak_calls} calls"


def _of_answers(result: SystemResult) -> Iterator[str]:
    if result.answers is None:
        return
    budget = DEFAULTS.get(result.precision or "")
    least = budget.min_agreement if budget else 0.0
    for task, share in result.answers.agreement.items():
        if share < least:
            yield f"{task}: {100 * share:.1f} % of cpu-fp32's answers, its precision should keep {100 * least:.0f} %"
    if result.kind == "ours" and result.status != "verified":
        yield f"{result.status or 'unverified'}: the gate has not passed it on this machine"


def _apart(values: Values) -> float:
    medians = [float(np.median(some)) for some in values]
    return max(medians) / min(medians)
