"""systems + texts -> LaunchResult: what one fresh process of each system gave, its rounds interleaved with the others'.

A system that fails drops out, and the others go on.
"""

import contextlib
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from mtl_bench.effort import Effort
from mtl_bench.processes.gpu import gpu_clock, memory_by_process
from mtl_bench.processes.interleave import run_interleaved
from mtl_bench.processes.machine_reference import start_reference, time_reference
from mtl_bench.processes.worker_process import WorkerError, WorkerProcess
from mtl_bench.results.scenarios import BatchUnit
from mtl_bench.suite.batch_size_sweep import BatchSize
from mtl_bench.suite.final_scenarios import FinalResults, FinalScenarios, run_final_scenarios
from mtl_bench.suite.system_processes import SystemProcesses, start_system
from mtl_bench.systems.systems import System

__all__ = ["LaunchResult", "MachineReference", "SystemMeasurements", "run_launch"]

T = TypeVar("T")

_log = logging.getLogger(__name__)
_REFERENCE = "reference product"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemMeasurements:
    """What the processes of one system gave in one launch."""

    batch_size: BatchSize
    unit: BatchUnit  # of the batch size
    facts: Mapping[str, str]
    cold_seconds: float
    load_seconds: float
    loaded_bytes: int
    seconds: tuple[float, ...]  # offline, by round
    kernel_seconds: tuple[float, ...]  # of the same rounds; empty: not separable
    latencies: tuple[float, ...]  # of single texts
    peak_bytes: int | None = None  # None: the sweep ran in this process
    device_bytes: int | None = None
    gpu_clock: str | None = None
    final: FinalResults | None = None  # of the last launch


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineReference:
    """Seconds of the reference product in one launch, by round."""

    cold: float  # before the systems were started
    offline: tuple[float, ...]
    streams: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchResult:
    """One launch: every system is in ``systems`` or in ``failures``."""

    systems: Mapping[str, SystemMeasurements]
    failures: Mapping[str, str]  # why a system dropped out
    reference: MachineReference


@dataclass(frozen=True, slots=True)
class _Running:
    """The processes of a launch, and the systems that have dropped out of it."""

    processes: dict[str, SystemProcesses] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def attempt(self, name: str, run: Callable[[], T]) -> T | None:
        """The value of ``run``; None where the system drops out with it, or has dropped out before."""
        if name in self.failures:
            return None
        try:
            return run()
        except WorkerError as error:
            self.failures[name] = _first_line(error)
            _log.info("%s drops out: %s", name, self.failures[name])
            return None

    def run_rounds(
        self, run: Callable[[str, SystemProcesses], T], *, rounds: int, stage: str, reference: WorkerProcess
    ) -> tuple[dict[str, list[T]], tuple[float, ...]]:
        """Values by round of each system that is left, and the reference's seconds in the same rounds."""
        runs: dict[str, Callable[[], Any]] = {_REFERENCE: partial(time_reference, reference)}
        for name, processes in self.processes.items():
            runs[name] = partial(self.attempt, name, partial(run, name, processes))
        values = run_interleaved(runs, rounds=rounds, stage=stage)
        seconds = tuple(values.pop(_REFERENCE))
        return {name: of_system for name, of_system in values.items() if name not in self.failures}, seconds


def run_launch(
    systems: Mapping[str, System],
    texts: Sequence[str],
    effort: Effort,
    *,
    batch_sizes: Mapping[str, BatchSize],
    final: FinalScenarios | None = None,
) -> LaunchResult:
    """Start a fresh process of each system, and let all run in turn.

    Args:
        systems: by name.
        texts: that are timed.
        effort: of the run.
        batch_sizes: from an earlier launch, by name; a system without one sweeps its sizes.
        final: scenarios at the end of the last launch.

    Raises:
        MtlError: the reference product failed.
    """
    with contextlib.ExitStack() as stack:
        reference = stack.enter_context(start_reference())
        time_reference(reference)  # the first one warms up
        cold = time_reference(reference)
        running = _start_all(systems, texts, effort.sweep_texts, batch_sizes, stack)
        passes, offline = running.run_rounds(
            lambda _, processes: processes.time_offline(), rounds=effort.rounds, stage="offline", reference=reference
        )
        devices = _device_fields(running)
        latencies, streams = _time_streams(running, effort, reference)
        measurements: dict[str, SystemMeasurements] = {}
        for name, of_system in latencies.items():
            processes, device = running.processes[name], devices.get(name, {})
            collect = partial(_collect, name, processes, passes[name], of_system, device, final)
            if (collected := running.attempt(name, collect)) is not None:
                measurements[name] = collected
    return LaunchResult(
        systems=measurements,
        failures=running.failures,
        reference=MachineReference(cold=cold, offline=offline, streams=streams),
    )


