"""Report -> who is ahead: the variant that leads, the peers as right as it, and what each scenario says of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mtl_bench.analysis.summary import speed_against, summary
from mtl_bench.results.schema import Answers, Report, SystemResult
from mtl_runtime.evidence.schema import Estimate

__all__ = [
    "EQUAL_WITHIN",
    "ComparablePeer",
    "PeerComparison",
    "baseline",
    "comparison_with_peers",
    "fastest_variant",
    "headline",
    "lead",
    "right_enough",
    "task_accuracy",
]

# A mean accuracy that is lower by no more than this counts as equal.
EQUAL_WITHIN = 0.005
# The first that a task has is its accuracy: answers that are numbers have none but a correlation.
_HEADLINES = ("accuracy", "pearson")

Outcome = Literal["ahead", "level", "behind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparablePeer:
    """A peer that is as right as the variant that leads, and how the two compare offline."""

    name: str
    times: Estimate  # throughput of the variant that leads, as a multiple of this peer's

    @property
    def outcome(self) -> Outcome:
        """For the variant that leads; level where the interval holds 1."""
        if self.times.low > 1:
            return "ahead"
        return "behind" if self.times.high < 1 else "level"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerComparison:
    """The peers of a run, each in one of four groups."""

    rivals: tuple[ComparablePeer, ...]  # as right, and timed offline; the fastest first
    less_right: Mapping[str, float]  # how much lower the mean accuracy is, as a share of 1
    unmeasured: tuple[str, ...]  # ran, but without answers or without the offline scenario
    failed: tuple[str, ...]


def lead(report: Report) -> str | None:
    """The variant that leads in a run; None: none was timed."""
    return fastest_variant(report.systems)


def fastest_variant(systems: Mapping[str, SystemResult]) -> str | None:
    """The fastest variant offline; one that the gate has not passed only if there is no other. None: none was timed."""
    timed = {name: result for name, result in systems.items() if result.kind == "ours" and _rate(result)}
    sound = {name: result for name, result in timed.items() if result.status == "verified"}
    return max(sound or timed, key=lambda name: _rate(timed[name]), default=None)


def baseline(report: Report, leader: str | None) -> str | None:
    """What multiples are told against unless a reader chooses: the slowest of today's ways that are as right.

    Where no peer is, the slowest of all that were timed; None: nothing was.
    """
    timed = {name: _rate(result) for name, result in report.systems.items() if _rate(result)}
    peers = [rival.name for rival in comparison_with_peers(report, leader).rivals] if leader else []
    return min(peers or timed, key=lambda name: timed[name], default=None)


def comparison_with_peers(report: Report, leader: str) -> PeerComparison:
    """Sort the peers by what they may be compared on."""
    ours = headline(report.systems[leader].answers)
    peers = {name: result for name, result in report.systems.items() if result.kind == "peer"}
    ran = {name: result for name, result in peers.items() if result.ran}
    rivals, less_right, unmeasured = [], {}, []
    for name, result in ran.items():
        theirs, times = headline(result.answers), speed_against(report, leader, name)
        if theirs is None or ours is None or times is None:
            unmeasured.append(name)
        elif right_enough(theirs, ours):
            rivals.append(ComparablePeer(name=name, times=times))
        else:
            less_right[name] = ours - theirs
    return PeerComparison(
        rivals=tuple(sorted(rivals, key=lambda rival: rival.times.median)),
        less_right=less_right,
        unmeasured=tuple(unmeasured),
        failed=tuple(name for name in peers if name not in ran),
    )


def right_enough(theirs: float, ours: float) -> bool:
    """Whether an accuracy is equal or better."""
    # Half a point is a decimal figure; a hair of binary rounding must not decide.
    return theirs >= ours - EQUAL_WITHIN - 1e-9


def headline(answers: Answers | None) -> float | None:
    """Mean accuracy over the labelled tasks; where nothing is labelled, the mean agreement. None: not measured."""
    if answers is None:
        return None
    known = [value for task in answers.metrics if (value := task_accuracy(answers, task)) is not None]
    values = known or list(answers.agreement.values())
    return float(np.mean(values)) if values else None


def task_accuracy(answers: Answers, task: str) -> float | None:
    """Accuracy of one task, of a regression its Pearson correlation; None: no labels."""
    metrics = answers.metrics.get(task, {})
    return next((metrics[name] for name in _HEADLINES if name in metrics), None)


def _rate(result: SystemResult) -> float:
    """Texts per second offline; 0: not measured."""
    throughput = summary(result).throughput if result.ran else None
    return throughput.median if throughput else 0.0
