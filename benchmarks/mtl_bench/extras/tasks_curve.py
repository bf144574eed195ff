"""bundle + variant + texts -> TasksCurve: N tasks as one graph beside N models, and what each N takes beside one."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate, chain
from pathlib import Path
from time import perf_counter
from typing import Any

from mtl_bench.extras.many_heads import round_robin, with_copied_heads
from mtl_bench.processes.interleave import interleaved
from mtl_bench.processes.worker_process import WorkerProcess, start_worker
from mtl_bench.results.schema import TasksCurve
from mtl_bench.worker.child import Worker
from mtl_runtime import Classifier, load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.errors import MtlError

__all__ = ["COUNTS", "one_graph", "separate", "tasks_curve"]

COUNTS = tuple(range(1, 9))
# A pass of one graph is so short that a neighbour shows in it; so many in a round tell a few percent from noise.
PASSES = 8
_TOGETHER, _SEPARATE = "one graph", "separate models"
# An open graph takes its file's size, and about as much again for packed weights and activations.
_MEMORY_FACTOR = 2


def tasks_curve(
    bundle: Bundle,
    variant: str,
    texts: Sequence[str],
    *,
    rounds: int,
    folder: Path,
    report: Callable[[str], None],
) -> TasksCurve:
    """Time 1 to 8 tasks, the bundle's own in turn, as one graph and as separate models.

    Both sides answer the same texts with the variant's graph, runtime and pace, each side in a process of its own.
    Every round runs each count of tasks as one graph, ``PASSES`` times in turn, and the separate models one after
    another, as so many services would compute; what the first N of them take together is the time of N separate models
    in that round. Another model begins each round. Opening and warming up are not timed.

    Args:
        bundle: any whose graph of ``variant`` holds its weights.
        variant: one that runs here.
        texts: doubled ones are left out.
        rounds: of interleaved runs.
        folder: for bundles in passing; about nine times the graph's size.
        report: is told each stage.

    Raises:
        MtlError: the graph cannot be copied, or two times eight open ones are more than this machine's memory.
        ChildError: a side cannot be opened, or failed.
    """
    _check_memory(bundle, variant)
    distinct = list(dict.fromkeys(texts))
    report(f"{variant}: bundles with 1 to {COUNTS[-1]} tasks")
    together, alone = _made(bundle, variant, folder)
    given = {"texts": distinct, **_pace(load(bundle.path, variant=variant))}
    with (
        start_worker(f"{__name__}:one_graph", bundles=together, **given) as ours,
        start_worker(f"{__name__}:separate", bundles=alone, **given) as theirs,
    ):
        passes, laps = _timed(ours, theirs, rounds, report)
    return TasksCurve(
        variant=variant,
        counts=COUNTS,
        one_graph=tuple(tuple(seconds[count] for seconds in passes) for count in COUNTS),
        separate=tuple(tuple(seconds[count - 1] for seconds in laps) for count in COUNTS),
        texts=len(distinct),
    )


def one_graph(*, bundles: Sequence[str], **given: Any) -> Worker:
    """In the child: one classifier for each count of tasks, run by its number of tasks."""
    classifiers, texts = _opened(bundles, **given)
    return Worker({str(len(opened.tasks)): partial(_laps, [opened], texts) for opened in classifiers})


def separate(*, bundles: Sequence[str], **given: Any) -> Worker:
    """In the child: as many classifiers as bundles; a run gives the seconds after which each was done."""
    classifiers, texts = _opened(bundles, **given)
    order = deque(classifiers)

    def answer() -> list[float]:
        order.rotate(1)
        return _laps(order, texts)

    return Worker({_SEPARATE: answer})


def _made(bundle: Bundle, variant: str, folder: Path) -> tuple[list[str], list[str]]:
    """Paths of the bundle for each count of tasks, and of the bundle for each separate model."""
    names = round_robin([task.name for task in bundle.manifest.tasks], COUNTS[-1])
    single = {
        name: with_copied_heads(bundle, variant, [name], folder / f"only-{name}").path for name in dict.fromkeys(names)
    }
    several = [
        with_copied_heads(bundle, variant, names[:count], folder / f"tasks-{count}").path for count in COUNTS[1:]
    ]
    return [str(path) for path in (single[names[0]], *several)], [str(single[name]) for name in names]


def _pace(classifier: Classifier) -> Mapping[str, Any]:
    """What ``load`` takes of the bundle itself, whose evidence the copies have not."""
    info = classifier.info
    return {
        "variant": info.variant,
        "workers": info.workers,
        "threads": info.cores,
        "max_batch_tokens": info.max_batch_tokens,
    }


def _opened(bundles: Sequence[str], *, texts: Sequence[str], **settings: Any) -> tuple[list[Classifier], Sequence[str]]:
    return [load(bundle, **settings) for bundle in bundles], texts


def _laps(classifiers: Sequence[Classifier], texts: Sequence[str]) -> list[float]:
    """Seconds from the beginning until each classifier has answered all texts."""
    seconds = []
    for classifier in classifiers:
        start = perf_counter()
        classifier(texts)
        seconds.append(perf_counter() - start)
    return list(accumulate(seconds))


def _timed(
    ours: WorkerProcess, theirs: WorkerProcess, rounds: int, report: Callable[[str], None]
) -> tuple[Sequence[Mapping[int, float]], Sequence[Sequence[float]]]:
    """Seconds of every pass by count, and what the separate models told in every round; all after a warm-up."""
    order = deque(COUNTS)

    def together() -> list[Mapping[int, float]]:
        passes: list[Mapping[int, float]] = []
        for _ in range(PASSES):
            passes.append({count: ours.run(str(count)).value[0] for count in order})
            order.rotate(1)
        return passes

    runs: Mapping[str, Callable[[], list[Any]]] = {_TOGETHER: together, _SEPARATE: lambda: theirs.run(_SEPARATE).value}
    interleaved(runs, rounds=1)
    found = interleaved(runs, rounds=rounds, report=report)
    return list(chain.from_iterable(found[_TOGETHER])), found[_SEPARATE]


def _check_memory(bundle: Bundle, variant: str) -> None:
    graph = bundle.manifest.variants[variant].graph
    needed = 2 * len(COUNTS) * _MEMORY_FACTOR * bundle.manifest.files[graph].bytes
    available = _available()
    if available is not None and needed > available:
        raise MtlError(
            f"{2 * len(COUNTS)} open graphs of {variant} take about {needed / 2**30:.1f} GB, and "
            f"{available / 2**30:.1f} GB of memory are free; take a variant with a smaller graph, or another machine"
        )


def _available(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes of memory that can be had without swapping; None where the system does not tell."""
    try:
        lines = meminfo.read_text("utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
