"""what the command was given -> Bench: all that a measurement needs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mtl_bench.studies.runtime.sentences import Sentences
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.evidence.files import read_evidence_summaries
from mtl_runtime.evidence.summary import EvidenceSummary
from mtl_runtime.providers.session import onnxruntime_version, provider_problem

__all__ = ["Amounts", "Bench", "verified_here"]

# Providers that compute on the processor's own cores.
_ON_CORES = ("cpu", "openvino")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """How much is measured."""

    rounds: int = 9
    calls: int = 2000  # of one short text, on each side
    processes: int = 15  # fresh ones, of each kind
    soak_calls: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One run of the command."""

    checkpoint: Path
    bundle: Bundle
    sentences: Sentences
    variants: tuple[str, ...]  # of the bundle, verified on this kind of machine and running on its cores
    folder: Path  # for files in passing
    amounts: Amounts
    report: Callable[[str], None]

    @property
    def rounds(self) -> int:
        """Of whole passes over the sentences."""
        return self.amounts.rounds


def verified_here(bundle: Bundle) -> tuple[str, ...]:
    """Variants that hold on this processor's cores; cpu-fp32 needs no evidence, being what PyTorch vouches for."""
    here, version = machine_facts().name, onnxruntime_version()
    evidence = [
        found
        for found in read_evidence_summaries(bundle)
        if found.machine.name == here and found.made_with.get("onnxruntime") == version
    ]
    return tuple(
        name
        for name, spec in bundle.manifest.variants.items()
        if spec.provider in _ON_CORES
        and (name == DEFAULT_VARIANT or any(_verified(found, name) for found in evidence))
        and provider_problem(spec.provider) is None
    )


def _verified(found: EvidenceSummary, variant: str) -> bool:
    return variant in found.variants and found.variants[variant].status == "verified"
