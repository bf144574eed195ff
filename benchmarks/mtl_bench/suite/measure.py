"""systems + workload -> Measurements: launches, labels of the reference, and a row for every system."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtl_bench.effort import Effort
from mtl_bench.results.scenarios import Values
from mtl_bench.results.schema import SystemResult
from mtl_bench.suite.final_scenarios import FinalScenarios
from mtl_bench.suite.launches import LaunchResult, SystemMeasurements, run_launch
from mtl_bench.suite.merge_launches import failed_result, merge_launches
from mtl_bench.suite.scoring import score
from mtl_bench.suite.system_processes import start_process
from mtl_bench.systems.systems import REFERENCE, System
from mtl_bench.worker.system import Labels
from mtl_bench.workloads.workload import Workload
from mtl_runtime.bundle.manifest import TaskSpec

__all__ = ["Measurements", "measure"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """A row for every system, and the reference product's seconds in the same launches and rounds."""

    systems: Mapping[str, SystemResult]
    offline_reference: Values
    stream_reference: Values
    cold_reference: Values


def measure(
    systems: Mapping[str, System],
    workload: Workload,
    tasks: Sequence[TaskSpec],
    effort: Effort,
    *,
    reference: System,
    bound: float,
    commands: Mapping[str, str],
) -> Measurements:
    """Measure every system; one that fails is a row with its error, and the others go on.

    Args:
        systems: by name.
        workload: texts and labels.
        tasks: of the bundle.
        effort: how much is measured.
        reference: with whose answers those of all others are compared.
        bound: of the server scenario's 99th percentile, in seconds.
        commands: that measure a system alone, by name.

    Raises:
        WorkerError: the reference failed.
    """
    final = FinalScenarios(
        tasks=tasks, scored=workload.scored, timed_texts=len(workload.timed), bound=bound, effort=effort
    )
    launches = _run_launches(systems, workload.timed, effort, final)
    reference_labels = _reference_labels(launches[-1], reference, workload)
    failures = _failures(systems, launches)

    def row(name: str, system: System) -> SystemResult:
        if name in failures:
            return failed_result(system, commands[name], failures[name])
        of_system = [launch.systems[name] for launch in launches]
        answers = score(tasks, _labels(of_system[-1]), reference_labels, workload.true_labels)
        texts, soak_calls = len(workload.timed), effort.soak_calls
        return merge_launches(system, commands[name], of_system, answers, texts=texts, soak_calls=soak_calls)

    return Measurements(
        systems={name: row(name, system) for name, system in systems.items()},
        offline_reference=tuple(launch.reference.offline for launch in launches),
        stream_reference=tuple(launch.reference.streams for launch in launches),
        cold_reference=tuple((launch.reference.cold,) for launch in launches),
    )


def _run_launches(
    systems: Mapping[str, System], texts: Sequence[str], effort: Effort, final: FinalScenarios
) -> list[LaunchResult]:
    """The batch sizes of the first launch stay; a system that dropped out is in no later launch."""
    remaining = {name: system for name, system in systems.items() if system.problem is None}
    launches: list[LaunchResult] = []
    for number in range(effort.launches):
        _log.debug("launch %d of %d", number + 1, effort.launches)
        first = launches[0].systems if launches else {}
        launch = run_launch(
            remaining,
            texts,
            effort,
            batch_sizes={name: of_system.batch_size for name, of_system in first.items()},
            final=final if number == effort.launches - 1 else None,
        )
        remaining = {name: system for name, system in remaining.items() if name in launch.systems}
        launches.append(launch)
    return launches


def _failures(systems: Mapping[str, System], launches: Sequence[LaunchResult]) -> dict[str, str]:
    """Why a system could not be started, or dropped out."""
    problems = {name: system.problem for name, system in systems.items() if system.problem is not None}
    return {**problems, **{name: reason for launch in launches for name, reason in launch.failures.items()}}


def _reference_labels(last: LaunchResult, reference: System, workload: Workload) -> Labels:
    """Labels of cpu-fp32, which need not be among the systems."""
    if REFERENCE in last.systems:
        return _labels(last.systems[REFERENCE])
    _log.info("%s: answers", REFERENCE)
    with start_process(reference, reference.settings, workload.timed) as process:
        labels: Labels = process.run("labels", size=None, texts=list(workload.scored)).value
        return labels


def _labels(measurements: SystemMeasurements) -> Labels:
    assert measurements.final is not None  # noqa: S101 - the last launch runs the final scenarios
    return measurements.final.labels
