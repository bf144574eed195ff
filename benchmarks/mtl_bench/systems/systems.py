"""bundle + peers -> System rows: what is measured, and how each is opened."""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import mtl_bench
from mtl_bench.processes.worker_process import HERE, Environment
from mtl_bench.systems.peers import Peer
from mtl_bench.systems.separate_graphs import separate_graphs
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.gate_config import precision_of
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.evidence.files import read_evidence_summaries
from mtl_runtime.providers.session import provider_problem

__all__ = ["PLAIN", "REFERENCE", "System", "our_systems", "peer_systems", "plain_systems"]

# What every other system's answers are compared with.
REFERENCE = DEFAULT_VARIANT
PLAIN = "separate-graphs"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system to measure."""

    title: str
    kind: Literal["ours", "peer"]
    driver: str  # module:function, see mtl_bench.worker.system
    settings: Mapping[str, Any]
    alone: Mapping[str, Any] | None = None  # settings for one text at a time; None: the same
    environment: Environment = HERE
    variant: str | None = None
    precision: str | None = None
    gates: Mapping[str, str] = field(default_factory=dict)  # what the gate said here, by onnxruntime's version
    size_bytes: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None  # why it cannot be started
    log: Path | None = None  # takes what its processes print; None: this process's stderr


def our_systems(bundle: Bundle) -> tuple[dict[str, System], dict[str, str]]:
    """Every variant whose provider is here, by name; and why the others are not."""
    rows, skipped = {}, {}
    for name, spec in bundle.manifest.variants.items():
        if (problem := provider_problem(spec.provider)) is not None:
            skipped[name] = problem
            continue
        rows[name] = System(
            title=f"ours, {name}",
            kind="ours",
            driver="mtl_bench.systems.mtl_system:open",
            precision=precision_of(name),
            **_variant(bundle, name),
        )
    return rows, skipped


def _variant(bundle: Bundle, name: str) -> dict[str, Any]:
    """What rows of ours have in common, whatever wheel they run on."""
    settings = {"bundle": str(bundle.path.absolute()), "variant": name}
    files = (bundle.manifest.variants[name].graph, "tokenizer.json")
    return {
        "settings": settings,
        # All cores for one text, as a service that answers texts one by one would open it.
        "alone": {**settings, "optimize_for": "latency"},
        "variant": name,
        "gates": _gates(bundle, name),
        "size_bytes": sum(bundle.manifest.files[file].bytes for file in files),
    }


def plain_systems(bundle: Bundle, folder: Path) -> dict[str, System]:
    """What a bundle can be compared with where no peer is set up: one fp32 graph for each task in plain onnxruntime.

    Args:
        bundle: whose fp32 graph is cut.
        folder: for the graphs.

    Raises:
        MissingPackageError: onnx is not installed.
    """
    graphs = separate_graphs(bundle, folder)
    return {
        PLAIN: System(
            title="one fp32 graph per task, plain onnxruntime",
            kind="peer",
            driver="mtl_bench.systems.separate_graphs:open",
            settings={"bundle": str(bundle.path.absolute()), "graphs": graphs},
            precision="fp32",
            size_bytes=sum(Path(graph).stat().st_size for graph in graphs.values()),
        )
    }


def peer_systems(peers: Iterable[Peer], bundle: Bundle, folder: Path) -> dict[str, System]:
    """Rows for peers; ``folder`` takes the little of this package that their environments import."""
    worker = _copy_worker(folder)
    return {peer.name: _peer(peer, bundle, worker) for peer in peers}


def _peer(peer: Peer, bundle: Bundle, worker: Path) -> System:
    # A row of ours on another wheel has this whole package installed there.
    path: Sequence[Path] = () if peer.kind == "ours" else (worker, peer.folder)
    own = {"settings": peer.settings, "size_bytes": peer.size_bytes()}
    return System(
        **(own if peer.kind == "peer" else _variant(bundle, peer.settings["variant"])),
        title=peer.title,
        kind=peer.kind,
        driver=peer.driver,
        environment=Environment(str(peer.python), path),
        precision=peer.precision,
        facts={"settings recommended at": peer.docs} if peer.docs else {},
        # A results file is shown around: whose disk this is does not belong into it.
        problem=peer.problem and peer.problem.replace(f"{Path.cwd()}{os.sep}", ""),
    )


def _copy_worker(folder: Path) -> Path:
    """A folder with nothing but :mod:`mtl_bench.worker` in it: a peer's environment must see no package of ours."""
    package = Path(mtl_bench.__path__[0])
    target = folder / package.name
    shutil.copytree(package / "worker", target / "worker", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(package / "__init__.py", target)
    return folder


def _gates(bundle: Bundle, variant: str) -> dict[str, str]:
    """What the latest evidence of this kind of machine says of a variant, by the onnxruntime that it was made with."""
    here = machine_facts().name
    found = sorted(
        (
            verdicts
            for verdicts in read_evidence_summaries(bundle)
            if verdicts.machine.name == here and variant in verdicts.variants
        ),
        key=lambda verdicts: verdicts.measured_at,
    )
    return {verdicts.made_with.get("onnxruntime", ""): verdicts.variants[variant].status for verdicts in found}
