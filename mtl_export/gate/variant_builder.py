"""recipe of a variant -> its graph in the bundle's folder: calibrated, gated against PyTorch, repaired or refused."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtl_export.errors import ExportError
from mtl_export.gate.comparison_data import ComparisonData
from mtl_export.gate.mixed_precision_search import SENSITIVITY_SENTENCES, search_mixed_precision
from mtl_export.graphs.graph_builder import GraphBuilder
from mtl_export.graphs.int8.matmuls import find_matmuls
from mtl_export.graphs.passes import check, save
from mtl_export.graphs.recipes import RECIPES, Recipe
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.gate_config import GateConfig
from mtl_runtime.bundle.manifest import Calibration, Manifest, TaskSpec, VariantSpec
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.errors import MissingPackageError, ProviderError
from mtl_runtime.evidence.schema import VariantEvidence
from mtl_runtime.gate.autotune import autotune
from mtl_runtime.gate.calibration import calibrate
from mtl_runtime.gate.gate_bundle import count_running_operators, unverified_evidence
from mtl_runtime.gate.gate_variant import Reference, compare_tasks, encode_targets, gate_variant
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.loading.execution_choice import ExecutionChoice
from mtl_runtime.loading.load import open_classifier
from mtl_runtime.loading.variant_choice import DEFAULT_VARIANT, VariantChoice

__all__ = ["BuiltVariant", "VariantBuilder"]

# What a search for the most sensitive matrix products may take.
REPAIR_SECONDS = 300.0
_EVERYTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BuiltVariant:
    """A variant whose graph lies in the folder, and what was measured of it."""

    spec: VariantSpec
    evidence: VariantEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantBuilder:
    """All that variants are made from and judged by."""

    folder: Path  # of the bundle in the making: tokenizer and portable graph are there
    manifest: Callable[[Mapping[str, VariantSpec]], Manifest]  # of what the folder holds now
    graphs: GraphBuilder
    data: ComparisonData
    reference: Reference  # PyTorch's answers to data
    validation: ComparisonData | None  # labelled sentences that temperatures and thresholds are fitted on
    gate: GateConfig
    report: Callable[[str], None]

    def build_and_gate(self, name: str, recipe: Recipe) -> BuiltVariant:
        """Build and gate ``name``; its evidence says whether it may be let out."""
        return self._autotuned(name, self._made(name, recipe))

    def _made(self, name: str, recipe: Recipe) -> BuiltVariant:
        made = self._attempt(name, recipe, _EVERYTHING)
        if made.evidence.status != "failed" or not recipe.repairable:
            return made
        trials: dict[frozenset[str], BuiltVariant] = {}

        def judge(kept: frozenset[str]) -> VariantEvidence:
            trials[kept] = self._attempt(name, recipe, kept)
            return trials[kept].evidence

        found, record = search_mixed_precision(
            made.evidence,
            [product.name for product in find_matmuls(recipe.base(self.graphs))],
            answers=partial(self._answers, name, recipe),
            judge=judge,
            seconds=REPAIR_SECONDS,
            report=lambda line: self.report(f"{name}: {line}"),
        )
        best = trials[found.kept] if found else made
        return dataclasses.replace(best, evidence=dataclasses.replace(best.evidence, repair=record))

    def _attempt(self, name: str, recipe: Recipe, kept: frozenset[str]) -> BuiltVariant:
        """The variant with the matrix products ``kept`` in fp32."""
        self.report(f"{name}: making")
        self._build(name, recipe, kept)
        spec = VariantSpec(graph=recipe.graph, provider=recipe.provider, provider_options=recipe.options(self.graphs))
        try:
            classifier = self._open(name, spec)
        except (ProviderError, MissingPackageError) as error:
            return BuiltVariant(self._uncalibrated(spec), self._emulated_evidence(name, recipe, str(error)))
        spec = self._calibrate(name, spec, classifier)
        classifier = self._open(name, spec)
        evidence = gate_variant(
            classifier,
            self.data.rows,
            self.reference,
            self.gate,
            baseline=classifier if name == DEFAULT_VARIANT else self._baseline(),
            report=self.report,
        )
        ran = count_running_operators(self._bundle(name, spec), name)
        self._expect(name, recipe, ran, kept)
        return BuiltVariant(spec, dataclasses.replace(evidence, operators=ran))

    def _autotuned(self, name: str, made: BuiltVariant) -> BuiltVariant:
        """The same, with the pace that runs it fastest here."""
        if made.evidence.status != "verified":
            return made
        pace = autotune(
            lambda pace: self._open(name, made.spec, ExecutionChoice(pace, "being measured")),
            made.spec.provider,
            [row.text for row in self.data.rows],
            report=lambda line: self.report(f"{name}: {line}"),
        )
        return BuiltVariant(made.spec, dataclasses.replace(made.evidence, execution=pace))

    def _emulated_evidence(self, name: str, recipe: Recipe, problem: str) -> VariantEvidence:
        """What can be told of a variant whose provider is not here: another provider's arithmetic, or nothing."""
        if recipe.emulated_on is None:
            return unverified_evidence(recipe.provider, problem)
        classifier = self._open(name, self._stand_in(recipe))
        tasks = compare_tasks(classifier, self.data.rows, self.reference, self.gate)
        return VariantEvidence(
            status="failed" if any(task.problems for task in tasks.values()) else "emulated",
            provider=recipe.emulated_on,
            threads=classifier.info.cores,
            tasks=tasks,
            problems=(problem,),
        )

    def _stand_in(self, recipe: Recipe) -> VariantSpec:
        """The graph on the provider that emulates its own."""
        return VariantSpec(graph=recipe.graph, provider=recipe.emulated_on or recipe.provider, provider_options={})

    def _answers(self, name: str, recipe: Recipe, kept: frozenset[str]) -> dict[str, NDArray[np.float32]]:
        """Logits of some sentences, from the shortest to the longest."""
        self._build(name, recipe, kept)
        spec = VariantSpec(graph=recipe.graph, provider=recipe.provider, provider_options=recipe.options(self.graphs))
        try:
            classifier = self._open(name, spec)
        except (ProviderError, MissingPackageError):
            classifier = self._open(name, self._stand_in(recipe))
        texts = sorted((row.text for row in self.data.rows), key=len)
        return classifier.logits(evenly_spaced(texts, SENSITIVITY_SENTENCES))

    def _build(self, name: str, recipe: Recipe, kept: frozenset[str]) -> None:
        if recipe.build is not None:
            graph = recipe.build(self.graphs, kept)
            check(graph, f"making {name}", loads=recipe.loads_on_cpu)
            save(graph, self.folder / recipe.graph)

    def _open(self, name: str, spec: VariantSpec, drive: ExecutionChoice | None = None) -> Classifier:
        return open_classifier(self._bundle(name, spec), VariantChoice(name, "being measured"), drive=drive)

    def _baseline(self) -> Classifier:
        spec = VariantSpec(graph=RECIPES[DEFAULT_VARIANT].graph, provider="cpu", provider_options={})
        return self._open(DEFAULT_VARIANT, spec)

    def _bundle(self, name: str, spec: VariantSpec) -> Bundle:
        return Bundle(self.folder, self.manifest({name: spec}), digest="")

    def _calibrate(self, name: str, spec: VariantSpec, classifier: Classifier) -> VariantSpec:
        """Temperatures and thresholds that fit this variant's own logits of the validation sentences."""
        if self.validation is None:
            return self._uncalibrated(spec)
        self.report(f"{name}: fitting temperatures")
        logits = classifier.logits([row.text for row in self.validation.rows])
        tasks = [_fit_calibration(task, logits[task.name], self.validation) for task in self.reference.tasks]
        return dataclasses.replace(spec, calibration=_calibrations(tasks))

    def _uncalibrated(self, spec: VariantSpec) -> VariantSpec:
        """Where nothing can be fitted, the reference's own temperatures hold."""
        return dataclasses.replace(spec, calibration=_calibrations(self.reference.tasks))

    def _expect(self, name: str, recipe: Recipe, ran: Mapping[str, int], kept: frozenset[str]) -> None:
        """A quantization that onnxruntime undoes would pass every budget and be slow.

        Raises:
            ExportError: other operators ran than were written.
        """
        if not recipe.operators:
            return
        expected = len(find_matmuls(recipe.base(self.graphs))) - len(kept)
        found = sum(count * ran.get(operator, 0) for operator, count in recipe.operators.items())
        if found != expected:
            raise ExportError(
                f"{name}: onnxruntime runs {found} of {expected} find_matmuls as {' or '.join(recipe.operators)} "
                f"(it runs {dict(ran)}); report this with the output of `mtl doctor`"
            )


def _fit_calibration(task: TaskSpec, logits: NDArray[np.float32], validation: ComparisonData) -> TaskSpec:
    targets = encode_targets(task, validation.rows)
    return task if targets is None else calibrate(task, logits, targets)


def _calibrations(tasks: Sequence[TaskSpec]) -> dict[str, Calibration]:
    return {
        task.name: Calibration(temperature=task.temperature, thresholds=task.thresholds)
        for task in tasks
        if task.kind != "regression"
    }
