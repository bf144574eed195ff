"""contenders + texts -> what each gave, fresh process by fresh process, its rounds interleaved with all others'."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mtl_bench.processes.gpu import clock, memory_by_process
from mtl_bench.processes.interleave import interleaved
from mtl_bench.processes.machine_reference import ALONE
from mtl_bench.processes.reply_checks import check_facts
from mtl_bench.processes.worker_process import PREPARE, WorkerError, WorkerProcess, start_worker
from mtl_bench.results.schema import Swept, Unit
from mtl_bench.suite.batch_size_sweep import chosen, sweep
from mtl_bench.suite.effort import Effort
from mtl_bench.systems.systems import System
from mtl_runtime.errors import MtlError

__all__ = ["Failures", "MachineReference", "SystemMeasurements", "opened", "run_launch"]

_REFERENCE = "reference product"

Failures = dict[str, str]  # why a system dropped out, by name
Step = Callable[[str], None]  # told what is done next


@dataclass(slots=True)
class SystemMeasurements:
    """What the processes of one system gave; lists are by process."""

    swept: tuple[Swept, ...] = ()
    size: int = 0  # of its batches
    seconds: list[list[float]] = field(default_factory=list)
    kernel: list[list[float]] = field(default_factory=list)
    latencies: list[list[float]] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    loading: list[float] = field(default_factory=list)
    loaded: list[int] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)
    device: list[int] = field(default_factory=list)
    clock: str | None = None  # of the GPU
    unit: Unit = "texts"
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MachineReference:
    """Seconds of the reference product in one sitting, by round."""

    cold: float  # before the systems were started
    offline: tuple[float, ...]
    streams: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _SystemProcesses:
    """One system's processes in one sitting: that which computes, and that which answers single texts."""

    main: WorkerProcess
    alone: WorkerProcess
    size: int
    swept: bool

    def offline(self) -> tuple[float, float | None]:
        seconds = self.main.run("offline", size=self.size).value
        kernel = self.main.run("kernel", size=self.size).value if self.main.facts["separable"] else None
        return seconds, kernel


@contextlib.contextmanager
def opened(row: System, settings: Mapping[str, Any], texts: Sequence[str]) -> Iterator[WorkerProcess]:
    """A process of that system."""
    with start_worker(
        PREPARE,
        environment=row.environment,
        log=row.log,
        driver=row.driver,
        settings=dict(settings),
        texts=list(texts),
    ) as process:
        yield process


def run_launch(
    rows: Mapping[str, System],
    texts: Sequence[str],
    amounts: Effort,
    *,
    found: Mapping[str, SystemMeasurements],
    failures: Failures,
    step: Step,
    after: Callable[[str, WorkerProcess], None],
) -> MachineReference:
    """Start a fresh process of each system, let all run in turn, and add what they gave to ``found``.

    Args:
        rows: systems by name; one that fails goes to ``failures`` and is left out from then on.
        texts: that are timed.
        amounts: how much.
        found: is added to.
        failures: is added to.
        step: is told what comes next.
        after: is called with each process that is left, at the end.

    Returns:
        What the reference product took beside the offline rounds, and beside the blocks of single texts.
    """
    with contextlib.ExitStack() as stack:
        reference = stack.enter_context(
            start_worker("mtl_bench.processes.machine_reference:prepare", environment=ALONE)
        )
        _product(reference)
        before = _product(reference)
        seats = {}
        for name, row in rows.items():
            step(f"{name}: starting, warming up")
            with _dropping(name, failures):
                seats[name] = _seated(row, texts, amounts.sweep_texts, found[name], stack)
        products = _rounds(seats, reference, amounts, found, failures, step)
        _note_device(seats, found)
        between = _streams(seats, reference, amounts, found, failures, step)
        for name, seat in seats.items():
            if name not in failures:
                found[name].facts = seat.main.facts["facts"]
                found[name].unit = seat.main.facts["unit"]
                found[name].loaded.append(seat.main.facts["loaded_bytes"])
                with _dropping(name, failures):
                    if not seat.swept:  # sizes that are not taken would count
                        found[name].peak.append(seat.main.run("memory").value["peak"])
                    after(name, seat.main)
    return MachineReference(before, tuple(products), tuple(between))


