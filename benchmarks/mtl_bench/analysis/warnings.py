"""SystemResult -> why its figures may not be trusted, in words; empty where nothing speaks against them."""

from collections.abc import Iterator

import numpy as np

from mtl_bench.analysis.summary import percentile, pooled
from mtl_bench.results.schema import SystemResult, Values
from mtl_runtime.bundle.gate_config import DEFAULTS

__all__ = ["row_warnings"]

# Ends of the rounds, or of the processes' medians, as a multiple: further apart is unstable (after pyperf's warnings).
_MOST_APART = 1.25
_PROCESSES_APART = 1.10
# The interval of two is nine times their spread: it says nothing.
_FEWEST_PROCESSES = 3
# 99th percentiles of single texts, as a multiple: a hundred texts have one, which a single hiccup moves.
_TAILS_APART = 2.0
# Memory at the end of the soak as a multiple of that after a fifth of it.
_MOST_GROWTH = 1.10


def row_warnings(result: SystemResult) -> tuple[str, ...]:
    """Doubts about one row that ran."""
    return (*_of_times(result), *_of_memory(result), *_of_answers(result))


def _of_times(result: SystemResult) -> Iterator[str]:
    if result.offline is None:
        return
    rounds, processes = pooled(result.offline.seconds), len(result.offline.seconds)
    if processes < _FEWEST_PROCESSES:
        yield f"too few fresh processes ({processes}) for an interval that says anything"
    if max(rounds) > _MOST_APART * min(rounds):
        yield f"unstable: the slowest round took {max(rounds) / min(rounds):.2f} times the fastest"
    if (apart := _apart(result.offline.seconds)) > _PROCESSES_APART:
        yield f"its processes differ: the slowest's median is {apart:.2f} times the fastest's"
    tails = [percentile(some, 99) for some in result.single_stream.latencies] if result.single_stream else []
    if tails and max(tails) > _TAILS_APART * min(tails):
        yield f"single texts: p99 lies between {1e3 * min(tails):.0f} and {1e3 * max(tails):.0f} ms in its processes"


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
