"""two Reports -> refused, or what a reader of their comparison has to know."""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from mtl_bench.compare.costs import pace, references_of
from mtl_bench.results.schema import Report, SystemResult, Values
from mtl_runtime.errors import MtlError

__all__ = ["ACROSS", "Across", "notes", "refuse", "same_pace"]

Across = Literal["machines", "bundles", "workloads"]

ACROSS: tuple[Across, ...] = get_args(Across)


# One pace as a multiple of the other, from which dividing it out is guesswork: systems do not slow down alike.
_APART = 1.5
_UNSTEADY = 1.1  # the slowest sitting as a multiple of the fastest, from which single moments tell little


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fact:
    name: str
    across: Across  # by which option a difference is allowed
    read: Callable[[Report], object]


def _texts(report: Report) -> str:
    work = report.workload
    quick = " of a run with --quick" if "--quick" in report.command else ""
    return f"{work.texts} of {work.name}{quick} ({work.sha256[:12]})"


def _judged(report: Report) -> str:
    files = ", ".join(f"{name} {file.sha256[:12]}" for name, file in report.workload.files.items())
    return f"{report.workload.judged} texts{f' ({files})' if files else ''}"


_MUST_AGREE = (
    _Fact(name="machine", across="machines", read=lambda report: report.machine.name),
    _Fact(name="cores", across="machines", read=lambda report: report.machine.cores),
    _Fact(name="architecture", across="machines", read=lambda report: report.machine.architecture),
    _Fact(name="bundle's digest", across="bundles", read=lambda report: report.digest[:12]),
    _Fact(name="texts", across="workloads", read=_texts),
    _Fact(name="judged", across="workloads", read=_judged),
)
_ROW_FACTS: Mapping[str, Callable[[SystemResult], str | None]] = {
    "provider": lambda row: row.provider,
    "precision": lambda row: row.precision,
    "gate": lambda row: row.status,
    "fastest batch": lambda row: f"{row.offline.size} {row.offline.unit}" if row.offline else None,
}


def refuse(a: Report, b: Report, across: Collection[Across]) -> None:
    """Let pass what measured the same thing at the same place.

    Args:
        a: the run before.
        b: the run after.
        across: what may differ.

    Raises:
        MtlError: something else differs, or the machine's pace was another; the message names it and the option that
            allows it. Or a sitting has no time of the reference that anything could be divided by.
    """
    for side, run in (("A", a), ("B", b)):
        if not all(sitting and min(sitting) > 0 for field in references_of(run).values() for sitting in field):
            raise MtlError(f"{side} holds a sitting without a time of the reference above 0; measure that run again")
    differing = [fact for fact in _differing(a, b) if fact.across not in across]
    if differing:
        told = "; ".join(f"{fact.name}: {fact.read(a)} in A, {fact.read(b)} in B" for fact in differing)
        options = " ".join(dict.fromkeys(f"--across-{fact.across}" for fact in differing))
        raise MtlError(f"the runs did not measure the same thing: {told}; to compare them all the same, add {options}")
    if "machines" not in across and not same_pace(a, b):
        raise MtlError(
            f"the machine took {_times(a, b):.2f} times as long for the same product during B as during A, which is "
            "too far apart to be divided out; measure both again while nothing else runs, or add --across-machines to "
            "compare times as measured"
        )


def same_pace(a: Report, b: Report) -> bool:
    """Whether the reference of one run can be held against the other's: on one machine, and not far apart."""
    if any(fact.across == "machines" for fact in _differing(a, b)):
        return False
    known = a.reference_seconds and b.reference_seconds
    return not known or 1 / _APART <= _times(a, b) <= _APART


def notes(a: Report, b: Report) -> tuple[str, ...]:
    """What differs without being refused, which versions above all, and what each run doubted of itself."""
    differing = (f"{fact.name}: {fact.read(a)} in A, {fact.read(b)} in B" for fact in _differing(a, b))
    doubts = (f"{side} doubts itself: {doubt}" for side, run in (("A", a), ("B", b)) for doubt in run.doubts)
    return tuple(
        itertools.chain(differing, _pace(a, b), _changes("", a.made_with, b.made_with), _row_notes(a, b), doubts)
    )


def _differing(a: Report, b: Report) -> list[_Fact]:
    return [fact for fact in _MUST_AGREE if fact.read(a) != fact.read(b)]


def _pace(a: Report, b: Report) -> Iterator[str]:
    if not (a.reference_seconds and b.reference_seconds):
        yield "a run has no reference, so values are as measured: a slower phase of the machine looks like a regression"
    elif not same_pace(a, b):
        yield "values are as measured: what the reference tells of one machine, or pace, says nothing of another"
    else:
        times = _times(a, b)
        yield f"the machine took {times:.2f} times as long for the same product during B; ratios have it divided out"
        varied = {side: _variation(run.reference_seconds) for side, run in (("A", a), ("B", b))}
        if max(varied.values()) > _UNSTEADY:
            told = ", ".join(f"{times:.2f} times during {side}" for side, times in varied.items())
            yield f"the machine's pace varied ({told}), which hides differences of single texts and cold starts"


def _times(a: Report, b: Report) -> float:
    """How long the reference took in B, as a multiple of A's."""
    return pace(b.reference_seconds) / pace(a.reference_seconds)


def _variation(reference: Values) -> float:
    """The slowest sitting as a multiple of the fastest."""
    paces = [pace((sitting,)) for sitting in reference]
    return max(paces) / min(paces)


def _row_notes(a: Report, b: Report) -> Iterator[str]:
    for name, (before, after) in {name: (a.systems[name], b.systems[name]) for name in _common(a, b)}.items():
        for side, row in (("A", before), ("B", after)):
            if row.error is not None:
                yield f"{name} failed in {side}: {row.error.splitlines()[0] if row.error else 'no reason is known'}"
            yield from (f"{name}: {side} doubts it: {doubt}" for doubt in row.doubts)
        if before.ran and after.ran:
            yield from _changes(f"{name}: ", _chosen(before), _chosen(after))
    for side, here, there in (("A", a, b), ("B", b, a)):
        if only := sorted(here.systems.keys() - there.systems.keys()):
            yield f"only in {side}: {', '.join(only)}"


def _chosen(row: SystemResult) -> dict[str, str]:
    """What it chose or was told; one that took another batch needs another memory, so that is not compared then."""
    return {**row.facts, **{fact: value for fact, read in _ROW_FACTS.items() if (value := read(row)) is not None}}


def _changes(of: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield f"{of}{name}: {before.get(name, 'none')} in A, {after.get(name, 'none')} in B"


def _common(a: Report, b: Report) -> list[str]:
    return [name for name in a.systems if name in b.systems]
