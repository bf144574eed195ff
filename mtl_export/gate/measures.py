"""reference and candidate logits of one task -> TaskEvidence: decisions first, then probabilities and logits."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_export.data.targets import Targets, labelled
from mtl_export.metrics import task_metrics
from mtl_runtime.decode import check_finite, decode, probabilities
from mtl_runtime.evidence import Flip, TaskEvidence
from mtl_runtime.manifest import Kind, TaskSpec

__all__ = ["measure", "wilson_interval"]

_LISTED_FLIPS = 50
_Z95 = 1.959963984540054

Logits = NDArray[np.float32]


def measure(
    task: TaskSpec, texts: Sequence[str], reference: Logits, candidate: Logits, targets: Targets | None
) -> TaskEvidence:
    """Compare two models' logits on the same N sentences.

    Args:
        task: labels and thresholds.
        texts: the N sentences.
        reference: of the PyTorch model, float32 (N, width).
        candidate: of the graph, float32 (N, width).
        targets: labels, (N,) or (N, labels); None: there are none.

    Raises:
        NonFiniteError: the reference itself holds NaN or infinity, so that nothing can be compared with it.
    """
    check_finite(reference, f"PyTorch's logit of task {task.name!r}")
    finite = np.asarray(np.isfinite(candidate).all(axis=1))
    usable = np.where(finite[:, None], candidate, 0.0).astype(np.float32)
    # float64 holds the difference of two float32 exactly, so that rounding cannot put a flip outside its tie.
    difference = np.abs(usable.astype(np.float64) - reference)[finite]
    spread = np.abs(probabilities(task, usable) - probabilities(task, reference))[finite]
    largest = float(difference.max(initial=0.0))
    flips = _flips(task, texts, reference=reference, candidate=usable, finite=finite, largest=largest)
    low, high = wilson_interval(len(texts) - len(flips), len(texts))
    rows = labelled(targets) if targets is not None else np.zeros(len(texts), dtype=np.bool_)
    known = targets is not None and bool(rows.any())
    return TaskEvidence(
        sentences=len(texts),
        agreement=1.0 - len(flips) / max(1, len(texts)),
        agreement_low=low,
        agreement_high=high,
        flips=len(flips),
        flips_outside_ties=sum(not flip.tie for flip in flips),
        flipped=tuple(flips[:_LISTED_FLIPS]),
        logit_scale=max(1.0, float(np.abs(reference).max(initial=0.0))) if task.kind == "regression" else 1.0,
        max_logit_difference=largest,
        mean_logit_difference=float(difference.mean()) if difference.size else 0.0,
        max_probability_difference=float(spread.max(initial=0.0)),
        mean_probability_difference=float(spread.mean()) if spread.size else 0.0,
        not_finite=int((~finite).sum()),
        labelled=int(rows.sum()),
        metrics=task_metrics(task, targets, usable).values if known and targets is not None else {},
        reference_metrics=task_metrics(task, targets, reference).values if known and targets is not None else {},
        problems=(),
    )


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """95 % score interval of a share, after E. B. Wilson, JASA 22 (1927) 209-212; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share, square = hits / trials, _Z95 * _Z95
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = _Z95 / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def _flips(
    task: TaskSpec,
    texts: Sequence[str],
    *,
    reference: Logits,
    candidate: Logits,
    finite: NDArray[np.bool_],
    largest: float,
) -> list[Flip]:
    """Sentences with another answer, widest reference margin first; a row that is not finite counts as one."""
    changed = np.flatnonzero(_CHANGED[task.kind](task, reference, candidate) | ~finite).tolist()
    margins = _MARGIN[task.kind](task, reference)
    before, after = (decode(task, rows[changed]) for rows in (reference, candidate))
    flips = [
        Flip(
            text=texts[row],
            reference=str(old.value),
            candidate=str(new.value) if finite[row] else "not finite",
            margin=float(margins[row]),
            tie=bool(finite[row] and margins[row] <= 2 * largest),
        )
        for row, old, new in zip(changed, before, after, strict=True)
    ]
    return sorted(flips, key=lambda flip: -flip.margin)


def _other_label(_task: TaskSpec, reference: Logits, candidate: Logits) -> NDArray[np.bool_]:
    return np.asarray(reference.argmax(axis=1) != candidate.argmax(axis=1))


def _other_label_set(task: TaskSpec, reference: Logits, candidate: Logits) -> NDArray[np.bool_]:
    bars = np.array(task.thresholds)
    given = [probabilities(task, logits) >= bars for logits in (reference, candidate)]
    return np.asarray((given[0] != given[1]).any(axis=1))


def _never(_task: TaskSpec, reference: Logits, _candidate: Logits) -> NDArray[np.bool_]:
    """A number has no decision that could flip; its budget is the logit difference."""
    return np.zeros(len(reference), dtype=np.bool_)


def _top_two(_task: TaskSpec, reference: Logits) -> NDArray[np.float64]:
    ordered = np.sort(reference.astype(np.float64), axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def _to_threshold(task: TaskSpec, reference: Logits) -> NDArray[np.float64]:
    """Distance of the nearest logit to its threshold's logit."""
    bars = np.clip(np.array(task.thresholds), 1e-12, 1 - 1e-12)
    return np.asarray(np.abs(reference - task.temperature * np.log(bars / (1 - bars))).min(axis=1))


def _no_margin(_task: TaskSpec, reference: Logits) -> NDArray[np.float64]:
    return np.zeros(len(reference))


_CHANGED: Mapping[Kind, Callable[[TaskSpec, Logits, Logits], NDArray[np.bool_]]] = {
    "single_label": _other_label,
    "multi_label": _other_label_set,
    "regression": _never,
}
_MARGIN: Mapping[Kind, Callable[[TaskSpec, Logits], NDArray[np.float64]]] = {
    "single_label": _top_two,
    "multi_label": _to_threshold,
    "regression": _no_margin,
}
