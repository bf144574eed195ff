"""bundle + its evidence + what the caller asks for -> LoadPlan: which variant runs, how, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import RecordError, UnknownVariantError
from mtl_runtime.evidence.files import read_evidence_summaries
from mtl_runtime.evidence.self_tests import SelfTest, read_self_tests
from mtl_runtime.loading.execution_choice import choose_execution
from mtl_runtime.loading.variant_choice import KnownEvidence, Trust, VariantChoice, choose_variant
from mtl_runtime.providers.execution_config import ExecutionConfig, OptimizeFor
from mtl_runtime.providers.registry import is_installed
from mtl_runtime.providers.session import onnxruntime_version, provider_problem

__all__ = ["LoadEvidence", "LoadPlan", "plan_load"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """Which variant of a bundle to open and how to run it."""

    variant: str
    execution: ExecutionConfig
    reason: str  # why this variant, and why this execution
    fallback: str | None = None  # why a faster variant that could run here does not; None: there is none
    needs_self_test: bool = False  # the variant's golden answers have not been tested on this kind of machine


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadEvidence:
    """What a plan is based on, read once."""

    known: KnownEvidence = field(default_factory=KnownEvidence)
    problem: str | None = None  # why the evidence cannot be read

    @classmethod
    def read(cls, bundle: Bundle) -> Self:
        """The evidence in the bundle and in the user's cache, and self-tests of machines like this one."""
        machine, version = machine_facts(), onnxruntime_version()
        try:
            summaries = read_evidence_summaries(bundle)
        except (RecordError, OSError) as error:
            # Evidence stands outside the bundle's hashes: a broken file must not keep the bundle from loading.
            return cls(problem=f"its evidence cannot be read ({error})")
        known = KnownEvidence.of(summaries, machine, onnxruntime=version)
        if known.elsewhere:
            self_tests = read_self_tests(bundle.digest, machine, onnxruntime=version)
            known = replace(known, self_tests=self_tests)
        return cls(known=known)

    def with_self_tests(self, outcomes: Mapping[str, SelfTest]) -> Self:
        """The same, and these outcomes on top, by variant."""
        self_tests = {**self.known.self_tests, **outcomes}
        return replace(self, known=replace(self.known, self_tests=self_tests))


def plan_load(
    bundle: Bundle,
    evidence: LoadEvidence | None = None,
    *,
    variant: str | None = None,
    trust: Trust = "golden",
    optimize_for: OptimizeFor = "throughput",
    threads: int | None = None,
    workers: int | None = None,
    max_batch_tokens: int | None = None,
) -> LoadPlan:
    """Decide by ``evidence`` (default: read now); other arguments and errors are those of :func:`mtl_runtime.load`."""
    evidence = evidence or LoadEvidence.read(bundle)
    variants = bundle.manifest.variants
    choice = _choose(bundle, variant, evidence, trust)
    if choice.variant not in variants:
        raise UnknownVariantError(choice.variant, variants)
    execution = choose_execution(
        variants[choice.variant].provider,
        choice.variant,
        evidence.known.here,
        optimize_for=optimize_for,
        threads=threads,
        workers=workers,
        max_batch_tokens=max_batch_tokens,
    )
    return LoadPlan(
        variant=choice.variant,
        execution=execution.config,
        reason=f"{choice.reason}; {execution.reason}",
        fallback=choice.fallback,
        needs_self_test=choice.needs_self_test,
    )


def _choose(bundle: Bundle, asked: str | None, evidence: LoadEvidence, trust: Trust) -> VariantChoice:
    variants = bundle.manifest.variants
    if asked is not None:
        return VariantChoice(asked, "asked for")
    if evidence.problem is not None:
        return VariantChoice(
            DEFAULT_VARIANT, evidence.problem, fallback=evidence.problem if len(variants) > 1 else None
        )
    return choose_variant(
        evidence.known,
        variants,
        onnxruntime=onnxruntime_version(),
        trust=trust,
        saturates=machine_facts().saturates_int8,
        problem=provider_problem,
        is_installed=is_installed,
    )
