"""BenchConfig -> Report: the rows of the table, then the extras."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from mtl_bench.analysis.ranking import fastest_variant
from mtl_bench.analysis.students_t import import_stats
from mtl_bench.effort import Effort
from mtl_bench.extras.run import Extras, measure_extras
from mtl_bench.results.schema import Conditions, Report
from mtl_bench.suite.conditions import ConditionsWatch, condition_warnings
from mtl_bench.suite.measure import Measurements, measure
from mtl_bench.suite.progress import plan_stages
from mtl_bench.systems.peers import read_peers
from mtl_bench.systems.systems import (
    REFERENCE,
    SEPARATE_GRAPHS,
    System,
    our_systems,
    peer_systems,
    separate_graph_systems,
)
from mtl_bench.workloads.workload import Workload
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core.installed_packages import MAKERS, installed_versions
from mtl_runtime.core.machine import allowed_cores, machine_facts
from mtl_runtime.errors import MissingPackageError, MtlError

__all__ = ["BenchConfig", "run_bench"]

_PACKAGES = (*MAKERS, "onnxruntime-openvino", "onnxruntime-ep-openvino", "onnxruntime-gpu", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchConfig:
    """What one run of the suite measures."""

    bundle: Bundle
    workload: Workload
    effort: Effort
    peers: Path | None  # peers.toml or its folder
    systems: Sequence[str]  # only these; empty: all
    bound: float  # seconds, of the server scenario's 99th percentile
    command: str
    command_of: Callable[[str], str]  # a system's name -> the command that measures it alone


@dataclass(frozen=True, slots=True)
class _Candidates:
    """All systems that could be measured, and why others cannot."""

    ours: Mapping[str, System]
    others: Mapping[str, System]
    skipped: Mapping[str, str]

    def select(self, names: Sequence[str]) -> dict[str, System]:
        """Those with these names, or all; an unknown name is an error."""
        systems = {**self.ours, **self.others}
        for name in names:
            if name not in systems:
                raise MtlError(f"there is no system {name!r}; there are: {', '.join(systems)}")
        return {name: system for name, system in systems.items() if not names or name in names}


def run_bench(
    config: BenchConfig,
    *,
    make_log_folder: Callable[[], Path],
    show_stages: Callable[[Sequence[float]], AbstractContextManager[object]] = lambda _: nullcontext(),
) -> Report:
    """Measure everything.

    Args:
        config: of the run.
        make_log_folder: makes a folder for the output of the systems, once it is certain that they can be measured.
        show_stages: about how long each stage takes -> a block that shows those that are logged in it.

    Raises:
        MtlError: there is no system of that name, or the reference failed.
    """
    import_stats()  # without it the run would fail at its end
    watch = ConditionsWatch.begin()
    with tempfile.TemporaryDirectory() as folder:
        candidates = _find_systems(config, Path(folder))
        systems = _with_logs(candidates.select(config.systems), make_log_folder())
        with show_stages(plan_stages(len(systems), len(candidates.ours), config.effort)):
            measurements = measure(
                systems,
                config.workload,
                config.bundle.manifest.tasks,
                config.effort,
                reference=candidates.ours[REFERENCE],
                bound=config.bound,
                commands={name: config.command_of(name) for name in systems},
            )
            extras = _measure_extras(config, candidates.ours, measurements, Path(folder))
    return _report(config, measurements, extras, {**candidates.skipped, **extras.skipped}, watch.end())


def _find_systems(config: BenchConfig, folder: Path) -> _Candidates:
    ours, skipped = our_systems(config.bundle)
    peers = read_peers(config.peers, config.bundle.path) if config.peers else ()
    others: dict[str, System] = {}
    if config.effort.separate_graphs or SEPARATE_GRAPHS in config.systems:
        try:
            others = separate_graph_systems(config.bundle, folder)
        except MissingPackageError as error:
            skipped[SEPARATE_GRAPHS] = str(error)
    else:
        skipped[SEPARATE_GRAPHS] = "--quick measures it only where --systems names it"
    return _Candidates(ours, {**others, **peer_systems(peers, config.bundle, folder)}, skipped)


def _with_logs(systems: Mapping[str, System], folder: Path) -> dict[str, System]:
    return {name: replace(system, log=folder / f"{name}.log") for name, system in systems.items()}


def _measure_extras(
    config: BenchConfig, ours: Mapping[str, System], measurements: Measurements, folder: Path
) -> Extras:
    """Of the variants that ran; none where no variant was timed."""
    if not config.effort.extras:
        return Extras(skipped={"tasks curve, roofline, lengths, threads": "--quick measures only the table"})
    ran = {name: result for name, result in measurements.systems.items() if name in ours and result.ran}
    fastest = fastest_variant(ran)
    if fastest is None:
        return Extras()
    return measure_extras(
        config.bundle,
        {name: ours[name] for name in ours if name in ran},
        fastest,
        config.workload.timed,
        rounds=config.effort.extra_rounds,
        folder=folder,
    )


def _report(
    config: BenchConfig,
    measurements: Measurements,
    extras: Extras,
    skipped: Mapping[str, str],
    conditions: Conditions,
) -> Report:
    return Report(
        command=config.command,
        bundle=config.bundle.path.absolute().name,
        digest=config.bundle.digest,
        tasks={task.name: task.kind for task in config.bundle.manifest.tasks},
        machine=machine_facts(),
        made_with=installed_versions(_PACKAGES),
        conditions=conditions,
        workload=config.workload.facts(config.bundle),
        reference_seconds=measurements.offline_reference,
        stream_reference_seconds=measurements.stream_reference,
        cold_reference_seconds=measurements.cold_reference,
        systems=measurements.systems,
        tasks_curve=extras.tasks_curve,
        roofline=extras.roofline,
        lengths=extras.lengths,
        threads=extras.threads,
        skipped=skipped,
        warnings=condition_warnings(conditions, measurements.offline_reference, cores=allowed_cores()),
    )
