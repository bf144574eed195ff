"""StudyContext: what all measurements of the study need."""

from dataclasses import dataclass
from pathlib import Path

from mtl_bench.effort import Effort
from mtl_bench.studies.runtime.sentences import LabelledSentences
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.evidence.files import read_evidence_summaries
from mtl_runtime.evidence.summary import EvidenceSummary
from mtl_runtime.gate.speed import reason_not_timed
from mtl_runtime.providers.session import onnxruntime_version, provider_problem

__all__ = ["StudyContext", "verified_variants"]

_CPU_PROVIDERS = ("cpu", "openvino")  # that compute on the processor's own cores


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyContext:
    """One run of the command."""

    checkpoint: Path
    bundle: Bundle
    sentences: LabelledSentences
    variants: tuple[str, ...]  # of the bundle, verified on this kind of machine and running on its cores
    folder: Path  # for temporary files
    effort: Effort


def verified_variants(bundle: Bundle) -> tuple[str, ...]:
    """Variants verified on this processor's cores; cpu-fp32 needs no evidence, since PyTorch is its reference."""
    machine, version = machine_facts().name, onnxruntime_version()
    evidence = [
        summary
        for summary in read_evidence_summaries(bundle)
        if summary.machine.name == machine and summary.made_with.get("onnxruntime") == version
    ]
    return tuple(
        name
        for name, spec in bundle.manifest.variants.items()
        if spec.provider in _CPU_PROVIDERS
        and (name == DEFAULT_VARIANT or any(_is_verified(summary, name) for summary in evidence))
        and provider_problem(spec.provider) is None
        and reason_not_timed(sums_fit_16_bits=spec.sums_fit_16_bits) is None
    )


def _is_verified(summary: EvidenceSummary, variant: str) -> bool:
    return variant in summary.variants and summary.variants[variant].status == "verified"
