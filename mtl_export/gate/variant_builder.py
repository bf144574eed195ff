"""recipe of a variant -> its graph in the bundle's folder, calibrated, gated against PyTorch, repaired or refused."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtl_export.errors import ExportError
from mtl_export.gate.comparison_data import GateData
from mtl_export.gate.mixed_precision_search import SENSITIVITY_SENTENCES, repaired
from mtl_export.graphs.graph_builder import Material
from mtl_export.graphs.int8.matmuls import products
from mtl_export.graphs.passes import check, save
from mtl_export.graphs.recipes import RECIPES, Recipe
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.gate_config import GateConfig
from mtl_runtime.bundle.manifest import Calibration, Manifest, TaskSpec, VariantSpec
from mtl_runtime.core.sampling import spread
from mtl_runtime.errors import MissingPackageError, ProviderError
from mtl_runtime.evidence.schema import VariantEvidence
from mtl_runtime.gate.autotune import fastest_pace
from mtl_runtime.gate.calibration import calibrated
from mtl_runtime.gate.gate_bundle import operators, unverified
from mtl_runtime.gate.gate_variant import Reference, compare, gate_variant, targets_of
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.loading.execution_choice import Drive
from mtl_runtime.loading.load import open_classifier
from mtl_runtime.loading.variant_choice import DEFAULT_VARIANT, Choice

__all__ = ["Made", "Workshop"]

# What a search for the most sensitive products may take.
REPAIR_SECONDS = 300.0
_EVERYTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Made:
    """A variant whose graph lies in the folder, and what was measured of it."""

    spec: VariantSpec
    evidence: VariantEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """All that variants are made from and judged by."""

    folder: Path  # of the bundle in the making: tokenizer and portable graph are there
    manifest: Callable[[Mapping[str, VariantSpec]], Manifest]  # of what the folder holds now
    material: Material
    data: GateData
    reference: Reference  # PyTorch's answers to data
    validation: GateData | None  # labelled sentences that temperatures and thresholds are fitted on
    gate: GateConfig
    report: Callable[[str], None]

    def make(self, name: str, recipe: Recipe) -> Made:
        """Build and gate ``name``; its evidence says whether it may be let out."""
        return self._paced(name, self._made(name, recipe))

    def _made(self, name: str, recipe: Recipe) -> Made:
        made = self._attempt(name, recipe, _EVERYTHING)
        if made.evidence.status != "failed" or not recipe.repairable:
            return made
        trials: dict[frozenset[str], Made] = {}

        def judge(kept: frozenset[str]) -> VariantEvidence:
            trials[kept] = self._attempt(name, recipe, kept)
            return trials[kept].evidence

        found, record = repaired(
            made.evidence,
            [product.name for product in products(recipe.base(self.material))],
            answers=partial(self._answers, name, recipe),
            judge=judge,
            seconds=REPAIR_SECONDS,
            report=lambda line: self.report(f"{name}: {line}"),
        )
        best = trials[found.kept] if found else made
        return dataclasses.replace(best, evidence=dataclasses.replace(best.evidence, repair=record))

    def _attempt(self, name: str, recipe: Recipe, kept: frozenset[str]) -> Made:
        """The variant with the products ``kept`` in fp32."""
        self.report(f"{name}: making")
        self._build(name, recipe, kept)
        spec = VariantSpec(graph=recipe.graph, provider=recipe.provider, provider_options=recipe.options(self.material))
        try:
            classifier = self._open(name, spec)
        except (ProviderError, MissingPackageError) as error:
            return Made(self._uncalibrated(spec), self._elsewhere(name, recipe, str(error)))
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
        ran = operators(self._bundle(name, spec), name)
        self._expect(name, recipe, ran, kept)
        return Made(spec, dataclasses.replace(evidence, operators=ran))

    def _paced(self, name: str, made: Made) -> Made:
        """The same, with the pace that runs it fastest here."""
        if made.evidence.status != "verified":
            return made
        pace = fastest_pace(
            lambda pace: self._open(name, made.spec, Drive(pace, "being measured")),
            made.spec.provider,
            [row.text for row in self.data.rows],
            report=lambda line: self.report(f"{name}: {line}"),
        )
        return Made(made.spec, dataclasses.replace(made.evidence, pace=pace))

    def _elsewhere(self, name: str, recipe: Recipe, problem: str) -> VariantEvidence:
        """What can be told of a variant whose provider is not here: another provider's arithmetic, or nothing."""
        if recipe.emulated_on is None:
            return unverified(recipe.provider, problem)
        classifier = self._open(name, self._stand_in(recipe))
        tasks = compare(classifier, self.data.rows, self.reference, self.gate)
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
        spec = VariantSpec(graph=recipe.graph, provider=recipe.provider, provider_options=recipe.options(self.material))
        try:
            classifier = self._open(name, spec)
        except (ProviderError, MissingPackageError):
            classifier = self._open(name, self._stand_in(recipe))
        texts = sorted((row.text for row in self.data.rows), key=len)
        return classifier.logits(spread(texts, SENSITIVITY_SENTENCES))

    def _build(self, name: str, recipe: Recipe, kept: frozenset[str]) -> None:
        if recipe.build is not None:
            graph = recipe.build(self.material, kept)
            check(graph, f"making {name}", loads=recipe.loads_on_cpu)
            save(graph, self.folder / recipe.graph)

    def _open(self, name: str, spec: VariantSpec, drive: Drive | None = None) -> Classifier:
        return open_classifier(self._bundle(name, spec), Choice(name, "being measured"), drive=drive)

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
        tasks = [_fitted(task, logits[task.name], self.validation) for task in self.reference.tasks]
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
        expected = len(products(recipe.base(self.material))) - len(kept)
        found = sum(count * ran.get(operator, 0) for operator, count in recipe.operators.items())
        if found != expected:
            raise ExportError(
                f"{name}: onnxruntime runs {found} of {expected} products as {' or '.join(recipe.operators)} "
                f"(it runs {dict(ran)}); report this with the output of `mtl doctor`"
            )


def _fitted(task: TaskSpec, logits: NDArray[np.float32], validation: GateData) -> TaskSpec:
    targets = targets_of(task, validation.rows)
    return task if targets is None else calibrated(task, logits, targets)


def _calibrations(tasks: Sequence[TaskSpec]) -> dict[str, Calibration]:
    return {
        task.name: Calibration(temperature=task.temperature, thresholds=task.thresholds)
        for task in tasks
        if task.kind != "regression"
    }
