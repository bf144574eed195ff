"""this environment (and a bundle) -> Diagnosis: what is installed, what runs, and what mends the rest."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import MachineFacts, machine_facts
from mtl_runtime.diagnostics.node_placement import count_providers, describe_placement, running_nodes
from mtl_runtime.errors import MissingPackageError, MtlError, ProviderError
from mtl_runtime.loading.load import load
from mtl_runtime.providers.registry import ONNXRUNTIME_PLUGINS, ONNXRUNTIME_WHEELS, PROVIDERS, check_one_wheel
from mtl_runtime.providers.session import available_providers, provider_problem

__all__ = ["Diagnosis", "VariantTrial", "diagnose"]

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
    """What happened when a variant was opened and asked."""

    variant: str
    works: bool
    detail: str
    nodes: Mapping[str, int] = field(default_factory=dict)  # onnxruntime's name of a provider -> nodes that ran there


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What an issue report should quote."""

    versions: Mapping[str, str]  # python, and the installed packages that matter
    machine: MachineFacts
    providers: tuple[str, ...]  # that the installed onnxruntime offers, by its names
    absent: Mapping[str, str]  # our names of providers that cannot be used here -> why, and what mends it
    variants: tuple[VariantTrial, ...]  # of the bundle, if one was given
    problems: tuple[str, ...]  # each tells the command that mends it


def diagnose(path: str | os.PathLike[str] | None = None) -> Diagnosis:
    """Look at this environment, and try each variant of the bundle in folder ``path``.

    Raises:
        BundleError, RecordError: ``path`` is no bundle that this version reads.
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
        trials = [_try(bundle, name, problems) for name in bundle.manifest.variants]
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


def _try(bundle: Bundle, variant: str, problems: list[str]) -> VariantTrial:
    """Open a variant and ask it; a provider that is not to be had here is told, but is no problem."""
    try:
        classifier = load(bundle.path, variant=variant)
        classifier(_TRIAL_TEXT)
        nodes = count_providers(running_nodes(bundle, variant, text=_TRIAL_TEXT))
    except (ProviderError, MissingPackageError) as error:
        return VariantTrial(variant, False, str(error))
    except MtlError as error:
        problems.append(f"variant {variant}: {error} (run `mtl verify {bundle.path}`)")
        return VariantTrial(variant, False, str(error))
    info = classifier.info
    placement = describe_placement(info.provider, nodes)
    detail = f"runs on {info.provider} with {info.workers} x {info.threads} threads: {placement}"
    return VariantTrial(variant, True, detail, nodes)