def _start_all(
    systems: Mapping[str, System],
    texts: Sequence[str],
    sweep_texts: int,
    batch_sizes: Mapping[str, BatchSize],
    stack: contextlib.ExitStack,
) -> _Running:
    running = _Running()
    for name, system in systems.items():
        _log.info("%s: starting, warming up", name)
        size = batch_sizes.get(name)
        start = partial(start_system, system, texts, sweep_texts=sweep_texts, earlier_size=size, stack=stack)
        if (processes := running.attempt(name, start)) is not None:
            running.processes[name] = processes
    return running


def _device_fields(running: _Running) -> Mapping[str, Mapping[str, Any]]:
    """Memory that each system holds on a GPU right after the rounds, and the GPU's clock; by system."""
    bytes_by_process = memory_by_process()
    pids = {name: processes.main.pid for name, processes in running.processes.items()}
    on_device = {name: pid for name, pid in pids.items() if pid in bytes_by_process}
    clock = gpu_clock() if on_device else None
    return {name: {"device_bytes": bytes_by_process[pid], "gpu_clock": clock} for name, pid in on_device.items()}


def _time_streams(
    running: _Running, effort: Effort, reference: WorkerProcess
) -> tuple[dict[str, list[float]], tuple[float, ...]]:
    """Single texts in blocks, a block of each system in turn."""
    block = max(1, effort.single_texts // effort.rounds)
    firsts = {name: itertools.count(0, block) for name in running.processes}

    def time_block(name: str, processes: SystemProcesses) -> list[float]:
        return processes.time_single_texts(block, next(firsts[name]))

    blocks, seconds = running.run_rounds(time_block, rounds=effort.rounds, stage="single-stream", reference=reference)
    return {name: list(itertools.chain(*of_system)) for name, of_system in blocks.items()}, seconds


def _collect(
    name: str,
    processes: SystemProcesses,
    passes: Sequence[tuple[float, float | None]],
    latencies: Sequence[float],
    device: Mapping[str, Any],
    final: FinalScenarios | None,
) -> SystemMeasurements:
    """All measurements of one system, those that its process still has to make included."""
    facts, seconds = processes.main.facts, tuple(of_pass for of_pass, _ in passes)
    kernel_seconds = tuple(kernel for _, kernel in passes if kernel is not None)
    peak_bytes = processes.peak_bytes()
    return SystemMeasurements(
        batch_size=processes.batch_size,
        unit=facts["unit"],
        facts=facts["facts"],
        cold_seconds=processes.cold_seconds,
        load_seconds=facts["load_seconds"],
        loaded_bytes=facts["loaded_bytes"],
        seconds=seconds,
        kernel_seconds=kernel_seconds if len(kernel_seconds) == len(seconds) else (),
        latencies=tuple(latencies),
        peak_bytes=peak_bytes,
        final=_run_final(name, processes, final, seconds) if final is not None else None,
        **device,
    )


def _run_final(name: str, processes: SystemProcesses, final: FinalScenarios, seconds: Sequence[float]) -> FinalResults:
    _log.info("%s: answers, server, soak", name)
    return run_final_scenarios(processes.main, final, size=processes.batch_size.size, seconds=seconds)


def _first_line(error: WorkerError) -> str:
    message = str(error).strip() or "it gave no reason"
    return message.splitlines()[0].encode("utf-8", "replace").decode()  # any bytes may have been in it
