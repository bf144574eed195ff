"""two Reports -> RunComparison: system by system, what became better or worse, and what the runs cannot show."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtl_bench.analysis.students_t import import_stats
from mtl_bench.compare.changes import Change, CostChange, ScoreChange
from mtl_bench.compare.comparable import Across, check_comparable, comparison_notes, have_similar_speed
from mtl_bench.compare.cost_changes import cost_changes
from mtl_bench.compare.costs import References, references_of
from mtl_bench.compare.score_changes import score_changes
from mtl_bench.results.schema import Report
from mtl_runtime.errors import MtlError

__all__ = ["RunComparison", "compare_reports"]

_MIN_PROCESSES = 3  # below it Welch's test has so few degrees of freedom that it misses even large differences
_WANTED_PROCESSES = 5
_PARTS = ("answers", "offline", "single_stream", "cold_start", "memory")  # of a row, that are compared


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """How the systems that are in both runs changed."""

    a: str
    b: str
    threshold: float  # the smallest relative difference of a cost that counts
    costs: tuple[CostChange, ...]
    scores: tuple[ScoreChange, ...]
    broken: Mapping[str, str]  # ours that ran in A, and that are missing or incomplete in B: why
    notes: tuple[str, ...]  # what weakens the comparison, and what else differs

    @property
    def changes(self) -> tuple[Change, ...]:
        """Changes of costs and scores."""
        return (*self.costs, *self.scores)

    @property
    def regressions(self) -> tuple[Change, ...]:
        """Changes of ours that are worse."""
        return tuple(change for change in self.changes if change.ours and change.verdict == "worse")

    @property
    def regressed(self) -> bool:
        """Whether anything of ours became worse, or no longer runs."""
        return bool(self.regressions or self.broken)


def compare_reports(
    a: Report,
    b: Report,
    *,
    names: tuple[str, str] = ("A", "B"),
    threshold: float = 0.05,
    tolerance: float = 0.005,
    across: Collection[Across] = (),
) -> RunComparison:
    """Compare the run ``b`` with the run ``a`` before it.

    Args:
        a: the run before.
        b: the run after.
        names: of the two, such as those of their files.
        threshold: the smallest relative difference of a cost that counts; 0.05: from 1.05 times on.
        tolerance: how far agreement, accuracy and macro-F1 may drop, as a fraction of 1; one text always may.
        across: what may differ although it should be the same.

    Raises:
        MissingPackageError: scipy is not installed.
        MtlError: the runs did not measure the same thing, or no system is in both.
    """
    import_stats()
    check_comparable(a, b, across)
    pairs = {name: (a.systems[name], b.systems[name]) for name in a.systems if name in b.systems}
    if not pairs:
        raise MtlError("no system is in both runs; measure the same ones in both")
    costs = cost_changes(pairs, _references(a, b), threshold)
    return RunComparison(
        a=names[0],
        b=names[1],
        threshold=threshold,
        costs=costs,
        scores=score_changes(pairs, b.workload, tolerance),
        broken=dict(_broken_systems(a, b)),
        notes=(*_weaknesses(costs), *comparison_notes(a, b)),
    )


def _broken_systems(a: Report, b: Report) -> Iterator[tuple[str, str]]:
    """Systems that B has no figures of; they must not count as unchanged."""
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
    """What is divided out: nothing where one run lacks it, or where the machines or their speeds differ."""
    usable = a.reference_seconds and b.reference_seconds and have_similar_speed(a, b)
    return (references_of(a), references_of(b)) if usable else ({}, {})


def _weaknesses(costs: Sequence[CostChange]) -> Iterator[str]:
    few = [change for change in costs if change.ours and min(change.processes) < _MIN_PROCESSES]
    if few:
        rows = ", ".join(dict.fromkeys(change.system for change in few))
        fewest = min(min(change.processes) for change in few)
        yield (
            f"too few fresh processes to show anything but very large differences: {fewest} where {_WANTED_PROCESSES} "
            f"are wanted ({rows}); measure again with more"
        )
    if not costs:
        yield "no cost was measured in both runs"
