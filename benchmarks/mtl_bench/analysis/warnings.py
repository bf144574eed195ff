"""SystemResult -> warnings: why its figures may not be trusted; empty where there is no reason."""

from collections.abc import Iterator

import numpy as np

from mtl_bench.analysis.summary import flatten, percentile
from mtl_bench.results.scenarios import Values
from mtl_bench.results.schema import Report, SystemResult
from mtl_runtime.bundle.gate_config import DEFAULTS

__all__ = ["run_warnings", "system_warnings"]

# Largest of the rounds, or of the processes' medians, as a multiple of the smallest (after pyperf's warnings).
_MAX_ROUND_RATIO = 1.25
_MAX_PROCESS_RATIO = 1.10
# The interval of two processes is nine times their spread: it shows nothing.
_MIN_PROCESSES = 3
# 99th percentiles of single texts, as a multiple: of a hundred texts it is one value, which a single hiccup moves.
_MAX_TAIL_RATIO = 2.0
# Memory at the end of the soak as a multiple of that after a fifth of it.
_MAX_GROWTH = 1.10


def system_warnings(result: SystemResult) -> tuple[str, ...]:
    """Warnings about one row that ran."""
    return (*_warn_of_times(result), *_warn_of_memory(result), *_warn_of_answers(result))


def run_warnings(report: Report) -> tuple[tuple[str, str], ...]:
    """A system's name and a warning about it; those about the whole run come first and have an empty name."""
    of_systems = [(name, warning) for name, result in report.systems.items() for warning in result.warnings]
    return (*(("", warning) for warning in report.warnings), *of_systems)


def _warn_of_times(result: SystemResult) -> Iterator[str]:
    if result.offline is None:
        return
    rounds, processes = flatten(result.offline.seconds), len(result.offline.seconds)
    if processes < _MIN_PROCESSES:
        yield f"too few fresh processes ({processes}) for an interval that shows anything"
    if max(rounds) > _MAX_ROUND_RATIO * min(rounds):
        yield f"unstable: the slowest round took {max(rounds) / min(rounds):.2f} times the fastest"
    if (ratio := _process_ratio(result.offline.seconds)) > _MAX_PROCESS_RATIO:
        yield f"its processes differ: the slowest's median is {ratio:.2f} times the fastest's"
    stream = result.single_stream
    tails = [percentile(of_process, 99) for of_process in stream.latencies] if stream else []
    if tails and max(tails) > _MAX_TAIL_RATIO * min(tails):
        yield f"single texts: p99 lies between {1e3 * min(tails):.0f} and {1e3 * max(tails):.0f} ms in its processes"


def _warn_of_memory(result: SystemResult) -> Iterator[str]:
    memory = result.memory
    if memory is None or not memory.soaked or not memory.early:
        return
    growth = max(memory.soaked) / max(memory.early)
    if growth > _MAX_GROWTH:
        yield f"memory grew to {growth:.2f} times in {memory.soak_calls} calls"


def _warn_of_answers(result: SystemResult) -> Iterator[str]:
    if result.answers is None:
        return
    limits = DEFAULTS.get(result.precision or "")
    wanted = limits.min_agreement if limits else 0.0
    for task, share in result.answers.agreement.items():
        if share < wanted:
            yield f"{task}: {100 * share:.1f} % of cpu-fp32's answers, its precision should reach {100 * wanted:.0f} %"
    if result.kind == "ours" and result.status != "verified":
        yield f"{result.status or 'unverified'}: the gate has not passed it on this machine"


def _process_ratio(values: Values) -> float:
    medians = [float(np.median(rounds)) for rounds in values]
    return max(medians) / min(medians)
