"""systems of two runs -> ScoreChanges: answers that agree less, or are right less often, than before."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mtl_bench.compare.changes import ScoreChange, Verdict
from mtl_bench.compare.cost_changes import Pair
from mtl_bench.results.schema import AnswerScores, WorkloadFacts

__all__ = ["score_changes"]

_METRICS = ("accuracy", "macro_f1")  # of those a run may hold, the ones where more is better and 1 is the highest
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class _Score:
    value: float
    texts: int  # from which it was counted


def score_changes(pairs: Mapping[str, Pair], workload: WorkloadFacts, tolerance: float) -> tuple[ScoreChange, ...]:
    """Compare every score that was measured in both runs.

    Args:
        pairs: rows by system.
        workload: of the later run.
        tolerance: how far a score may drop, as a fraction of 1; one text may change its answer in any case.
    """
    return tuple(change for name, pair in pairs.items() for change in _changes(name, pair, workload, tolerance))


def _changes(name: str, pair: Pair, workload: WorkloadFacts, tolerance: float) -> Iterator[ScoreChange]:
    before, after = (dict(_scores(row.answers, workload)) for row in pair)
    for (score, task), a in before.items():
        if (b := after.get((score, task))) is None:
            continue
        allowed = max(tolerance, 1 / b.texts)
        yield ScoreChange(
            system=name,
            ours=pair[0].kind == "ours",
            score=score,
            task=task,
            a=a.value,
            b=b.value,
            tolerance=allowed,
            verdict=_verdict(b.value - a.value, allowed + _ROUNDING),
        )


def _scores(answers: AnswerScores | None, workload: WorkloadFacts) -> Iterator[tuple[tuple[str, str], _Score]]:
    if answers is None:
        return
    for task, share in answers.agreement.items():
        yield ("agreement", task), _Score(share, max(1, workload.scored))
    for task, metrics in answers.metrics.items():
        texts = max(1, workload.labelled.get(task, workload.scored))
        yield from (((name, task), _Score(metrics[name], texts)) for name in _METRICS if name in metrics)


def _verdict(difference: float, allowed: float) -> Verdict:
    if abs(difference) <= allowed:
        return "small" if difference else "same"
    return "better" if difference > 0 else "worse"
