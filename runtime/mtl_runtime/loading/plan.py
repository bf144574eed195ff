"""bundle + its evidence + what the caller asks for -> LoadPlan: which variant runs, how, and why."""

from dataclasses import dataclass

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import RecordError, UnknownVariantError
from mtl_runtime.evidence.files import read_evidence_summaries
from mtl_runtime.evidence.summary import EvidenceSummary
from mtl_runtime.loading.execution_choice import choose_execution
from mtl_runtime.loading.variant_choice import VariantChoice, choose_variant, filter_by_machine
from mtl_runtime.providers.execution_config import ExecutionConfig, OptimizeFor
from mtl_runtime.providers.session import onnxruntime_version, provider_problem

__all__ = ["LoadPlan", "plan_load"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """Which variant of a bundle to open and how to run it, decided once."""

    variant: str
    execution: ExecutionConfig
    reason: str  # why this variant, and why this execution


def plan_load(
    bundle: Bundle,
    *,
    variant: str | None = None,
    optimize_for: OptimizeFor = "throughput",
    threads: int | None = None,
    workers: int | None = None,
    max_batch_tokens: int | None = None,
) -> LoadPlan:
    """Read the bundle's evidence once and decide by it; arguments and errors are those of :func:`mtl_runtime.load`."""
    evidence, problem = _evidence_of_this_machine(bundle)
    variants = bundle.manifest.variants
    choice = _choose(bundle, variant, evidence, problem)
    if choice.variant not in variants:
        raise UnknownVariantError(choice.variant, variants)
    execution = choose_execution(
        variants[choice.variant].provider,
        choice.variant,
        evidence,
        optimize_for=optimize_for,
        threads=threads,
        workers=workers,
        max_batch_tokens=max_batch_tokens,
    )
    return LoadPlan(variant=choice.variant, execution=execution.config, reason=f"{choice.reason}; {execution.reason}")


def _choose(bundle: Bundle, asked: str | None, evidence: list[EvidenceSummary], problem: str | None) -> VariantChoice:
    if asked is not None:
        return VariantChoice(asked, "asked for")
    if problem is not None:
        return VariantChoice(DEFAULT_VARIANT, problem)
    variants = bundle.manifest.variants
    return choose_variant(
        evidence,
        onnxruntime=onnxruntime_version(),
        problem=lambda name: provider_problem(variants[name].provider) if name in variants else "not in the bundle",
    )


def _evidence_of_this_machine(bundle: Bundle) -> tuple[list[EvidenceSummary], str | None]:
    """What was measured on machines like this one, or why it cannot be read."""
    try:
        summaries = read_evidence_summaries(bundle)
    except (RecordError, OSError) as error:
        # Evidence stands outside the bundle's hashes: a broken file must not keep the bundle from loading.
        return [], f"its evidence cannot be read ({error})"
    return filter_by_machine(summaries, machine_facts(), onnxruntime=onnxruntime_version()), None
