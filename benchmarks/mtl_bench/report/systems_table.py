"""Report -> the one table: a row for each system, ours first, and what unfolds below it."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby

from mtl_bench.analysis.ranking import baseline, lead
from mtl_bench.analysis.summary import speed_against, summary
from mtl_bench.report import units
from mtl_bench.report.charts.series_style import SeriesStyle
from mtl_bench.report.columns import AGAINST, Cell, Column, columns
from mtl_bench.results.schema import Report, SystemResult
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Content, Markup, join, scrolling, tag
from mtl_runtime.report.status_badges import STATUS_BADGES, badge_markup

__all__ = ["anchor", "systems_table"]

_CAPTION = (
    "Every system on the same texts. Small figures: 95 % intervals. A system's line below its figures opens what it "
    "was told, and the command that measures it alone."
)
_TIMES = "\u00d7"
_KINDS = {"all": "all systems", "ours": "ours only", "peer": "peers only"}


def systems_table(report: Report, looks: Sequence[SeriesStyle]) -> Markup:
    """The table with its controls, which the script shows."""
    shown = columns(report)
    against = baseline(report, lead(report))
    rows = [_system(report, look, shown, against) for look in looks if look.name in report.systems]
    table = scrolling(_CAPTION, _head(shown), *rows, class_="scroll wide systems")
    return join(_controls(report, against), table, tag("p", role="status", class_="quiet told-of-table"))


def anchor(look: SeriesStyle) -> str:
    """Id of a system's row."""
    return f"system-{look.number}"


def _controls(report: Report, against: str | None) -> Markup:
    timed = [name for name, result in report.systems.items() if result.offline is not None and result.ran]
    options = [tag("option", name, value=name, selected=name == against) for name in timed]
    kinds = [tag("option", shown, value=kind) for kind, shown in _KINDS.items()]
    return tag(
        "div",
        tag("label", "Multiples of ", tag("select", options, id="baseline")) if options else "",
        tag("label", "Show ", tag("select", kinds, id="kinds")),
        class_="controls",
        hidden=True,
    )


def _head(shown: Sequence[Column]) -> Markup:
    first = tag("th", _sorter("system", first="ascending"), scope="col", rowspan=2, class_="w", aria_sort="none")
    groups = [(group, len(list(some))) for group, some in groupby(column.group for column in shown)]
    over = [tag("th", group, scope="colgroup", colspan=count, class_="over") for group, count in groups]
    under = [
        tag("th", _sorter(column.name, first="descending" if column.more_is_better else "ascending"), scope="col",
            class_="n", aria_sort="none", data_group=column.group)
        for column in shown
    ]  # fmt: skip
    return tag("thead", tag("tr", first, over), tag("tr", under))


def _sorter(name: str, *, first: str) -> Markup:
    """A button once the script is there; the better end comes first."""
    return tag("button", name, type="button", disabled=True, data_first=first, class_="sort")


def _system(report: Report, look: SeriesStyle, shown: Sequence[Column], against: str | None) -> Markup:
    result = report.systems[look.name]
    name = [tag("span", look.name, class_="name"), " ", *_badges(result), tag("small", result.title)]
    cells = list(_cells(report, look.name, shown, against)) if result.ran else [_error(result, len(shown))]
    rows = (
        tag("tr", tag("th", name, scope="row", class_="w"), cells, class_="row"),
        tag("tr", tag("td", _details(result), colspan=len(shown) + 1, class_="w"), class_="more"),
    )
    return tag("tbody", rows, id=anchor(look), data_kind=result.kind, data_name=look.name)


def _badges(result: SystemResult) -> list[Markup]:
    """Whose it is, and what the gate found here."""
    if result.kind != "ours":
        return []
    standing = STATUS_BADGES.get(result.status or "")
    return [tag("span", "ours", class_="b ours-badge"), *([badge_markup(standing)] if standing else [])]


def _error(result: SystemResult, count: int) -> Markup:
    told = tag("span", "failed: ", result.error or "", class_="stay-in-view")
    return tag("td", told, colspan=count, class_="w problem")


def _cells(report: Report, name: str, shown: Sequence[Column], against: str | None) -> Iterator[Markup]:
    result = report.systems[name]
    row = summary(result)
    for column in shown:
        if column.kind == AGAINST:
            yield _multiple(report, name, against)
        else:
            yield _cell(column.cell(result, row), column.kind)


def _cell(cell: Cell | None, kind: str = "") -> Markup:
    if cell is None:
        return tag("td", number_format.DASH, class_="n none")
    shown = tag("strong", cell.shown) if kind else cell.shown
    return tag("td", shown, tag("small", cell.small) if cell.small else "", class_="n", data_value=repr(cell.value))


def _multiple(report: Report, name: str, against: str | None) -> Markup:
    """With the figures for every other baseline, so that a choice needs no arithmetic in the page."""
    known = {other: ratio for other in report.systems if (ratio := speed_against(report, name, other)) is not None}
    told = {
        other: ["1", "", 1.0] if other == name else [number_format.small(ratio.median), units.span(ratio), ratio.median]
        for other, ratio in known.items()
    }
    if against not in told:
        return tag("td", number_format.DASH, class_="n none")
    shown, small, value = told[against]
    data = json.dumps(told, ensure_ascii=False)
    content = join(f"{shown}{_TIMES}", tag("small", str(small)))
    return tag("td", content, class_="n multiple", data_value=repr(value), data_against=data)


def _details(result: SystemResult) -> Markup:
    parts = ["settings", "command", *(["docs"] if "docs" in result.facts else [])]
    summary_words = [", ".join(parts)]
    if result.doubts:
        summary_words.append(
            tag("span", f" · {number_format.plural(len(result.doubts), 'doubt')}", class_="doubt-count")
        )
    doubts = tag("ul", [tag("li", doubt) for doubt in result.doubts], class_="doubts") if result.doubts else ""
    facts = tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in _facts(result)], class_="facts")
    return tag(
        "details",
        tag("summary", summary_words),
        tag("div", doubts, facts, tag("p", "Measures this system alone:", class_="quiet"), _command(result.command),
            class_="body stay"),
    )  # fmt: skip


def _facts(result: SystemResult) -> Iterator[tuple[str, Content]]:
    own = {"variant": result.variant, "provider": result.provider, "precision": result.precision}
    yield from ((name, value) for name, value in own.items() if value is not None and name not in result.facts)
    if result.status is not None:
        yield "gate on this machine", result.status
    if result.kind == "ours" and result.single_stream is not None:
        yield "single texts", 'opened with optimize_for="latency"'
    if result.offline is not None:
        yield "fastest batch", f"{number_format.count(result.offline.size)} {result.offline.unit}"
    if result.memory is not None and result.memory.soaked:
        grown = units.megabytes(max(result.memory.soaked))
        yield "memory after the soak", f"{grown} MB after {number_format.count(result.memory.soak_calls)} calls"
    yield from ((name, _value(value)) for name, value in result.facts.items())


def _value(value: str) -> Content:
    # Nothing but a web address becomes a link: a script could be smuggled in as one.
    return tag("a", value, href=value, rel="noreferrer") if value.startswith("https://") else value


def _command(command: str) -> Markup:
    copy = tag("button", "Copy", type="button", class_="copy", hidden=True, aria_label="Copy the command")
    return tag("div", tag("code", command), copy, class_="command")
