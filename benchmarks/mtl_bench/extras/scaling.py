"""variants of a bundle -> offline throughput by length of the texts, and by number of cores and workers."""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from functools import partial

from mtl_bench.processes.interleave import run_interleaved
from mtl_bench.processes.worker_process import PREPARE_SCENARIOS, WorkerProcess, start_worker
from mtl_bench.results.extras import Lengths, Threads
from mtl_bench.systems.systems import System
from mtl_bench.workloads.length_profiles import PROFILES, synthetic_workload
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.golden import GOLDEN_NAME, parse_golden
from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.providers.execution_config import worker_layouts

__all__ = ["core_counts", "measure_lengths", "measure_threads"]

_log = logging.getLogger(__name__)


def measure_lengths(bundle: Bundle, systems: Mapping[str, System], *, rounds: int) -> tuple[Lengths, ...]:
    """Time every length profile with every variant, all variants in turn.

    Raises:
        WorkerError: a variant failed.
    """
    golden = parse_golden(bundle.read(GOLDEN_NAME))
    words = sorted({word for text in golden for word in text.text.split()})
    settings = {name: dict(system.settings) for name, system in systems.items()}
    lengths = []
    for profile, row in PROFILES.items():
        _log.info("lengths: %s", row.title)
        workload = synthetic_workload(profile, words)
        seconds = _time_settings(settings, workload.timed, rounds)
        lengths.append(
            Lengths(
                profile=profile,
                texts=len(workload.timed),
                tokens=workload.facts(bundle).tokens,
                seconds={name: tuple(by_round) for name, by_round in seconds.items()},
            )
        )
    return tuple(lengths)


def measure_threads(
    bundle: Bundle, systems: Mapping[str, System], texts: Sequence[str], *, rounds: int
) -> tuple[Threads, ...]:
    """Time every number of cores, divided among workers in every way that ``mtl verify`` tries, with every variant.

    Raises:
        WorkerError: a variant failed.
    """
    threads = []
    for name, system in systems.items():
        _log.info("threads: %s", name)
        layouts = _layouts(bundle.manifest.variants[name].provider)
        settings = {
            f"{workers} x {each}": {**system.settings, "workers": workers, "threads": workers * each}
            for workers, each in layouts
        }
        seconds = _time_settings(settings, texts, rounds)
        for (workers, each), by_round in zip(layouts, seconds.values(), strict=True):
            threads.append(Threads(variant=name, workers=workers, threads=each, seconds=tuple(by_round)))
    return tuple(threads)


def core_counts(cores: int) -> list[int]:
    """1, 2, 4 and so on, and all cores."""
    powers = [2**power for power in range(cores.bit_length()) if 2**power < cores]
    return [*powers, cores]


def _layouts(provider: str) -> list[tuple[int, int]]:
    """Workers, and threads of each, once each."""
    layouts = [layout for cores in core_counts(allowed_cores()) for layout in worker_layouts(provider, threads=cores)]
    return list(dict.fromkeys(layouts))


def _time_settings(
    settings: Mapping[str, Mapping[str, object]], texts: Sequence[str], rounds: int
) -> dict[str, list[float]]:
    """Seconds of offline passes of ours, opened with each of ``settings`` in a process of its own."""
    with contextlib.ExitStack() as stack:
        runs = {}
        for name, arguments in settings.items():
            process = stack.enter_context(
                start_worker(
                    PREPARE_SCENARIOS,
                    driver="mtl_bench.systems.mtl_system:open",
                    settings=arguments,
                    texts=list(texts),
                )
            )
            process.run("warm_up", size=None)
            runs[name] = partial(_offline_seconds, process)
        return run_interleaved(runs, rounds=rounds)


def _offline_seconds(process: WorkerProcess) -> float:
    return float(process.run("offline", size=None).value)
