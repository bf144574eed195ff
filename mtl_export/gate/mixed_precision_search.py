"""an int8 variant over its budget -> the same variant with its most sensitive products back in fp32, or none.

Sensitivity is measured, not guessed: each product is quantized alone, and what that does to the logits of the task
that suffers most is its figure. Then products go back to fp32, most sensitive first, in steps that double, until the
budget holds. After the half of them the variant has lost its reason to exist, and is refused.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.evidence.schema import HighPrecisionNode, Repair, RepairStep, VariantEvidence

__all__ = ["Trial", "search_mixed_precision"]

# Sentences on which sensitivities are measured; they are sorted out among dozens of products.
SENSITIVITY_SENTENCES = 64
_MOST_KEPT = 0.5  # share of the products

Logits = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Trial:
    """The variant with some products kept, and what the gate says of it."""

    kept: frozenset[str]
    evidence: VariantEvidence


def search_mixed_precision(
    first: VariantEvidence,
    products: Sequence[str],
    *,
    answers: Callable[[frozenset[str]], Logits],
    judge: Callable[[frozenset[str]], VariantEvidence],
    seconds: float,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[Trial | None, Repair]:
    """Search for the fewest products in fp32 with which the budget holds.

    Args:
        first: evidence of the variant with everything quantized.
        products: names of all products that could be kept.
        answers: names of kept products -> logits of the sensitivity sentences.
        judge: names of kept products -> evidence.
        seconds: after so many, sensitivities of products not yet measured count as the mean of the others.
        report: is told how far the search is.

    Returns:
        The first trial inside the budget (None: there is none), and how the search went.
    """
    start = time.perf_counter()
    ranked = _by_sensitivity(_worst_task(first), products, answers, seconds=seconds, report=report)
    curve = [_step(frozenset(), first)]
    count, most = 1, max(1, int(len(products) * _MOST_KEPT))
    found = None
    while found is None and count <= most:
        kept = frozenset(node.node for node in ranked[:count])
        report(f"repair: {count} of {len(products)} products in fp32")
        evidence = judge(kept)
        curve.append(_step(kept, evidence))
        if evidence.status != "failed":
            found = Trial(kept, evidence)
        count = min(2 * count, most) if count < most else most + 1
    shown = ranked[: len(found.kept) if found else most]
    record = Repair(
        candidates=len(products), kept=tuple(shown), curve=tuple(curve), seconds=time.perf_counter() - start
    )
    return found, record


def _by_sensitivity(
    task: str,
    products: Sequence[str],
    answers: Callable[[frozenset[str]], Logits],
    *,
    seconds: float,
    report: Callable[[str], None],
) -> list[HighPrecisionNode]:
    """Most sensitive first: the mean |logit difference| from fp32 with that product alone quantized."""
    everything = frozenset(products)
    exact = answers(everything)[task]
    found: dict[str, float] = {}
    deadline = time.perf_counter() + seconds
    for number, name in enumerate(products, 1):
        if time.perf_counter() > deadline:
            report(f"repair: time is up after {len(found)} of {len(products)} sensitivities")
            break
        report(f"repair: sensitivity of product {number} of {len(products)}")
        found[name] = float(np.abs(answers(everything - {name})[task] - exact).mean())
    rest = float(np.mean(list(found.values()))) if found else 0.0
    nodes = [HighPrecisionNode(node=name, sensitivity=found.get(name, rest)) for name in products]
    return sorted(nodes, key=lambda node: -node.sensitivity)


def _worst_task(evidence: VariantEvidence) -> str:
    """The task that is over its budget and agrees least; with none over it, the one that agrees least."""
    return min(evidence.tasks, key=lambda name: (not evidence.tasks[name].problems, evidence.tasks[name].agreement))


def _step(kept: frozenset[str], evidence: VariantEvidence) -> RepairStep:
    return RepairStep(
        kept=len(kept),
        sentences=max(task.sentences for task in evidence.tasks.values()),
        agreement={name: task.agreement for name, task in evidence.tasks.items()},
        speed=evidence.speed.median if evidence.speed else 0.0,
        holds=evidence.status != "failed",
    )
