"""a variant's classifier + reference answers -> VariantEvidence: every measure, every budget, one verdict."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.gate_config import GateConfig, limits_for, precision_of
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.targets import Targets, encode_labels
from mtl_runtime.evidence.schema import TaskEvidence, VariantEvidence
from mtl_runtime.gate.agreement import TaskOutputs, measure_agreement
from mtl_runtime.gate.budget_checks import stability_problems, task_problems
from mtl_runtime.gate.invariance import check_invariance
from mtl_runtime.gate.speed import measure_speed
from mtl_runtime.inference.classifier import Classifier

__all__ = ["Reference", "compare_tasks", "encode_targets", "gate_variant"]

# Sentences of the stability checks, which answer each of them one by one, several times.
_STABILITY_SENTENCES = 256


@dataclass(frozen=True, slots=True)
class Reference:
    """What a variant is compared with, on the same rows."""

    name: str
    tasks: tuple[TaskSpec, ...]  # with the reference's own temperatures and thresholds
    logits: Mapping[str, NDArray[np.float32]]  # by task, (N, width)


def gate_variant(
    classifier: Classifier,
    rows: Sequence[Example],
    reference: Reference,
    gate: GateConfig,
    *,
    baseline: Classifier,
    report: Callable[[str], None] = lambda _: None,
) -> VariantEvidence:
    """Measure and judge one variant on its own provider.

    Args:
        classifier: of the variant.
        rows: sentences, with the labels they have.
        reference: its answers to these rows.
        gate: budgets.
        baseline: cpu-fp32, which speed is told in multiples of.
        report: is told each stage.
    """
    precision = precision_of(classifier.info.variant)
    tasks = compare_tasks(classifier, rows, reference, gate)
    texts = [row.text for row in rows]
    sample = _sample(texts)
    checks = check_invariance(classifier, sample, tie=lambda task: limits_for(gate, task, precision).tie, report=report)
    problems = stability_problems(checks)
    return VariantEvidence(
        status="failed" if problems or any(task.problems for task in tasks.values()) else "verified",
        provider=classifier.info.provider,
        threads=classifier.info.cores,
        tasks=tasks,
        stability=checks,
        speed=None if classifier is baseline else measure_speed(classifier, baseline, sample, report=report),
        problems=problems,
    )


def _sample(texts: Sequence[str]) -> list[str]:
    """Texts of all lengths, the shortest and the longest among them, in the order they came in."""
    by_length = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    return [texts[row] for row in sorted(evenly_spaced(by_length, _STABILITY_SENTENCES))]


def compare_tasks(
    classifier: Classifier, rows: Sequence[Example], reference: Reference, gate: GateConfig
) -> dict[str, TaskEvidence]:
    """Answers of a variant against the reference's, judged, by task."""
    texts = [row.text for row in rows]
    logits = classifier.logits(texts)
    precision = precision_of(classifier.info.variant)
    found = {}
    for before, after in zip(reference.tasks, classifier.manifest.tasks, strict=True):
        limits = limits_for(gate, after.name, precision)
        evidence = measure_agreement(
            texts,
            TaskOutputs(before, reference.logits[after.name]),
            TaskOutputs(after, logits[after.name]),
            encode_targets(after, rows),
            tie=limits.tie,
        )
        problems = task_problems(after, evidence, limits, precision=precision)
        found[after.name] = dataclasses.replace(evidence, problems=problems)
    return found


def encode_targets(task: TaskSpec, rows: Sequence[Example]) -> Targets | None:
    """The rows' labels of ``task`` as numbers; None where no row has one."""
    labels = [row.labels.get(task.name) for row in rows]
    return encode_labels(task, labels) if any(label is not None for label in labels) else None
