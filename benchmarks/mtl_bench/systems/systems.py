"""bundle + peers -> the systems to measure, and how each is opened."""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import mtl_bench
from mtl_bench.processes.worker_process import THIS_ENVIRONMENT, Environment
from mtl_bench.systems.peers import Peer
from mtl_bench.systems.separate_graphs import write_separate_graphs
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.gate_config import precision_of
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.evidence.files import read_evidence_summaries
from mtl_runtime.gate.speed import reason_not_timed
from mtl_runtime.providers.session import provider_problem

__all__ = ["REFERENCE", "SEPARATE_GRAPHS", "System", "our_systems", "peer_systems", "separate_graph_systems"]

REFERENCE = DEFAULT_VARIANT  # with whose answers those of all other systems are compared
SEPARATE_GRAPHS = "separate-graphs"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system to measure."""

    title: str
    kind: Literal["ours", "peer"]
    driver: str  # module:function, see mtl_bench.worker.system
    settings: Mapping[str, Any]
    single_text_settings: Mapping[str, Any] | None = None  # for one text at a time; None: the same settings
    environment: Environment = THIS_ENVIRONMENT
    variant: str | None = None
    precision: str | None = None
    statuses: Mapping[str, str] = field(default_factory=dict)  # from the gate on this machine, by onnxruntime's version
    size_bytes: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None  # why it cannot be started
    log: Path | None = None  # for the output of its processes; None: this process's stderr


def our_systems(bundle: Bundle) -> tuple[dict[str, System], dict[str, str]]:
    """Every variant that is made for this machine, and whose provider is here, by name; and why the others are not."""
    systems, skipped = {}, {}
    for name, spec in bundle.manifest.variants.items():
        if (
            problem := provider_problem(spec.provider) or reason_not_timed(sums_fit_16_bits=spec.sums_fit_16_bits)
        ) is not None:
            skipped[name] = problem
            continue
        systems[name] = System(
            title=f"ours, {name}",
            kind="ours",
            driver="mtl_bench.systems.mtl_system:open",
            precision=precision_of(name),
            **_variant_fields(bundle, name),
        )
    return systems, skipped


def _variant_fields(bundle: Bundle, name: str) -> dict[str, Any]:
    """Fields that all systems of ours have in common, on any wheel."""
    settings = {"bundle": str(bundle.path.absolute()), "variant": name}
    files = (bundle.manifest.variants[name].graph, "tokenizer.json")
    return {
        "settings": settings,
        # All cores for one text, as a service that answers texts one by one would open it.
        "single_text_settings": {**settings, "optimize_for": "latency"},
        "variant": name,
        "statuses": _statuses(bundle, name),
        "size_bytes": sum(bundle.manifest.files[file].bytes for file in files),
    }


def separate_graph_systems(bundle: Bundle, folder: Path) -> dict[str, System]:
    """The comparison that needs no peer: one fp32 graph for each task in plain onnxruntime.

    Args:
        bundle: whose fp32 graph is cut.
        folder: for the graphs.

    Raises:
        MissingPackageError: onnx is not installed.
    """
    graphs = write_separate_graphs(bundle, folder)
    return {
        SEPARATE_GRAPHS: System(
            title="one fp32 graph per task, plain onnxruntime",
            kind="peer",
            driver="mtl_bench.systems.separate_graphs:open",
            settings={"bundle": str(bundle.path.absolute()), "graphs": graphs},
            precision="fp32",
            size_bytes=sum(Path(graph).stat().st_size for graph in graphs.values()),
        )
    }


def peer_systems(peers: Iterable[Peer], bundle: Bundle, folder: Path) -> dict[str, System]:
    """Systems for peers; ``folder`` takes the part of this package that their environments import."""
    worker = _copy_worker(folder)
    return {peer.name: _peer_system(peer, bundle, worker) for peer in peers}


def _peer_system(peer: Peer, bundle: Bundle, worker: Path) -> System:
    # A variant of ours on another wheel has this whole package installed there.
    path: Sequence[Path] = () if peer.kind == "ours" else (worker, peer.folder)
    has_variant = peer.kind == "ours" and peer.settings["variant"] in bundle.manifest.variants
    own_fields = {"settings": peer.settings, "size_bytes": peer.size_bytes()}
    return System(
        **(_variant_fields(bundle, peer.settings["variant"]) if has_variant else own_fields),
        title=peer.title,
        kind=peer.kind,
        driver=peer.driver,
        environment=Environment(str(peer.python), path),
        precision=peer.precision,
        facts={"settings recommended at": peer.docs} if peer.docs else {},
        # A results file is published: the folders of this disk do not belong in it.
        problem=peer.problem and peer.problem.replace(f"{Path.cwd()}{os.sep}", ""),
    )


def _copy_worker(folder: Path) -> Path:
    """A folder with nothing but :mod:`mtl_bench.worker` in it: a peer's environment must see no package of ours."""
    package = Path(mtl_bench.__path__[0])
    target = folder / package.name
    shutil.copytree(package / "worker", target / "worker", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(package / "__init__.py", target)
    return folder


def _statuses(bundle: Bundle, variant: str) -> dict[str, str]:
    """A variant's status in the latest evidence from this kind of machine, by the onnxruntime that made it."""
    machine = machine_facts().name
    summaries = sorted(
        (
            summary
            for summary in read_evidence_summaries(bundle)
            if summary.machine.name == machine and variant in summary.variants
        ),
        key=lambda summary: summary.measured_at,
    )
    return {summary.made_with.get("onnxruntime", ""): summary.variants[variant].status for summary in summaries}
