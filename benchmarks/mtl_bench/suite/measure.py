"""contenders + workload -> SystemResult of each: sweep, sittings, answers, server, memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mtl_bench.analysis.warnings import row_warnings
from mtl_bench.processes.reply_checks import check_labels
from mtl_bench.processes.worker_process import WorkerError, WorkerProcess
from mtl_bench.results.schema import ColdStart, Memory, Offline, Server, SingleStream, SystemResult, Values
from mtl_bench.suite.effort import Effort
from mtl_bench.suite.launches import Failures, MachineReference, SystemMeasurements, opened, run_launch
from mtl_bench.suite.max_rate_search import search
from mtl_bench.suite.scoring import score
from mtl_bench.systems.systems import REFERENCE, System
from mtl_bench.worker.system import Labels
from mtl_bench.workloads.workload import Workload
from mtl_runtime.bundle.manifest import TaskSpec

__all__ = ["Measured", "measure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All rows, and the reference product's seconds beside what was timed."""

    systems: Mapping[str, SystemResult]
    offline: Values  # by sitting and round
    streams: Values
    cold: Values


@dataclass(slots=True)
class _Extras:
    """What one process of a system tells beside its rounds; its last sitting asks."""

    labels: Labels | None = None
    server: Server | None = None
    soak: Mapping[str, int] | None = None  # resident memory, early and at the end
    doubts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One run of the suite."""

    rows: Mapping[str, System]
    workload: Workload
    tasks: Sequence[TaskSpec]
    amounts: Effort
    bound: float
    step: Callable[[str], None]
    failures: Failures
    found: Mapping[str, SystemMeasurements]
    extras: Mapping[str, _Extras]

    @property
    def left(self) -> dict[str, System]:
        """Those that have not failed."""
        return {name: row for name, row in self.rows.items() if name not in self.failures}


def measure(
    rows: Mapping[str, System],
    workload: Workload,
    tasks: Sequence[TaskSpec],
    amounts: Effort,
    *,
    reference: System,
    bound: float,
    commands: Mapping[str, str],
    step: Callable[[str], None],
) -> Measured:
    """Measure every row; one that fails is told with its error, and the others go on.

    Args:
        rows: systems by name.
        workload: texts and labels.
        tasks: of the bundle.
        amounts: how much is measured.
        reference: whose answers all others are compared with.
        bound: of the server scenario's 99th percentile, in seconds.
        commands: that measure a row alone, by name.
        step: is told what comes next.

    Raises:
        ChildError: the reference failed.
    """
    run = _Run(
        rows=rows,
        workload=workload,
        tasks=tasks,
        amounts=amounts,
        bound=bound,
        step=step,
        failures={name: row.problem for name, row in rows.items() if row.problem is not None},
        found={name: SystemMeasurements() for name in rows},
        extras={name: _Extras() for name in rows},
    )
    sittings = [_sitting(run, number) for number in range(amounts.sittings)]
    labels = _reference_labels(run, reference)
    systems = {}
    for name, row in rows.items():
        result = _described(row, commands[name])
        if name in run.failures:
            systems[name] = replace(result, error=run.failures[name])
            continue
        result = replace(result, status=_status(row, run.found[name]))
        answers = score(tasks, _known(run.extras[name].labels), labels, workload.truth)
        systems[name] = replace(_measured(run, name, result), answers=answers)
    doubted = {
        name: replace(result, doubts=(*row_warnings(result), *run.extras[name].doubts)) if result.ran else result
        for name, result in systems.items()
    }
    return Measured(
        systems=doubted,
        offline=tuple(product.offline for product in sittings),
        streams=tuple(product.streams for product in sittings),
        cold=tuple((product.cold,) for product in sittings),
    )


def _sitting(run: _Run, number: int) -> MachineReference:
    def after(name: str, process: WorkerProcess) -> None:
        if number == run.amounts.sittings - 1:
            run.step(f"{name}: answers, server, soak")
            _ask_extras(run, name, process)

    return run_launch(
        run.left,
        run.workload.timed,
        run.amounts,
        found=run.found,
        failures=run.failures,
        step=run.step,
        after=after,
    )


def _ask_extras(run: _Run, name: str, process: WorkerProcess) -> None:
    amounts, extras = run.amounts, run.extras[name]
    size = run.found[name].size
    labels = process.run("labels", size=size, texts=list(run.workload.judged)).value
    check_labels(labels, run.tasks, len(run.workload.judged))
    extras.labels = labels
    try:
        if amounts.server_steps:
            pace = len(run.workload.timed) / min(run.found[name].seconds[-1])
            extras.server = search(
                process,
                size=size,
                most=len(run.workload.timed),
                offline=pace,
                bound=run.bound,
                steps=amounts.server_steps,
                seconds=amounts.server_seconds,
            )
        if amounts.soak_calls:
            extras.soak = process.run("soak", calls=amounts.soak_calls, size=size).value
    except WorkerError as error:
        extras.doubts.append(f"the server scenario or the soak failed: {error}")


def _reference_labels(run: _Run, reference: System) -> Labels:
    """Those of cpu-fp32, which need not be among the rows."""
    if REFERENCE in run.left:
        return _known(run.extras[REFERENCE].labels)
    run.step(f"{REFERENCE}: answers")
    with opened(reference, reference.settings, run.workload.timed) as process:
        labels: Labels = process.run("labels", size=None, texts=list(run.workload.judged)).value
        return labels


def _known(labels: Labels | None) -> Labels:
    assert labels is not None  # noqa: S101 - a system that was not asked, or did not answer, is among the failures
    return labels


def _described(row: System, command: str) -> SystemResult:
    return SystemResult(
        title=row.title,
        kind=row.kind,
        command=command,
        variant=row.variant,
        precision=row.precision,
        size_bytes=row.size_bytes,
        facts=row.facts,
    )


def _status(row: System, found: SystemMeasurements) -> str | None:
    """What the gate said of a variant, on this kind of machine and the onnxruntime that ran it."""
    return row.gates.get(found.facts.get("onnxruntime", ""), "unverified") if row.kind == "ours" else None


def _measured(run: _Run, name: str, result: SystemResult) -> SystemResult:
    found, extras = run.found[name], run.extras[name]
    return replace(
        result,
        provider=found.facts.get("provider"),
        facts={**found.facts, **result.facts, **({"GPU clock": found.clock} if found.clock else {})},
        offline=Offline(
            texts=len(run.workload.timed),
            unit=found.unit,
            size=found.size,
            swept=found.swept,
            seconds=_values(found.seconds),
            kernel_seconds=_values(found.kernel),
        ),
        single_stream=SingleStream(latencies=_values(found.latencies)),
        server=extras.server,
        cold_start=ColdStart(seconds=tuple(found.cold), load_seconds=tuple(found.loading)),
        memory=Memory(
            loaded=tuple(found.loaded),
            peak=tuple(found.peak),
            soaked=() if extras.soak is None else (extras.soak["resident"],),
            early=() if extras.soak is None else (extras.soak["early"],),
            soak_calls=run.amounts.soak_calls,
            device=tuple(found.device),
        ),
    )


def _values(by_process: Sequence[Sequence[float]]) -> Values:
    return tuple(tuple(some) for some in by_process)
