"""two Reports -> Comparison: system by system, what became better or worse, and what cannot be told apart."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtl_bench.compare.changes import Change, CostChange, ScoreChange
from mtl_bench.compare.comparable import Across, notes, refuse, same_pace
from mtl_bench.compare.cost_changes import cost_changes
from mtl_bench.compare.costs import References, references_of
from mtl_bench.compare.score_changes import score_changes
from mtl_bench.results.schema import Report
from mtl_runtime.errors import MtlError

__all__ = ["Comparison", "compare"]

_FEW = 3  # processes below which Welch's test has so few degrees of freedom that even large differences hide
_WANTED = 5
_PARTS = ("answers", "offline", "single_stream", "cold_start", "memory")  # of a row, that are compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two runs tell of the systems that are in both."""

    a: str
    b: str
    threshold: float  # the smallest relative difference of a cost that counts
    costs: tuple[CostChange, ...]
    scores: tuple[ScoreChange, ...]
    broken: Mapping[str, str]  # ours that ran in A, and that B has no more, or not all figures of: why
    notes: tuple[str, ...]  # what weakens the comparison, and what else differs

    @property
    def changes(self) -> tuple[Change, ...]:
        """All of them."""
        return (*self.costs, *self.scores)

    @property
    def regressions(self) -> tuple[Change, ...]:
        """Those of ours that are worse."""
        return tuple(change for change in self.changes if change.ours and change.verdict == "worse")

    @property
    def regressed(self) -> bool:
        """Whether anything of ours became worse, or runs no more."""
        return bool(self.regressions or self.broken)


def compare(
    a: Report,
    b: Report,
    *,
    names: tuple[str, str] = ("A", "B"),
    threshold: float = 0.05,
    tolerance: float = 0.005,
    across: Collection[Across] = (),
) -> Comparison:
    """Compare the run ``b`` with the run ``a`` before it.

    Args:
        a: the run before.
        b: the run after.
        names: of the two, such as those of their files.
        threshold: the smallest relative difference of a cost that counts; 0.05: from 1.05 times on.
        tolerance: how far agreement, accuracy and macro-F1 may drop, as a fraction of 1; one text always may.
        across: what may differ although it should be the same.

    Raises:
        MtlError: the runs did not measure the same thing, or no system is in both.
    """
    refuse(a, b, across)
    pairs = {name: (a.systems[name], b.systems[name]) for name in a.systems if name in b.systems}
    if not pairs:
        raise MtlError("no system is in both runs; measure the same ones in both")
    costs = cost_changes(pairs, _references(a, b), threshold)
    return Comparison(
        a=names[0],
        b=names[1],
        threshold=threshold,
        costs=costs,
        scores=score_changes(pairs, b.workload, tolerance),
        broken=dict(_broken(a, b)),
        notes=(*_weaknesses(costs), *notes(a, b)),
    )


def _broken(a: Report, b: Report) -> Iterator[tuple[str, str]]:
    """What B says nothing of must not pass for unchanged."""
    for name, before in a.systems.items():
        if before.kind != "ours" or not before.ran:
            continue
        after = b.systems.get(name)
        if after is None:
            yield name, b.skipped.get(name, "it was not measured")
        elif not after.ran:
            yield name, after.error or "no reason is known"
        elif lost := [part for part in _PARTS if getattr(before, part) and not getattr(after, part)]:
            yield name, f"without {', '.join(part.replace('_', ' ') for part in lost)}"


def _references(a: Report, b: Report) -> tuple[References, References]:
    """What is divided out: nothing where only one run has it, or where it would stand for two machines or paces."""
    usable = a.reference_seconds and b.reference_seconds and same_pace(a, b)
    return (references_of(a), references_of(b)) if usable else ({}, {})


def _weaknesses(costs: Sequence[CostChange]) -> Iterator[str]:
    few = [change for change in costs if change.ours and min(change.processes) < _FEW]
    if few:
        rows = ", ".join(dict.fromkeys(change.system for change in few))
        fewest = min(min(change.processes) for change in few)
        yield (
            f"too few fresh processes to tell anything but very large differences: {fewest} where {_WANTED} are wanted "
            f"({rows}); measure again with more"
        )
    if not costs:
        yield "no cost was measured in both runs"
