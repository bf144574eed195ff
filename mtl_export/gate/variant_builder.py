"""recipe of a variant -> its graph in the bundle's folder: calibrated, gated against PyTorch, repaired or refused."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtl_export.errors import ExportError
from mtl_export.gate.comparison_data import ComparisonData, Outputs
from mtl_export.gate.graph_sessions import GraphSessions
from mtl_export.gate.mixed_precision_search import SENSITIVITY_SENTENCES, search_mixed_precision
from mtl_export.graphs.graph_builder import GraphBuilder
from mtl_export.graphs.int8.matmuls import find_matmuls
from mtl_export.graphs.passes import check, save, value_names
from mtl_export.graphs.recipes import RECIPES, Recipe
from mtl_runtime.bundle.gate_config import DEFAULTS, GateConfig, limits_for, precision_of
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT, Calibration, TaskSpec, VariantSpec
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.core.work import planned_work, stage_work
from mtl_runtime.diagnostics.node_placement import count_operators, profile_nodes
from mtl_runtime.errors import MissingPackageError, ProviderError
from mtl_runtime.evidence.schema import TeacherComparison, VariantEvidence
from mtl_runtime.gate.agreement import TaskOutputs
from mtl_runtime.gate.autotune import autotune
from mtl_runtime.gate.calibration import FittedTasks
from mtl_runtime.gate.gate_variant import Logits, Reference, compare_tasks, gate_variant
from mtl_runtime.gate.speed import ROUNDS, SPEED_TEXTS, reason_not_timed
from mtl_runtime.gate.teacher_comparison import compare_with_teacher
from mtl_runtime.gate.work import AUTOTUNE_WORK, comparison_work, speed_work
from mtl_runtime.gate.write_evidence import unverified_evidence
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.text.batch import Batch

__all__ = ["BuiltVariant", "VariantBuilder"]

_log = logging.getLogger(__name__)

# What a search for the most sensitive MatMuls may take.
REPAIR_SECONDS = 300.0
_REBUILD_WORK = 100.0  # of a graph whose smoothing is known
_NOTHING: frozenset[str] = frozenset()
_BASELINE = VariantSpec(graph=RECIPES[DEFAULT_VARIANT].graph, provider="cpu", provider_options={})


@dataclass(frozen=True, slots=True)
class BuiltVariant:
    """A variant whose graph lies in the folder, and what was measured of it."""

    spec: VariantSpec
    evidence: VariantEvidence
    golden_logits: Logits | None = None  # its own answers to the golden texts; None: it is not verified here


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantBuilder:
    """All that variants are made from and judged by."""

    folder: Path  # of the graphs; the portable one is there
    graphs: GraphBuilder
    sessions: GraphSessions  # of the graphs in that folder
    data: ComparisonData
    reference: Reference  # PyTorch's answers to the data
    gate: GateConfig
    golden_texts: Sequence[str]  # that each verified variant answers for the self-test on other machines
    teacher: Reference | None = None  # of a student: the teacher's answers to the sentences, edge cases aside

    def build_and_gate(self, name: str, recipe: Recipe) -> BuiltVariant:
        """Build and gate ``name``; its evidence says whether it may be let out."""
        try:
            built = self._attempt(name, recipe, _NOTHING)
            if built.evidence.status == "failed" and recipe.repairable:
                built = self._repair(name, recipe, built)
            return self._answer_golden_texts(name, self._autotune(name, built))
        finally:
            self.sessions.close_all_but(DEFAULT_VARIANT, _BASELINE)  # which speed is measured against

    def planned_work(self, recipes: Mapping[str, Recipe]) -> float:
        """Of all variants, if each is measured here and passes at once."""
        built = [recipe for recipe in recipes.values() if recipe.build is not None]
        searches = {recipe.base: recipe.search_work for recipe in built}  # variants of one base share its search
        work = sum(recipe.build_work for recipe in built) + sum(searches.values())
        return work + sum(self._comparison_work(name) + _tuning_work(recipe) for name, recipe in recipes.items())

    def _comparison_work(self, name: str) -> float:
        is_timed = name != DEFAULT_VARIANT and _reason_not_timed(RECIPES[name]) is None
        speed = speed_work(SPEED_TEXTS, ROUNDS) if is_timed else 0.0
        compared = len(self.data.compared)
        return comparison_work(compared, speed=speed) + self._answered(name) - compared

    def _answered(self, name: str) -> int:
        """Sentences that a variant answers: in fp32 the logits are PyTorch's, and so is what is fitted on them."""
        return self.data.answered if _is_fitted(name) else len(self.data.compared)

    def _repair(self, name: str, recipe: Recipe, failed: BuiltVariant) -> BuiltVariant:
        trials: dict[frozenset[str], BuiltVariant] = {}

        def judge(excluded: frozenset[str]) -> VariantEvidence:
            trials[excluded] = self._attempt(name, recipe, excluded)
            return trials[excluded].evidence

        excluded, record = search_mixed_precision(
            failed.evidence,
            [matmul.name for matmul in find_matmuls(recipe.base(self.graphs))],
            variant=name,
            answers=partial(self._sensitivity_logits, name, recipe),
            judge=judge,
            seconds=REPAIR_SECONDS,
        )
        best = trials[excluded] if excluded else failed
        return dataclasses.replace(best, evidence=dataclasses.replace(best.evidence, repair=record))

    def _attempt(self, name: str, recipe: Recipe, excluded: frozenset[str]) -> BuiltVariant:
        """The variant with the MatMuls ``excluded`` in fp32."""
        if recipe.build is not None:
            work = stage_work(_REBUILD_WORK if excluded else recipe.build_work)
            if excluded:  # a repair: nobody planned this attempt
                work = {**work, **planned_work(_REBUILD_WORK + self._comparison_work(name))}
            _log.info("%s: building the graph", name, extra=work)
        spec = self._build(name, recipe, excluded)
        try:
            classifier = self.sessions.classifier(name, spec, self.reference.tasks)
        except (ProviderError, MissingPackageError) as error:
            spared = self._comparison_work(name) + _tuning_work(recipe)
            _log.info("%s: cannot run here", name, extra=planned_work(-spared))
            evidence = self._emulated_evidence(name, recipe, str(error))
            return BuiltVariant(self._calibrated(spec, self.reference.tasks), evidence)
        work = stage_work(self._answered(name))
        _log.info("%s: answering %d sentences", name, len(self.data.compared), extra=work)
        not_timed = _reason_not_timed(recipe)
        outputs = self.data.answer(classifier.logits, validation=_is_fitted(name))
        fitted = self.data.calibrate(self.reference.tasks, outputs)  # where nothing is fitted, the reference's own hold
        unseen = fitted.judge_unseen(self.data.compared_texts) if _is_fitted(name) else self.reference.unseen
        evidence = gate_variant(
            dataclasses.replace(classifier, specs=fitted.tasks),
            self.data.compared,
            outputs.compared,
            self.reference,
            self.gate,
            baseline=None if name == DEFAULT_VARIANT or not_timed else self._baseline(),
            not_timed=not_timed,
            unseen=unseen,
        )
        operators = self._running_operators(classifier, spec)
        self._require_operators(name, recipe, operators, excluded)
        compared = {} if self.teacher is None else self._compare_with_teacher(name, self.teacher, outputs, fitted)
        return BuiltVariant(
            self._calibrated(spec, fitted.tasks),
            dataclasses.replace(
                evidence,
                operators=operators,
                teacher=compared,
                exceeds_teacher_budget=any(one.outcome == "exceeded" for one in compared.values()),
            ),
        )

    def _compare_with_teacher(
        self, name: str, teacher: Reference, outputs: Outputs, fitted: FittedTasks
    ) -> dict[str, TeacherComparison]:
        sentences, precision = self.data.sentences, precision_of(name)
        unseen = fitted.judge_unseen(sentences.texts)
        limits = {task.name: limits_for(self.gate, task.name, precision) for task in fitted.tasks}
        return compare_with_teacher(
            sentences.examples,
            {
                task.name: TaskOutputs(task, teacher.logits[task.name], teacher.unseen.get(task.name))
                for task in teacher.tasks
            },
            {
                task.name: TaskOutputs(
                    task, outputs.compared[task.name][: len(sentences.examples)], unseen.get(task.name)
                )
                for task in fitted.tasks
            },
            budget={task: limit.max_metric_drop for task, limit in limits.items()},
            tie=DEFAULTS[precision].tie,
        )

    def _autotune(self, name: str, built: BuiltVariant) -> BuiltVariant:
        """The same, with the execution config that runs it fastest here."""
        if built.evidence.status != "verified" or built.evidence.not_timed is not None:
            return built
        open_with = partial(self.sessions.classifier, name, built.spec, self.reference.tasks)
        execution = autotune(open_with(), open_with, [example.text for example in self.data.compared])
        return BuiltVariant(built.spec, dataclasses.replace(built.evidence, execution=execution))

    def _answer_golden_texts(self, name: str, built: BuiltVariant) -> BuiltVariant:
        """The same, with its own golden answers where it computes them on its own provider."""
        if built.evidence.status != "verified":
            return built
        classifier = self.sessions.classifier(name, built.spec, self.reference.tasks)
        return dataclasses.replace(built, golden_logits=classifier.logits(self.golden_texts))

    def _emulated_evidence(self, name: str, recipe: Recipe, problem: str) -> VariantEvidence:
        """Evidence of a variant whose provider is not here: another provider's arithmetic, or nothing."""
        if recipe.emulated_on is None:
            return unverified_evidence(recipe.provider, problem)
        classifier = self.sessions.classifier(name, _emulation(recipe), self.reference.tasks)
        work = stage_work(len(self.data.compared), unplanned=True)
        _log.info("%s: answering %d sentences on %s", name, len(self.data.compared), recipe.emulated_on, extra=work)
        outputs = self.data.answer(classifier.logits, validation=False)  # an emulation is not calibrated
        tasks = compare_tasks(
            self.reference.tasks,
            name,
            self.data.compared,
            outputs.compared,
            self.reference,
            self.gate,
            unseen=self.reference.unseen,
        )
        return VariantEvidence(
            status="failed" if any(task.problems for task in tasks.values()) else "emulated",
            provider=recipe.emulated_on,
            threads=classifier.info.cores,
            tasks=tasks,
            problems=(problem,),
        )

    def _sensitivity_logits(
        self, name: str, recipe: Recipe, excluded: frozenset[str]
    ) -> dict[str, NDArray[np.float32]]:
        """Logits of some sentences, from the shortest to the longest."""
        spec = self._build(name, recipe, excluded)
        try:
            classifier = self.sessions.classifier(name, spec, self.reference.tasks)
        except (ProviderError, MissingPackageError):
            classifier = self.sessions.classifier(name, _emulation(recipe), self.reference.tasks)
        texts = sorted((example.text for example in self.data.compared), key=len)
        return classifier.logits(evenly_spaced(texts, SENSITIVITY_SENTENCES))

    def _build(self, name: str, recipe: Recipe, excluded: frozenset[str]) -> VariantSpec:
        """Write the graph, where the recipe has one of its own."""
        if recipe.build is not None:
            self.sessions.close(recipe.graph)
            graph = recipe.build(self.graphs, excluded)
            if value_names(graph) != value_names(self.graphs.portable):
                raise ExportError(f"{name}: the graph has other inputs or outputs than the portable one; report this")
            check(graph, f"building {name}", loads=recipe.loads_on_cpu)
            save(graph, self.folder / recipe.graph)
        return VariantSpec(
            graph=recipe.graph,
            provider=recipe.provider,
            provider_options=recipe.options(self.graphs),
            sums_fit_16_bits=recipe.sums_fit_16_bits,
        )

    def _baseline(self) -> Classifier:
        return self.sessions.classifier(DEFAULT_VARIANT, _BASELINE, self.reference.tasks)

    def _calibrated(self, spec: VariantSpec, tasks: Sequence[TaskSpec]) -> VariantSpec:
        calibration = {
            task.name: Calibration(temperature=task.temperature, thresholds=task.thresholds)
            for task in tasks
            if task.kind != "regression"
        }
        return dataclasses.replace(spec, calibration=calibration)

    def _running_operators(self, classifier: Classifier, spec: VariantSpec) -> dict[str, int]:
        """Fused and quantized operators of the graph that really runs."""
        batch = Batch.of(classifier.tokenize(["how many operators are there?"]), pad_id=classifier.encoder.pad_id)
        return count_operators(profile_nodes(self.folder / spec.graph, batch, spec))

    def _require_operators(
        self, name: str, recipe: Recipe, operators: Mapping[str, int], excluded: frozenset[str]
    ) -> None:
        """A quantization that onnxruntime undoes would pass every budget and be slow.

        Raises:
            ExportError: other operators ran than were written.
        """
        if not recipe.operators:
            return
        expected = len(find_matmuls(recipe.base(self.graphs))) - len(excluded)
        running = sum(count * operators.get(operator, 0) for operator, count in recipe.operators.items())
        if running != expected:
            raise ExportError(
                f"{name}: onnxruntime runs {running} of {expected} MatMuls as {' or '.join(recipe.operators)} "
                f"(it runs {dict(operators)}); report this with the output of `mtl doctor`"
            )


def _is_fitted(variant: str) -> bool:
    """Whether a variant has temperatures of its own: logits in fp32 are PyTorch's, or the gate refuses them."""
    return precision_of(variant) != "fp32"


def _reason_not_timed(recipe: Recipe) -> str | None:
    return reason_not_timed(sums_fit_16_bits=recipe.sums_fit_16_bits)


def _tuning_work(recipe: Recipe) -> float:
    return 2 * AUTOTUNE_WORK if _reason_not_timed(recipe) is None else 0.0


def _emulation(recipe: Recipe) -> VariantSpec:
    """The graph on the provider that emulates its own."""
    return VariantSpec(graph=recipe.graph, provider=recipe.emulated_on or recipe.provider, provider_options={})
