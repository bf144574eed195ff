"""two Reports -> an error where they may not be compared, or notes for the reader of their comparison."""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from mtl_bench.compare.costs import reference_median, references_of
from mtl_bench.results.scenarios import Values
from mtl_bench.results.schema import Report, SystemResult
from mtl_runtime.errors import MtlError

__all__ = ["ACROSS", "Across", "check_comparable", "comparison_notes", "have_similar_speed"]

Across = Literal["machines", "bundles", "workloads"]

ACROSS: tuple[Across, ...] = get_args(Across)

# The machine's speed in one run as a multiple of that in the other: beyond it, dividing it out is a guess, since
# systems do not slow down alike.
_MAX_SPEED_RATIO = 1.5
_MAX_VARIATION = 1.1  # the slowest launch as a multiple of the fastest: beyond it, single moments show little


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fact:
    name: str
    across: Across  # the option that allows a difference
    read: Callable[[Report], object]


def _timed_texts(report: Report) -> str:
    work = report.workload
    quick = " of a run with --quick" if "--quick" in report.command else ""
    return f"{work.texts} of {work.name}{quick} ({work.sha256[:12]})"


def _scored_texts(report: Report) -> str:
    files = ", ".join(f"{name} {file.sha256[:12]}" for name, file in report.workload.files.items())
    return f"{report.workload.scored} texts{f' ({files})' if files else ''}"


_MUST_AGREE = (
    _Fact(name="machine", across="machines", read=lambda report: report.machine.name),
    _Fact(name="cores", across="machines", read=lambda report: report.machine.cores),
    _Fact(name="architecture", across="machines", read=lambda report: report.machine.architecture),
    _Fact(name="bundle's digest", across="bundles", read=lambda report: report.digest[:12]),
    _Fact(name="texts", across="workloads", read=_timed_texts),
    _Fact(name="scored", across="workloads", read=_scored_texts),
)
_SYSTEM_FACTS: Mapping[str, Callable[[SystemResult], str | None]] = {
    "provider": lambda row: row.provider,
    "precision": lambda row: row.precision,
    "gate": lambda row: row.status,
    "fastest batch": lambda row: f"{row.offline.size} {row.offline.unit}" if row.offline else None,
}


def check_comparable(a: Report, b: Report, across: Collection[Across]) -> None:
    """Accept runs that measured the same thing on the same machine.

    Args:
        a: the run before.
        b: the run after.
        across: what may differ.

    Raises:
        MtlError: something else differs, or the machine was much slower in one of the runs; the message names it and
            the option that allows it. Or a launch has no time of the reference that anything could be divided by.
    """
    for side, run in (("A", a), ("B", b)):
        if not all(launch and min(launch) > 0 for field in references_of(run).values() for launch in field):
            raise MtlError(f"{side} holds a launch without a time of the reference above 0; measure that run again")
    differing = [fact for fact in _differing_facts(a, b) if fact.across not in across]
    if differing:
        differences = "; ".join(f"{fact.name}: {fact.read(a)} in A, {fact.read(b)} in B" for fact in differing)
        options = " ".join(dict.fromkeys(f"--across-{fact.across}" for fact in differing))
        raise MtlError(
            f"the runs did not measure the same thing: {differences}; to compare them all the same, add {options}"
        )
    if "machines" not in across and not have_similar_speed(a, b):
        raise MtlError(
            f"the machine took {_slowdown(a, b):.2f} times as long for the same product during B as during A, which is "
            "too far apart to be divided out; measure both again while nothing else runs, or add --across-machines to "
            "compare times as measured"
        )


def have_similar_speed(a: Report, b: Report) -> bool:
    """Whether the references of the two runs may be compared: on one machine, and not far apart."""
    if any(fact.across == "machines" for fact in _differing_facts(a, b)):
        return False
    both_known = a.reference_seconds and b.reference_seconds
    return not both_known or 1 / _MAX_SPEED_RATIO <= _slowdown(a, b) <= _MAX_SPEED_RATIO


def comparison_notes(a: Report, b: Report) -> tuple[str, ...]:
    """Differences that are allowed, versions above all, and the warnings of each run."""
    facts = (f"{fact.name}: {fact.read(a)} in A, {fact.read(b)} in B" for fact in _differing_facts(a, b))
    warnings = (f"warning in {side}: {warning}" for side, run in (("A", a), ("B", b)) for warning in run.warnings)
    return tuple(
        itertools.chain(
            facts, _notes_on_speed(a, b), _changes("", a.made_with, b.made_with), _notes_on_systems(a, b), warnings
        )
    )


def _differing_facts(a: Report, b: Report) -> list[_Fact]:
    return [fact for fact in _MUST_AGREE if fact.read(a) != fact.read(b)]


def _notes_on_speed(a: Report, b: Report) -> Iterator[str]:
    if not (a.reference_seconds and b.reference_seconds):
        yield "a run has no reference, so values are as measured: a slower phase of the machine looks like a regression"
    elif not have_similar_speed(a, b):
        yield "values are as measured: a reference on another machine, or at another speed, cannot be divided out"
    else:
        slowdown = _slowdown(a, b)
        yield (
            f"the machine took {slowdown:.2f} times as long for the same product during B; ratios have it divided out"
        )
        variation = {side: _variation(run.reference_seconds) for side, run in (("A", a), ("B", b))}
        if max(variation.values()) > _MAX_VARIATION:
            sides = ", ".join(f"{ratio:.2f} times during {side}" for side, ratio in variation.items())
            yield f"the machine's speed varied ({sides}), which hides differences of single texts and cold starts"


def _slowdown(a: Report, b: Report) -> float:
    """How long the reference took in B, as a multiple of A's."""
    return reference_median(b.reference_seconds) / reference_median(a.reference_seconds)


def _variation(reference: Values) -> float:
    """The slowest launch as a multiple of the fastest."""
    medians = [reference_median((launch,)) for launch in reference]
    return max(medians) / min(medians)


def _notes_on_systems(a: Report, b: Report) -> Iterator[str]:
    for name in (name for name in a.systems if name in b.systems):
        before, after = a.systems[name], b.systems[name]
        for side, row in (("A", before), ("B", after)):
            if row.error is not None:
                yield f"{name} failed in {side}: {row.error.splitlines()[0] if row.error else 'no reason is known'}"
            yield from (f"{name}: warning in {side}: {warning}" for warning in row.warnings)
        if before.ran and after.ran:
            yield from _changes(f"{name}: ", _facts(before), _facts(after))
    for side, here, there in (("A", a, b), ("B", b, a)):
        if only := sorted(here.systems.keys() - there.systems.keys()):
            yield f"only in {side}: {', '.join(only)}"


def _facts(row: SystemResult) -> dict[str, str]:
    """Its settings and what it chose; with another batch size it needs another amount of memory."""
    return {**row.facts, **{fact: value for fact, read in _SYSTEM_FACTS.items() if (value := read(row)) is not None}}


def _changes(prefix: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield f"{prefix}{name}: {before.get(name, 'none')} in A, {after.get(name, 'none')} in B"