def _seated(
    row: System, texts: Sequence[str], sweep_texts: int, found: SystemMeasurements, stack: contextlib.ExitStack
) -> _SystemProcesses:
    """Its processes, warmed up; the first of a system sweeps the sizes of its batches."""
    main = stack.enter_context(opened(row, row.settings, texts))
    check_facts(main.facts)
    main.run("single_stream", count=1)
    found.cold.append(time.perf_counter() - main.started)
    found.loading.append(main.facts["load_seconds"])
    sweeps = not found.swept
    if sweeps:
        count = min(sweep_texts, len(texts))
        found.swept = sweep(main, count)
        found.size = chosen(main, found.swept, main.facts["usual"], count)
    main.run("warm_up", size=found.size)
    alone = main if row.alone is None else stack.enter_context(opened(row, row.alone, texts))
    alone.run("single_stream", count=10)
    return _SystemProcesses(main, alone, found.size, sweeps)


def _rounds(
    seats: Mapping[str, _SystemProcesses],
    reference: WorkerProcess,
    amounts: Effort,
    found: Mapping[str, SystemMeasurements],
    failures: Failures,
    step: Step,
) -> list[float]:
    runs: dict[str, Callable[[], Any]] = {_REFERENCE: partial(_product, reference)}
    runs |= {name: partial(_unless_failed, name, seat.offline, failures) for name, seat in seats.items()}
    done = interleaved(runs, rounds=amounts.rounds, report=lambda line: step(f"offline, {line}"))
    for name in seats:
        if name not in failures:
            found[name].seconds.append([seconds for seconds, _ in done[name]])
            if all(kernel is not None for _, kernel in done[name]):
                found[name].kernel.append([kernel for _, kernel in done[name]])
    return done[_REFERENCE]


def _note_device(seats: Mapping[str, _SystemProcesses], found: Mapping[str, SystemMeasurements]) -> None:
    """What each holds on a GPU, and the clock, right after the rounds."""
    used = memory_by_process()
    for name, seat in seats.items():
        if seat.main.pid in used:
            found[name].device.append(used[seat.main.pid])
            found[name].clock = clock()


def _streams(
    seats: Mapping[str, _SystemProcesses],
    reference: WorkerProcess,
    amounts: Effort,
    found: Mapping[str, SystemMeasurements],
    failures: Failures,
    step: Step,
) -> list[float]:
    """Single texts in blocks, a block of each system in turn."""
    block = max(1, amounts.stream // amounts.rounds)
    latencies: dict[str, list[float]] = {name: [] for name in seats}

    def stream(name: str, seat: _SystemProcesses) -> None:
        seat.alone.run("single_stream", count=1)  # the block before was another system's: caches are cold
        told = seat.alone.run("single_stream", count=block, first=len(latencies[name])).value
        latencies[name] += told

    runs: dict[str, Callable[[], Any]] = {_REFERENCE: partial(_product, reference)}
    runs |= {name: partial(_unless_failed, name, partial(stream, name, seat), failures) for name, seat in seats.items()}
    done = interleaved(runs, rounds=amounts.rounds, report=lambda line: step(f"single-stream, {line}"))
    for name in seats:
        if name not in failures:
            found[name].latencies.append(latencies[name])
    return done[_REFERENCE]


def _product(reference: WorkerProcess) -> float:
    """Its seconds; without it no figure can be trusted, so the run ends."""
    try:
        return float(reference.run("product").value)
    except WorkerError as error:
        raise MtlError(f"the reference product, which everything is held against, failed: {error}") from error


def _unless_failed(name: str, run: Callable[[], Any], failures: Failures) -> Any:
    told = None
    if name not in failures:
        with _dropping(name, failures):
            told = run()
    return told


@contextlib.contextmanager
def _dropping(name: str, failures: Failures) -> Iterator[None]:
    """A system that fails drops out, and the others go on."""
    try:
        yield
    except WorkerError as error:
        told = str(error).strip() or "it gave no reason"
        failures[name] = told.splitlines()[0].encode("utf-8", "replace").decode()  # any bytes may have been in it
