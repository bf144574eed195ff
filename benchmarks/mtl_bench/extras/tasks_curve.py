"""bundle + variant + texts -> TasksCurve: N tasks as one graph and as N separate models, by N."""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate, chain
from pathlib import Path
from time import perf_counter
from typing import Any

from mtl_bench.extras.many_heads import round_robin, with_copied_heads
from mtl_bench.processes.interleave import run_interleaved
from mtl_bench.processes.worker_process import WorkerProcess, start_worker
from mtl_bench.results.extras import TasksCurve
from mtl_bench.worker.serve import Worker
from mtl_runtime import Classifier, load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.errors import MtlError

__all__ = ["COUNTS", "measure_tasks_curve", "prepare_one_graph", "prepare_separate"]

COUNTS = tuple(range(1, 9))
# A pass of one graph is so short that a busy neighbour shows in it; so many in a round separate a few percent from
# noise.
PASSES = 8

_log = logging.getLogger(__name__)
_ONE_GRAPH, _SEPARATE = "one graph", "separate models"
# An open graph takes its file's size, and about as much again for packed weights and activations.
_MEMORY_FACTOR = 2


def measure_tasks_curve(bundle: Bundle, variant: str, texts: Sequence[str], *, rounds: int, folder: Path) -> TasksCurve:
    """Time 1 to 8 tasks, the bundle's own in turn, as one graph and as separate models.

    Both sides answer the same texts with the variant's graph, runtime and execution settings, each side in a process of
    its own. Every round runs each count of tasks as one graph, ``PASSES`` times in turn, and the separate models one
    after another, as so many services would compute; the time of N separate models in that round is what the first N of
    them take together. Another model begins each round. Opening and warming up are not timed.

    Args:
        bundle: any whose graph of ``variant`` holds its weights.
        variant: one that runs here.
        texts: duplicates are left out.
        rounds: of interleaved runs.
        folder: for temporary bundles; about nine times the graph's size.

    Raises:
        MtlError: the graph cannot be copied, or two times eight open ones are more than this machine's memory.
        WorkerError: a side cannot be opened, or failed.
    """
    _check_memory(bundle, variant)
    distinct = list(dict.fromkeys(texts))
    _log.info("%s: bundles with 1 to %d tasks", variant, COUNTS[-1])
    whole, single = _write_bundles(bundle, variant, folder)
    arguments = {"texts": distinct, **_execution_settings(load(bundle.path, variant=variant))}
    with (
        start_worker(f"{__name__}:prepare_one_graph", bundles=whole, **arguments) as one_graph,
        start_worker(f"{__name__}:prepare_separate", bundles=single, **arguments) as separate,
    ):
        passes, laps = _time_sides(one_graph, separate, rounds)
    return TasksCurve(
        variant=variant,
        counts=COUNTS,
        one_graph=tuple(tuple(seconds[count] for seconds in passes) for count in COUNTS),
        separate=tuple(tuple(seconds[count - 1] for seconds in laps) for count in COUNTS),
        texts=len(distinct),
    )


def prepare_one_graph(*, bundles: Sequence[str], **arguments: Any) -> Worker:
    """In the worker process: one classifier for each count of tasks; a run is named by its number of tasks."""
    classifiers, texts = _open_all(bundles, **arguments)
    return Worker({str(len(classifier.tasks)): partial(_lap_times, [classifier], texts) for classifier in classifiers})


def prepare_separate(*, bundles: Sequence[str], **arguments: Any) -> Worker:
    """In the worker process: as many classifiers as bundles; a run gives the seconds after which each was done."""
    classifiers, texts = _open_all(bundles, **arguments)
    order = deque(classifiers)

    def answer() -> list[float]:
        order.rotate(1)
        return _lap_times(order, texts)

    return Worker({_SEPARATE: answer})


def _write_bundles(bundle: Bundle, variant: str, folder: Path) -> tuple[list[str], list[str]]:
    """Paths of the bundle for each count of tasks, and of the bundle for each separate model."""
    names = round_robin([task.name for task in bundle.manifest.tasks], COUNTS[-1])
    single = {
        name: with_copied_heads(bundle, variant, [name], folder / f"only-{name}").path for name in dict.fromkeys(names)
    }
    several = [
        with_copied_heads(bundle, variant, names[:count], folder / f"tasks-{count}").path for count in COUNTS[1:]
    ]
    return [str(path) for path in (single[names[0]], *several)], [str(single[name]) for name in names]


def _execution_settings(classifier: Classifier) -> Mapping[str, Any]:
    """The settings that ``load`` chooses for the bundle itself: the copies have no evidence to choose by."""
    info = classifier.info
    return {
        "variant": info.variant,
        "workers": info.workers,
        "threads": info.cores,
        "max_batch_tokens": info.max_batch_tokens,
    }


def _open_all(
    bundles: Sequence[str], *, texts: Sequence[str], **settings: Any
) -> tuple[list[Classifier], Sequence[str]]:
    return [load(bundle, **settings) for bundle in bundles], texts


def _lap_times(classifiers: Sequence[Classifier], texts: Sequence[str]) -> list[float]:
    """Seconds from the beginning until each classifier has answered all texts."""
    seconds = []
    for classifier in classifiers:
        start = perf_counter()
        classifier(texts)
        seconds.append(perf_counter() - start)
    return list(accumulate(seconds))


def _time_sides(
    one_graph: WorkerProcess, separate: WorkerProcess, rounds: int
) -> tuple[Sequence[Mapping[int, float]], Sequence[Sequence[float]]]:
    """Seconds of every pass by count, and the laps of the separate models in every round; all after a warm-up."""
    order = deque(COUNTS)

    def run_passes() -> list[Mapping[int, float]]:
        passes: list[Mapping[int, float]] = []
        for _ in range(PASSES):
            passes.append({count: one_graph.run(str(count)).value[0] for count in order})
            order.rotate(1)
        return passes

    runs: Mapping[str, Callable[[], list[Any]]] = {
        _ONE_GRAPH: run_passes,
        _SEPARATE: lambda: separate.run(_SEPARATE).value,
    }
    run_interleaved(runs, rounds=1)
    values = run_interleaved(runs, rounds=rounds, stage="tasks curve")
    return list(chain.from_iterable(values[_ONE_GRAPH])), values[_SEPARATE]


def _check_memory(bundle: Bundle, variant: str) -> None:
    graph = bundle.manifest.variants[variant].graph
    needed = 2 * len(COUNTS) * _MEMORY_FACTOR * bundle.manifest.files[graph].bytes
    available = _available_bytes()
    if available is not None and needed > available:
        raise MtlError(
            f"{2 * len(COUNTS)} open graphs of {variant} take about {needed / 2**30:.1f} GB, and "
            f"{available / 2**30:.1f} GB of memory are free; take a variant with a smaller graph, or another machine"
        )


def _available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Memory that is available without swapping; None where the system does not report it."""
    try:
        lines = meminfo.read_text("utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
