"""a system's process at the end of the last launch -> its labels, its server scenario and its soak."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtl_bench.effort import Effort
from mtl_bench.processes.reply_checks import check_labels
from mtl_bench.processes.worker_process import WorkerError, WorkerProcess
from mtl_bench.results.scenarios import Server
from mtl_bench.suite.max_rate_search import search_max_rate
from mtl_bench.worker.system import Labels
from mtl_runtime.bundle.manifest import TaskSpec

__all__ = ["FinalResults", "FinalScenarios", "run_final_scenarios"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalScenarios:
    """What is asked of one process of each system."""

    tasks: Sequence[TaskSpec]
    scored: Sequence[str]  # texts whose answers are scored
    timed_texts: int
    bound: float  # seconds, of the server scenario's 99th percentile
    effort: Effort


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalResults:
    """What it gave; what was not measured is None."""

    labels: Labels
    server: Server | None = None
    soak: Mapping[str, int] | None = None  # resident memory, early and at the end
    warnings: tuple[str, ...] = ()


def run_final_scenarios(
    process: WorkerProcess, scenarios: FinalScenarios, *, size: int, seconds: Sequence[float]
) -> FinalResults:
    """Ask for labels, then for the server scenario and the soak.

    Args:
        process: of the system.
        scenarios: to run.
        size: of its batches.
        seconds: of its offline passes, by round.

    Raises:
        WorkerError: it failed to give labels; where the rest fails, a warning says so.
    """
    labels = process.run("labels", size=size, texts=list(scenarios.scored)).value
    check_labels(labels, scenarios.tasks, len(scenarios.scored))
    server, soak, warnings = None, None, list[str]()
    try:
        if scenarios.effort.server_steps:
            server = _run_server(process, scenarios, size, offline=scenarios.timed_texts / min(seconds))
        if scenarios.effort.soak_calls:
            soak = process.run("soak", calls=scenarios.effort.soak_calls, size=size).value
    except WorkerError as error:
        warnings.append(f"the server scenario or the soak failed: {error}")
    return FinalResults(labels=labels, server=server, soak=soak, warnings=tuple(warnings))


def _run_server(process: WorkerProcess, scenarios: FinalScenarios, size: int, *, offline: float) -> Server:
    return search_max_rate(
        process,
        size=size,
        texts=scenarios.timed_texts,
        offline=offline,
        bound=scenarios.bound,
        steps=scenarios.effort.server_steps,
        seconds=scenarios.effort.server_seconds,
    )
