"""this environment (and a bundle) -> Diagnosis: what is installed, what runs, and how to fix the rest."""

import logging
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import MachineFacts, machine_facts
from mtl_runtime.diagnostics.node_placement import count_providers, describe_placement, running_nodes
from mtl_runtime.errors import MissingPackageError, MtlError, ProviderError
from mtl_runtime.evidence.self_tests import SelfTest
from mtl_runtime.loading.load import load
from mtl_runtime.loading.plan import LoadEvidence, plan_load
from mtl_runtime.loading.self_test import run_self_test
from mtl_runtime.providers.registry import ONNXRUNTIME_PLUGINS, ONNXRUNTIME_WHEELS, PROVIDERS, check_one_wheel
from mtl_runtime.providers.session import available_providers, provider_problem

__all__ = ["Diagnosis", "VariantTrial", "diagnose"]

_log = logging.getLogger(__name__)

_PACKAGES = (
    "mtl-export",
    "numpy",
    "tokenizers",
    *ONNXRUNTIME_WHEELS,
    *ONNXRUNTIME_PLUGINS,
    "pyarrow",
    "torch",
    "transformers",
    "onnx",
)
_TRIAL_TEXT = "a trial"


@dataclass(frozen=True, slots=True)
class VariantTrial:
    """What happened when a variant was opened and classified a text."""

    variant: str
    works: bool
    detail: str
    nodes: Mapping[str, int] = field(default_factory=dict)  # onnxruntime's provider name -> nodes that ran there
    self_test: SelfTest | None = None  # None: it does not work, or the bundle holds no golden answers of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What an issue report should contain."""

    versions: Mapping[str, str]  # of Python and of the relevant installed packages
    machine: MachineFacts
    providers: tuple[str, ...]  # of the installed onnxruntime, by its names
    absent: Mapping[str, str]  # our names of providers that cannot run here -> why, and how to fix it
    variants: tuple[VariantTrial, ...]  # of the bundle, if there is one
    problems: tuple[str, ...]  # each with the command that fixes it


def diagnose(path: str | os.PathLike[str] | None = None) -> Diagnosis:
    """Examine this environment, and try each variant of the bundle in the folder ``path``.

    Raises:
        BundleError, RecordError: ``path`` is not a bundle that this version reads.
    """
    problems = []
    providers: tuple[str, ...] = ()
    absent: dict[str, str] = {}
    try:
        check_one_wheel()
        absent = {name: problem for name in PROVIDERS if (problem := provider_problem(name)) is not None}
        providers = available_providers()
    except MissingPackageError as error:
        problems.append(str(error))
    trials: list[VariantTrial] = []
    if path is not None:
        bundle = Bundle.open(path)
        trials = [_try_variant(bundle, name, problems) for name in bundle.manifest.variants]
        if providers and (fallback := _describe_fallback(bundle, trials)) is not None:
            problems.append(fallback)
        if not problems and not any(trial.works for trial in trials):
            problems.append(f"no variant of {bundle.path} runs here; run `mtl verify {bundle.path}`")
    return Diagnosis(
        versions={"python": platform.python_version(), **installed_versions(_PACKAGES)},
        machine=machine_facts(),
        providers=providers,
        absent=absent,
        variants=tuple(trials),
        problems=tuple(problems),
    )


def _try_variant(bundle: Bundle, variant: str, problems: list[str]) -> VariantTrial:
    """Open a variant and classify a text; a provider that cannot run here is reported, but is not a problem."""
    _log.info("trying %s of %s", variant, bundle.path)
    try:
        classifier = load(bundle.path, variant=variant)
        classifier(_TRIAL_TEXT)
        nodes, placement = _placement(bundle, variant)
    except (ProviderError, MissingPackageError) as error:
        return VariantTrial(variant, False, str(error))
    except MtlError as error:
        problems.append(f"variant {variant}: {error} (run `mtl verify {bundle.path}`)")
        return VariantTrial(variant, False, str(error))
    info = classifier.info
    detail = f"runs on {info.provider} with {info.workers} x {info.threads} threads: {placement}"
    has_golden_answers = bundle.manifest.variants[variant].golden_answers is not None
    return VariantTrial(variant, True, detail, nodes, run_self_test(classifier, bundle) if has_golden_answers else None)


def _placement(bundle: Bundle, variant: str) -> tuple[dict[str, int], str]:
    """Nodes by provider, and a sentence about them."""
    try:
        nodes = count_providers(running_nodes(bundle, variant, text=_TRIAL_TEXT))
    except OSError as error:  # the variant works; only onnxruntime's profile needs a folder that can be written
        return {}, f"where its nodes run cannot be listed ({error.strerror or error})"
    return nodes, describe_placement(bundle.manifest.variants[variant].provider, nodes)


def _describe_fallback(bundle: Bundle, trials: Sequence[VariantTrial]) -> str | None:
    """Which variant `load` opens although a faster one could run here, why, and what to do; None: it does not."""
    self_tests = {trial.variant: trial.self_test for trial in trials if trial.self_test is not None}
    plan = plan_load(bundle, LoadEvidence.read(bundle).with_self_tests(self_tests))
    if plan.fallback is None:
        return None
    return f"{plan.variant} runs by fallback; {plan.fallback} (`mtl verify {bundle.path}`)"
