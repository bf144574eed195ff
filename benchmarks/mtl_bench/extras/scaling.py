"""variants of a bundle -> offline throughput along two axes: length of the texts, and cores cut into workers."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from mtl_bench.processes.interleave import interleaved
from mtl_bench.processes.worker_process import PREPARE, WorkerProcess, start_worker
from mtl_bench.results.schema import Lengths, Threads
from mtl_bench.systems.systems import System
from mtl_bench.workloads.length_profiles import PROFILES, synthetic
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.golden import GOLDEN_NAME, parse_golden
from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.providers.execution_config import worker_layouts

__all__ = ["lengths", "thread_counts", "threads"]

Step = Callable[[str], None]


def lengths(bundle: Bundle, rows: Mapping[str, System], *, rounds: int, step: Step) -> tuple[Lengths, ...]:
    """Every length profile with every variant, all variants in turn.

    Raises:
        ChildError: a variant failed.
    """
    golden = parse_golden(bundle.read(GOLDEN_NAME))
    words = sorted({word for text in golden for word in text.text.split()})
    found = []
    for profile, row in PROFILES.items():
        step(f"lengths: {row.title}")
        workload = synthetic(profile, words)
        settings = {name: dict(contender.settings) for name, contender in rows.items()}
        seconds = _timed(settings, workload.timed, rounds)
        found.append(
            Lengths(
                profile=profile,
                texts=len(workload.timed),
                tokens=workload.facts(bundle).tokens,
                seconds={name: tuple(some) for name, some in seconds.items()},
            )
        )
    return tuple(found)


def threads(
    bundle: Bundle, rows: Mapping[str, System], texts: Sequence[str], *, rounds: int, step: Step
) -> tuple[Threads, ...]:
    """Every number of cores, cut into workers in every way that ``mtl verify`` tries, with every variant.

    Raises:
        ChildError: a variant failed.
    """
    found = []
    for name, row in rows.items():
        step(f"threads: {name}")
        provider = bundle.manifest.variants[name].provider
        cuts = dict.fromkeys(
            cut for cores in thread_counts(allowed_cores()) for cut in worker_layouts(provider, threads=cores)
        )
        settings = {
            f"{workers} x {each}": {**row.settings, "workers": workers, "threads": workers * each}
            for workers, each in cuts
        }
        seconds = _timed(settings, texts, rounds)
        for (workers, each), some in zip(cuts, seconds.values(), strict=True):
            found.append(Threads(variant=name, workers=workers, threads=each, seconds=tuple(some)))
    return tuple(found)


def thread_counts(cores: int) -> list[int]:
    """1, 2, 4 and so on, and all cores."""
    powers = [2**power for power in range(cores.bit_length()) if 2**power < cores]
    return [*powers, cores]


def _timed(settings: Mapping[str, Mapping[str, object]], texts: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """Seconds of offline passes of ours, opened with each of ``settings`` in a process of its own."""
    with contextlib.ExitStack() as stack:
        runs = {}
        for name, some in settings.items():
            process = stack.enter_context(
                start_worker(PREPARE, driver="mtl_bench.systems.mtl_system:open", settings=some, texts=list(texts))
            )
            process.run("warm_up", size=None)
            runs[name] = partial(_offline, process)
        return interleaved(runs, rounds=rounds)


def _offline(process: WorkerProcess) -> float:
    seconds: float = process.run("offline", size=None).value
    return seconds
