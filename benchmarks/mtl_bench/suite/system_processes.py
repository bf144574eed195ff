"""a system -> its fresh processes in one launch, warmed up: one that computes, and one for single texts."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from mtl_bench.processes.reply_checks import check_facts
from mtl_bench.processes.worker_process import PREPARE_SCENARIOS, WorkerProcess, start_worker
from mtl_bench.suite.batch_size_sweep import BatchSize, find_batch_size
from mtl_bench.systems.systems import System

__all__ = ["SystemProcesses", "start_process", "start_system"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemProcesses:
    """One system's processes in one launch."""

    main: WorkerProcess
    single_text: WorkerProcess  # the same one where the settings for single texts are the same
    batch_size: BatchSize
    swept: bool  # whether the sweep ran in this process
    cold_seconds: float  # from its start to its first answer

    def time_offline(self) -> tuple[float, float | None]:
        """Seconds of a pass, and of its batches in the model alone; None: not separable."""
        size = self.batch_size.size
        seconds = self.main.run("offline", size=size).value
        kernel_seconds = self.main.run("kernel", size=size).value if self.main.facts["separable"] else None
        return seconds, kernel_seconds

    def time_single_texts(self, count: int, first: int) -> list[float]:
        """Seconds of ``count`` single texts, from text ``first`` on."""
        # The block before was another system's: its traces are in the caches.
        self.single_text.run("single_stream", count=1)
        latencies: list[float] = self.single_text.run("single_stream", count=count, first=first).value
        return latencies

    def peak_bytes(self) -> int | None:
        """Highest memory; None after a sweep, for the sizes that were not chosen would count."""
        return None if self.swept else int(self.main.run("memory").value["peak"])


def start_process(
    system: System, settings: Mapping[str, Any], texts: Sequence[str]
) -> AbstractContextManager[WorkerProcess]:
    """A process that opens the system with these settings; it ends with the block."""
    return start_worker(
        PREPARE_SCENARIOS,
        environment=system.environment,
        log=system.log,
        driver=system.driver,
        settings=dict(settings),
        texts=list(texts),
    )


def start_system(
    system: System,
    texts: Sequence[str],
    *,
    sweep_texts: int,
    earlier_size: BatchSize | None,
    stack: contextlib.ExitStack,
) -> SystemProcesses:
    """Start a system's processes, and warm them up.

    Args:
        system: to start.
        texts: that are timed.
        sweep_texts: in a pass of the sweep.
        earlier_size: batch size of an earlier launch; None: the sizes are swept.
        stack: ends the processes.

    Raises:
        WorkerError: it failed.
    """
    main = stack.enter_context(start_process(system, system.settings, texts))
    check_facts(main.facts)
    main.run("single_stream", count=1)
    cold_seconds = time.perf_counter() - main.started
    batch_size = earlier_size or find_batch_size(main, min(sweep_texts, len(texts)))
    main.run("warm_up", size=batch_size.size)
    single_text = main
    if system.single_text_settings is not None:
        single_text = stack.enter_context(start_process(system, system.single_text_settings, texts))
    single_text.run("single_stream", count=10)
    return SystemProcesses(
        main=main,
        single_text=single_text,
        batch_size=batch_size,
        swept=earlier_size is None,
        cold_seconds=cold_seconds,
    )
