"""what the command was given -> Report: the rows of the table, then the parts beside it."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mtl_bench.analysis.ranking import fastest_variant
from mtl_bench.extras.run import parts
from mtl_bench.results.schema import Report
from mtl_bench.suite.conditions import Watch, condition_warnings
from mtl_bench.suite.effort import Effort
from mtl_bench.suite.measure import measure
from mtl_bench.suite.progress import ProgressEstimate, steps_of
from mtl_bench.systems.peers import read_peers
from mtl_bench.systems.systems import PLAIN, REFERENCE, System, our_systems, peer_systems, plain_systems
from mtl_bench.workloads.workload import Workload
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core.installed_packages import MAKERS, installed_versions
from mtl_runtime.core.machine import allowed_cores, machine_facts
from mtl_runtime.errors import MissingPackageError, MtlError

__all__ = ["Bench", "run_bench"]

_PACKAGES = (*MAKERS, "onnxruntime-openvino", "onnxruntime-ep-openvino", "onnxruntime-gpu", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One run of the suite."""

    bundle: Bundle
    workload: Workload
    amounts: Effort
    peers: Path | None  # peers.toml or its folder
    systems: Sequence[str]  # only these; empty: all
    bound: float  # seconds, of the server scenario
    command: str
    alone: Callable[[str], str]  # a system's name -> the command that measures it alone
    report: Callable[[str], None]  # is told what comes next
    room: Callable[[], Path]  # makes a folder for what the systems print, once it is known that they can be measured


def run_bench(bench: Bench) -> Report:
    """Measure all.

    Raises:
        MtlError: a system was asked for that is not there, or the reference failed.
    """
    watch = Watch.begin()
    with tempfile.TemporaryDirectory() as folder:
        mine, skipped = our_systems(bench.bundle)
        peers = read_peers(bench.peers, bench.bundle.path) if bench.peers else ()
        graphs, why = _with_plain(bench, Path(folder))
        skipped |= why
        others = {**graphs, **peer_systems(peers, bench.bundle, Path(folder))}
        rows = _logged(_chosen({**mine, **others}, bench.systems), bench.room())
        step = ProgressEstimate(bench.report, steps_of(len(rows), len(mine), bench.amounts))
        measured = measure(
            rows,
            bench.workload,
            bench.bundle.manifest.tasks,
            bench.amounts,
            reference=mine[REFERENCE],
            bound=bench.bound,
            commands={name: bench.alone(name) for name in rows},
            step=step,
        )
        working = {name: row for name, row in mine.items() if name in rows and measured.systems[name].ran}
        fields: dict[str, Any] = {}
        fastest = fastest_variant({name: measured.systems[name] for name in working})
        if bench.amounts.parts and fastest is not None:
            fields, why = parts(
                bench.bundle,
                working,
                fastest,
                bench.workload.timed,
                rounds=bench.amounts.part_rounds,
                folder=Path(folder),
                step=step,
            )
            skipped |= why
    if not bench.amounts.parts:
        skipped["tasks curve, roofline, lengths, threads"] = "--quick takes the table alone"
    conditions = watch.end()
    return Report(
        command=bench.command,
        bundle=bench.bundle.path.absolute().name,
        digest=bench.bundle.digest,
        tasks={task.name: task.kind for task in bench.bundle.manifest.tasks},
        machine=machine_facts(),
        made_with=installed_versions(_PACKAGES),
        conditions=conditions,
        workload=bench.workload.facts(bench.bundle),
        reference_seconds=measured.offline,
        stream_reference_seconds=measured.streams,
        cold_reference_seconds=measured.cold,
        systems=measured.systems,
        skipped=skipped,
        doubts=condition_warnings(conditions, measured.offline, cores=allowed_cores()),
        **fields,
    )


def _chosen(rows: Mapping[str, System], names: Sequence[str]) -> dict[str, System]:
    for name in names:
        if name not in rows:
            raise MtlError(f"there is no system {name!r}; there are: {', '.join(rows)}")
    return {name: row for name, row in rows.items() if not names or name in names}


def _logged(rows: Mapping[str, System], logs: Path) -> dict[str, System]:
    return {name: replace(row, log=logs / f"{name}.log") for name, row in rows.items()}


def _with_plain(bench: Bench, folder: Path) -> tuple[dict[str, System], dict[str, str]]:
    if not bench.amounts.plain and PLAIN not in bench.systems:
        return {}, {PLAIN: "--quick measures it only where --systems names it"}
    try:
        return plain_systems(bench.bundle, folder), {}
    except MissingPackageError as error:
        return {}, {PLAIN: str(error)}
