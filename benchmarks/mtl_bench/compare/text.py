"""RunComparison -> verdict line, table rows and remarks, for the terminal and for Markdown."""

from collections.abc import Callable, Iterable, Mapping

from mtl_bench.compare.changes import Change, CostChange, ScoreChange, Verdict
from mtl_bench.compare.comparison import RunComparison
from mtl_bench.compare.costs import COSTS
from mtl_bench.report.markdown_table import cell, markdown_table
from mtl_runtime.cli.terminal import print_line, print_table

__all__ = ["HEADER", "comparison_markdown", "headline", "print_comparison", "row"]

HEADER = ("system", "measure", "A", "B", "B / A at equal speed", "interval", "would be found", "verdict")
_ALIGN = "llrrrrrl"
_MAX_DETECTABLE = 2.0  # a pair of runs that would show no smaller ratio says nothing about this cost
_NOTEWORTHY = frozenset({"better", "worse", "unknown"})

_UNITS: Mapping[str, Callable[[float], str]] = {
    "offline": lambda seconds: f"{1 / seconds:,.0f} texts/s",
    "p50": lambda seconds: f"{1e3 * seconds:.2f} ms",
    "p99": lambda seconds: f"{1e3 * seconds:.2f} ms",
    "cold_start": lambda seconds: f"{seconds:.2f} s",
    "peak_memory": lambda size: f"{size / 1e6:,.0f} MB",
}
_SCORES: Mapping[str, str] = {"agreement": "agreement", "accuracy": "accuracy", "macro_f1": "macro-F1"}


def headline(comparison: RunComparison) -> str:
    """What a reader has to know first, in one line."""
    if comparison.regressed:
        worse = [(change.system, _measure(change)) for change in comparison.regressions]
        worse += [(system, "no longer measured") for system in comparison.broken]
        return f"{_count(len(worse), 'regression')}: {_group(worse)}"
    better = [(change.system, _measure(change)) for change in comparison.changes if change.verdict == "better"]
    if better:
        return f"no regression, {_count(len(better), 'improvement')}: {_group(better)}"
    if comparison.costs and all(change.verdict == "unknown" for change in comparison.costs):
        return "too few processes to show a difference in time or memory"
    return "no significant difference"


def row(change: Change, threshold: float) -> tuple[str, ...]:
    """Cells under :data:`HEADER`."""
    if isinstance(change, ScoreChange):
        return _score_row(change)
    show = _UNITS[change.cost]
    return (
        change.system,
        COSTS[change.cost].title,
        show(change.a),
        show(change.b),
        f"{change.ratio:.3f}",
        "" if change.low is None else f"{change.low:.3f} to {change.high:.3f}",
        _detectable(change.detectable),
        _cost_words(change, threshold)[change.verdict],
    )


def print_comparison(comparison: RunComparison) -> None:
    """Print every row, and under them what broke, how to read them, and what else differs."""
    rows = [row(change, comparison.threshold) for change in _visible_changes(comparison)]
    print_table(f"{comparison.b} (B) against {comparison.a} (A): {headline(comparison)}", HEADER, rows)
    for line in _remarks(comparison):
        print_line(line)


def comparison_markdown(comparison: RunComparison) -> str:
    """A comment on a pull request: verdict and what changed, then all rows folded away."""
    noteworthy = [change for change in comparison.changes if change.verdict in _NOTEWORTHY]
    parts = [
        f"### `{comparison.b}` (B) against `{comparison.a}` (A)\n",
        f"**{cell(headline(comparison))}**\n",
        _table(noteworthy, comparison),
        "".join(f"- {cell(line)}\n" for line in _remarks(comparison)),
        f"<details><summary>All rows</summary>\n\n{_table(_visible_changes(comparison), comparison)}\n</details>\n",
    ]
    return "\n".join(part for part in parts if part)


def _visible_changes(comparison: RunComparison) -> list[Change]:
    """All but the scores that are the same to the last digit."""
    return [*comparison.costs, *(change for change in comparison.scores if change.verdict != "same")]


def _remarks(comparison: RunComparison) -> list[str]:
    return [
        *(f"{system} was measured in A, and is not in B: {why}" for system, why in comparison.broken.items()),
        *_equal_scores(comparison),
        *comparison.notes,
        "B / A is of seconds or bytes, so more than 1 is worse; the machine's speed is divided out of it, and not of A "
        "and B. A difference counts if it is significant (Welch's test "
        f"on fresh processes, 5 % for all tests together) and at least {100 * comparison.threshold:g} %; the interval "
        "is the test's. One as large as under 'would be found' is found in four of five such pairs of runs.",
    ]


def _table(changes: Iterable[Change], comparison: RunComparison) -> str:
    rows = [[cell(part) for part in row(change, comparison.threshold)] for change in changes]
    return markdown_table(HEADER, rows, _ALIGN)


def _score_row(change: ScoreChange) -> tuple[str, ...]:
    points = 100 * (change.b - change.a)
    words = {"better": "more right", "worse": "LESS RIGHT", "small": "within its tolerance", "same": "the same"}
    return (
        change.system,
        _measure(change),
        f"{change.a:.2%}",
        f"{change.b:.2%}",
        f"{points:+.2f} points",
        "",
        f"{-100 * change.tolerance:.2f} points",
        words[change.verdict],
    )


def _detectable(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio - 1:+.0%}" if ratio < _MAX_DETECTABLE else f"over {_MAX_DETECTABLE - 1:+.0%}"


def _measure(change: Change) -> str:
    if isinstance(change, CostChange):
        return COSTS[change.cost].title
    return f"{change.task}: {_SCORES[change.score]}"


def _cost_words(change: CostChange, threshold: float) -> Mapping[Verdict, str]:
    less, more = COSTS[change.cost].words
    return {
        "better": less,
        "worse": more.upper(),
        "same": "no significant difference",
        "small": f"significant, but below {threshold:.0%}",
        "unknown": "too few processes",
    }


def _equal_scores(comparison: RunComparison) -> list[str]:
    equal = sum(change.verdict == "same" for change in comparison.scores)
    return [f"the same in both runs: {_count(equal, 'score')} (agreement, accuracy, macro-F1)"] if equal else []


def _group(measures: Iterable[tuple[str, str]]) -> str:
    """Measures by system, as in ``cpu-int8 (offline, p99); peer (offline)``."""
    by_system: dict[str, list[str]] = {}
    for system, measure in measures:
        by_system.setdefault(system, []).append(measure)
    return "; ".join(f"{system} ({', '.join(names)})" for system, names in by_system.items())


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
