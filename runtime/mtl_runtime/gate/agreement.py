"""reference and candidate answers to one task -> TaskEvidence: decisions first, then probabilities and logits."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.core.intervals import wilson_interval
from mtl_runtime.dataset.metrics import f1_by_label, task_metrics
from mtl_runtime.dataset.targets import Targets, has_label
from mtl_runtime.evidence.schema import Bin, Flip, Histogram, TaskEvidence
from mtl_runtime.gate.calibration import RowCalibration, calibration_error, reliability_bins
from mtl_runtime.inference.decisions import changed_answers, decision_margins
from mtl_runtime.inference.decode import check_finite, compute_probabilities, decode

__all__ = ["TaskOutputs", "measure_agreement"]

_LISTED_FLIPS = 50
# Of the histogram of |logit difference|: two bars per power of ten, from float32 rounding to what nobody wants.
_EDGES = np.array([0.0, *(10.0 ** (exponent / 2) for exponent in range(-16, 5)), np.finfo(np.float32).max])

Logits = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True)
class TaskOutputs:
    """Logits of one task, and how they become answers: each side has its own temperature and thresholds."""

    task: TaskSpec
    logits: Logits  # float32 (N, width)
    unseen: RowCalibration | None = None  # where `task` was fitted on some of these rows: the same without each row

    @property
    def at_temperature(self) -> "TaskOutputs":
        """At temperature 1, with logits that have the probabilities of these, each by what has not seen its row."""
        if self.unseen is None:
            return self
        return TaskOutputs(dataclasses.replace(self.task, temperature=1.0), self.unseen.scale(self.logits))

    @property
    def at_thresholds(self) -> "TaskOutputs":
        """With the labels that these rows get from thresholds that have not seen them; only multi_label has any."""
        if self.unseen is None or self.task.kind != "multi_label":
            return self
        neutral = dataclasses.replace(self.task, temperature=1.0, thresholds=(0.5,) * self.task.width)
        return TaskOutputs(neutral, self.unseen.shift(self.logits))

    @property
    def raw(self) -> NDArray[np.float64]:
        """Probabilities before temperature, (N, width); zeros for a regression, which has none."""
        if self.task.kind == "regression":
            return np.zeros(self.logits.shape)
        return compute_probabilities(dataclasses.replace(self.task, temperature=1.0), self.logits)


def measure_agreement(
    texts: Sequence[str], reference: TaskOutputs, candidate: TaskOutputs, targets: Targets | None, *, tie: float
) -> TaskEvidence:
    """Compare two models' answers to one task on the same N sentences.

    Args:
        texts: the N sentences.
        reference: of the PyTorch model, or of what stands for it.
        candidate: of the variant.
        targets: labels, (N,) or (N, labels); None: there are none.
        tie: margin up to which a decision of the reference counts as a tie, in logits.

    Raises:
        NonFiniteError: the reference itself holds NaN or infinity, so that nothing can be compared with it.
    """
    check_finite(reference.logits, f"the reference's logit of task {reference.task.name!r}")
    finite = np.asarray(np.isfinite(candidate.logits).all(axis=1))
    usable = dataclasses.replace(candidate, logits=np.where(finite[:, None], candidate.logits, 0.0).astype(np.float32))
    # float64 holds the difference of two float32 exactly.
    difference = np.abs(usable.logits.astype(np.float64) - reference.logits)[finite]
    spread = np.abs(usable.raw - reference.raw)[finite]
    scale = max(1.0, float(np.abs(reference.logits).max(initial=0.0))) if reference.task.kind == "regression" else 1.0
    flips = _flips(texts, reference, usable, finite=finite, tie=tie)
    low, high = wilson_interval(len(texts) - len(flips), len(texts))
    evidence = TaskEvidence(
        kind=reference.task.kind,
        temperature=candidate.task.temperature,
        sentences=len(texts),
        agreement=(len(texts) - len(flips)) / len(texts) if texts else 1.0,
        agreement_low=low,
        agreement_high=high,
        flips=len(flips),
        flips_outside_ties=sum(not flip.tie for flip in flips),
        flipped=tuple(flips[:_LISTED_FLIPS]),
        logit_scale=scale,
        spread=float(reference.logits.std()) if reference.task.kind == "regression" and texts else 0.0,
        max_logit_difference=float(difference.max(initial=0.0)),
        mean_logit_difference=float(difference.mean()) if difference.size else 0.0,
        logit_differences=_histogram(difference.ravel()),
        max_probability_difference=float(spread.max(initial=0.0)),
        mean_probability_difference=float(spread.mean()) if spread.size else 0.0,
        not_finite=int((~finite).sum()),
    )
    if targets is None or not has_label(targets).any():
        return evidence
    decided, decided_reference = usable.at_thresholds, reference.at_thresholds
    bins = _reliability(usable.at_temperature, targets)
    measured = task_metrics(decided.task, targets, decided.logits)
    return dataclasses.replace(
        evidence,
        labelled=int(has_label(targets).sum()),
        metrics=measured.values,
        reference_metrics=task_metrics(decided_reference.task, targets, decided_reference.logits).values,
        majority_accuracy=measured.majority_accuracy,
        f1_by_label=f1_by_label(decided.task, targets, decided.logits),
        reference_f1_by_label=f1_by_label(decided_reference.task, targets, decided_reference.logits),
        calibration_error=calibration_error(
            reliability_bins(dataclasses.replace(usable.task, temperature=1.0), usable.logits, targets)
        ),
        calibrated_error=calibration_error(bins),
        reliability=bins,
    )


def _reliability(outputs: TaskOutputs, targets: Targets) -> tuple[Bin, ...]:
    return reliability_bins(outputs.task, outputs.logits, targets)


def _histogram(differences: NDArray[np.float64]) -> Histogram:
    counts, _ = np.histogram(differences, bins=_EDGES)
    return Histogram(edges=tuple(map(float, _EDGES)), counts=tuple(map(int, counts)))


def _flips(
    texts: Sequence[str], reference: TaskOutputs, candidate: TaskOutputs, *, finite: NDArray[np.bool_], tie: float
) -> list[Flip]:
    """Sentences with another answer, widest reference margin first; a row that is not finite counts as one."""
    other = changed_answers((reference.task, reference.logits), (candidate.task, candidate.logits))
    changed = np.flatnonzero(other | ~finite).tolist()
    margins = decision_margins(reference.task, reference.logits)
    before, after = (decode(side.task, side.logits[changed]) for side in (reference, candidate))
    flips = [
        Flip(
            text=texts[row],
            reference=str(old.value),
            candidate=str(new.value) if finite[row] else "not finite",
            margin=float(margins[row]),
            tie=bool(finite[row] and margins[row] <= tie),
        )
        for row, old, new in zip(changed, before, after, strict=True)
    ]
    return sorted(flips, key=lambda flip: -flip.margin)
