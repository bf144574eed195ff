"""Report -> the fastest variant, the baseline of its multiples, and the peers that may be compared with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mtl_bench.analysis.summary import relative_speed, summarize
from mtl_bench.results.schema import AnswerScores, Report, SystemResult
from mtl_runtime.evidence.schema import Estimate

__all__ = [
    "EQUAL_WITHIN",
    "ComparablePeer",
    "PeerComparison",
    "baseline_system",
    "comparison_with_peers",
    "fastest_variant",
    "headline_score",
    "is_accurate_enough",
    "task_accuracy",
]

# A mean accuracy that is lower by no more than this counts as equal.
EQUAL_WITHIN = 0.005
# The first that a task has is its accuracy: answers that are numbers have none but a correlation.
_ACCURACIES = ("accuracy", "pearson")

Outcome = Literal["ahead", "level", "behind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparablePeer:
    """A peer that is as accurate as the variant, and how the two compare offline."""

    name: str
    speed_ratio: Estimate  # throughput of the variant, as a multiple of this peer's

    @property
    def outcome(self) -> Outcome:
        """For the variant; level where the interval holds 1."""
        if self.speed_ratio.low > 1:
            return "ahead"
        return "behind" if self.speed_ratio.high < 1 else "level"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerComparison:
    """The peers of a run, each in one of four groups."""

    comparable: tuple[ComparablePeer, ...]  # as accurate, and timed offline; the fastest first
    less_accurate: Mapping[str, float]  # how much lower the mean accuracy is, as a share of 1
    unmeasured: tuple[str, ...]  # ran, but without answers or without the offline scenario
    failed: tuple[str, ...]


def fastest_variant(systems: Mapping[str, SystemResult]) -> str | None:
    """The fastest variant offline; one that the gate has not passed only if there is no other. None: none was timed."""
    timed = {name: result for name, result in systems.items() if result.kind == "ours" and _throughput(result)}
    verified = {name: result for name, result in timed.items() if result.status == "verified"}
    return max(verified or timed, key=lambda name: _throughput(timed[name]), default=None)


def baseline_system(report: Report, variant: str | None) -> str | None:
    """The baseline of all multiples unless a reader chooses another: the slowest peer that is as accurate.

    Without such a peer, it is the slowest system of all that were timed; None: no system was.
    """
    timed = {name: _throughput(result) for name, result in report.systems.items() if _throughput(result)}
    peers = [peer.name for peer in comparison_with_peers(report, variant).comparable] if variant else []
    return min(peers or timed, key=lambda name: timed[name], default=None)


def comparison_with_peers(report: Report, variant: str) -> PeerComparison:
    """Group the peers by what they may be compared on."""
    own_score = headline_score(report.systems[variant].answers)
    peers = {name: result for name, result in report.systems.items() if result.kind == "peer"}
    comparable, less_accurate, unmeasured = [], {}, []
    for name, result in peers.items():
        if not result.ran:
            continue
        score, speed_ratio = headline_score(result.answers), relative_speed(report, variant, name)
        if score is None or own_score is None or speed_ratio is None:
            unmeasured.append(name)
        elif is_accurate_enough(score, own_score):
            comparable.append(ComparablePeer(name=name, speed_ratio=speed_ratio))
        else:
            less_accurate[name] = own_score - score
    return PeerComparison(
        comparable=tuple(sorted(comparable, key=lambda peer: peer.speed_ratio.median)),
        less_accurate=less_accurate,
        unmeasured=tuple(unmeasured),
        failed=tuple(name for name, result in peers.items() if not result.ran),
    )


def is_accurate_enough(peer_score: float, own_score: float) -> bool:
    """Whether a peer's accuracy is equal or better."""
    # Half a point is a decimal figure; a hair of binary rounding must not decide.
    return peer_score >= own_score - EQUAL_WITHIN - 1e-9


def headline_score(answers: AnswerScores | None) -> float | None:
    """Mean accuracy over the labelled tasks; without labels, the mean agreement. None: not measured."""
    if answers is None:
        return None
    accuracies = [value for task in answers.metrics if (value := task_accuracy(answers, task)) is not None]
    values = accuracies or list(answers.agreement.values())
    return float(np.mean(values)) if values else None


def task_accuracy(answers: AnswerScores, task: str) -> float | None:
    """Accuracy of one task, of a regression its Pearson correlation; None: no labels."""
    metrics = answers.metrics.get(task, {})
    return next((metrics[name] for name in _ACCURACIES if name in metrics), None)


def _throughput(result: SystemResult) -> float:
    """Texts per second offline; 0: not measured."""
    throughput = summarize(result).throughput if result.ran else None
    return throughput.median if throughput else 0.0
