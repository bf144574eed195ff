"""a variant's answers + the reference's -> VariantEvidence: every measure, every budget, one status."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.gate_config import GateConfig, limits_for, precision_of
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.core.work import planned_work, stage_work
from mtl_runtime.dataset.examples import Example
from mtl_runtime.evidence.schema import TaskEvidence, VariantEvidence
from mtl_runtime.gate.agreement import TaskOutputs, measure_agreement
from mtl_runtime.gate.budget_checks import stability_problems, task_problems
from mtl_runtime.gate.calibration import RowCalibration, encode_targets
from mtl_runtime.gate.invariance import check_invariance
from mtl_runtime.gate.speed import FEW_ROUNDS, ROUNDS, SPEED_TEXTS, measure_speed
from mtl_runtime.gate.work import STABILITY_SENTENCES, speed_work, stability_work
from mtl_runtime.inference.classifier import Classifier

__all__ = ["Logits", "Reference", "compare_tasks", "gate_variant"]

_log = logging.getLogger(__name__)

Logits = Mapping[str, NDArray[np.float32]]  # by task, (N, width)
Unseen = Mapping[str, RowCalibration]  # by task, of the same N sentences


@dataclass(frozen=True, slots=True)
class Reference:
    """What a variant is compared with, on the same examples."""

    name: str
    tasks: tuple[TaskSpec, ...]  # with the reference's own temperatures and thresholds
    logits: Logits
    unseen: Unseen = field(default_factory=dict)  # where its tasks were fitted on some of the examples


def gate_variant(
    classifier: Classifier,
    examples: Sequence[Example],
    logits: Logits,
    reference: Reference,
    gate: GateConfig,
    *,
    baseline: Classifier | None,
    not_timed: str | None = None,
    unseen: Unseen | None = None,
) -> VariantEvidence:
    """Measure and judge one variant on its own provider.

    Args:
        classifier: of the variant, with its own temperatures and thresholds.
        examples: N sentences, with the labels they have.
        logits: the variant's answers to these sentences.
        reference: its answers to the same.
        gate: budgets.
        baseline: cpu-fp32, whose speed counts as 1; None where the variant is that itself, or is not timed.
        not_timed: why it is not.
        unseen: where the variant's tasks were fitted on some of the examples: what was fitted without each.
    """
    variant = classifier.info.variant
    tasks = compare_tasks(classifier.specs, variant, examples, logits, reference, gate, unseen=unseen)
    sample = _sample([example.text for example in examples])
    work = stage_work(stability_work(len(sample)))
    _log.info(
        "%s: checking stability on %d sentences: alone, padded, in other batches", variant, len(sample), extra=work
    )
    checks = check_invariance(classifier, sample, tie=lambda task: limits_for(gate, task, precision_of(variant)).tie)
    problems = stability_problems(checks)
    failed = bool(problems) or any(task.problems for task in tasks.values())
    rounds = FEW_ROUNDS if failed else ROUNDS
    if baseline is not None:
        units = speed_work(SPEED_TEXTS, rounds)
        spared = planned_work(units - speed_work(SPEED_TEXTS, ROUNDS))  # all rounds are planned
        _log.info("%s: measuring speed against cpu-fp32", variant, extra={**stage_work(units), **spared})
    return VariantEvidence(
        status="failed" if failed else "verified",
        provider=classifier.info.provider,
        threads=classifier.info.cores,
        tasks=tasks,
        stability=checks,
        speed=None if baseline is None else measure_speed(classifier, baseline, sample, rounds=rounds),
        not_timed=not_timed,
        problems=problems,
    )


def compare_tasks(
    tasks: Sequence[TaskSpec],
    variant: str,
    examples: Sequence[Example],
    logits: Logits,
    reference: Reference,
    gate: GateConfig,
    *,
    unseen: Unseen | None = None,
) -> dict[str, TaskEvidence]:
    """Answers of a variant against the reference's, judged, by task.

    Args:
        tasks: with the variant's own temperatures and thresholds.
        variant: its name, which ends in its precision.
        examples: N sentences, with the labels they have.
        logits: the variant's answers to them.
        reference: its answers to the same.
        gate: budgets.
        unseen: where ``tasks`` were fitted on some of the examples: what was fitted without each.
    """
    texts = [example.text for example in examples]
    precision = precision_of(variant)
    by_task = {}
    for before, after in zip(reference.tasks, tasks, strict=True):
        limits = limits_for(gate, after.name, precision)
        evidence = measure_agreement(
            texts,
            TaskOutputs(before, reference.logits[after.name], reference.unseen.get(after.name)),
            TaskOutputs(after, logits[after.name], (unseen or {}).get(after.name)),
            encode_targets(after, examples),
            tie=limits.tie,
        )
        problems = task_problems(after, evidence, limits, precision=precision)
        by_task[after.name] = dataclasses.replace(evidence, problems=problems)
    return by_task


def _sample(texts: Sequence[str]) -> list[str]:
    """Texts of all lengths, the shortest and the longest among them, in the order they came in."""
    by_length = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    return [texts[row] for row in sorted(evenly_spaced(by_length, STABILITY_SENTENCES))]
