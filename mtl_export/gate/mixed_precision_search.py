"""int8 variant over its budget -> the same variant with its most sensitive MatMuls back in fp32, or none.

Sensitivity is measured, not guessed: each MatMul is quantized alone, and what that does to the logits of the task
that suffers most is its figure. Then MatMuls go back to fp32, most sensitive first, in steps that double, until the
budget holds. After half of them the variant has lost its reason to exist, and is refused.
"""

import logging
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.core.work import planned_work, step_work
from mtl_runtime.evidence.schema import HighPrecisionNode, Repair, RepairStep, VariantEvidence

__all__ = ["search_mixed_precision"]

_log = logging.getLogger(__name__)

# Sentences on which sensitivities are measured; they have to rank dozens of MatMuls, no more.
SENSITIVITY_SENTENCES = 64
_SENSITIVITY_WORK = 230.0  # of one MatMul: another graph is written, opened and asked
_MAX_EXCLUDED = 0.5  # share of the MatMuls

Logits = dict[str, NDArray[np.float32]]


def search_mixed_precision(
    first: VariantEvidence,
    matmuls: Sequence[str],
    *,
    variant: str,
    answers: Callable[[frozenset[str]], Logits],
    judge: Callable[[frozenset[str]], VariantEvidence],
    seconds: float,
) -> tuple[frozenset[str] | None, Repair]:
    """Search for the fewest MatMuls in fp32 with which the budget holds.

    Args:
        first: evidence of the variant with everything quantized.
        matmuls: names of all MatMuls that could be excluded.
        variant: its name, for the log.
        answers: names of excluded MatMuls -> logits of the sensitivity sentences.
        judge: names of excluded MatMuls -> evidence.
        seconds: after so many, sensitivities that are not yet measured count as the mean of the others.

    Returns:
        The excluded MatMuls of the first trial inside the budget (None: there is none), and how the search went.
    """
    start = time.perf_counter()
    _log.info("%s: over its budget (%s); it is repaired", variant, "; ".join(first.all_problems[:1]))
    ranked = _rank_by_sensitivity(variant, _worst_task(first), matmuls, answers, seconds=seconds)
    curve = [_step(frozenset(), first)]
    count, most = 1, max(1, int(len(matmuls) * _MAX_EXCLUDED))
    solution = None
    while solution is None and count <= most:
        excluded = frozenset(node.node for node in ranked[:count])
        _log.info("%s: trying %d of %d MatMuls in fp32", variant, count, len(matmuls))
        evidence = judge(excluded)
        curve.append(_step(excluded, evidence))
        if evidence.status != "failed":
            solution = excluded
        count = min(2 * count, most) if count < most else most + 1
    shown = ranked[: len(solution) if solution else most]
    record = Repair(candidates=len(matmuls), kept=tuple(shown), curve=tuple(curve), seconds=time.perf_counter() - start)
    return solution, record


def _rank_by_sensitivity(
    variant: str, task: str, matmuls: Sequence[str], answers: Callable[[frozenset[str]], Logits], *, seconds: float
) -> list[HighPrecisionNode]:
    """Most sensitive first: the mean |logit difference| from fp32 with that MatMul alone quantized."""
    work = planned_work(len(matmuls) * _SENSITIVITY_WORK)
    _log.info("%s: measuring the sensitivity of %d MatMuls", variant, len(matmuls), extra=work)
    everything = frozenset(matmuls)
    exact = answers(everything)[task]
    measured: dict[str, float] = {}
    deadline = time.perf_counter() + seconds
    for number, name in enumerate(matmuls, 1):
        if time.perf_counter() > deadline:
            _log.info("%s: time is up after %d of %d sensitivities", variant, len(measured), len(matmuls))
            break
        _log.info("sensitivity: MatMul %d of %d", number, len(matmuls), extra=step_work(_SENSITIVITY_WORK))
        measured[name] = float(np.abs(answers(everything - {name})[task] - exact).mean())
    mean = float(np.mean(list(measured.values()))) if measured else 0.0
    nodes = [HighPrecisionNode(node=name, sensitivity=measured.get(name, mean)) for name in matmuls]
    return sorted(nodes, key=lambda node: -node.sensitivity)


def _worst_task(evidence: VariantEvidence) -> str:
    """The task that is over its budget and agrees least; with none over it, the one that agrees least."""
    return min(evidence.tasks, key=lambda name: (not evidence.tasks[name].problems, evidence.tasks[name].agreement))


def _step(excluded: frozenset[str], evidence: VariantEvidence) -> RepairStep:
    return RepairStep(
        kept=len(excluded),
        sentences=max(task.sentences for task in evidence.tasks.values()),
        agreement={name: task.agreement for name, task in evidence.tasks.items()},
        speed=evidence.speed.median if evidence.speed else 0.0,
        holds=evidence.status != "failed",
    )
