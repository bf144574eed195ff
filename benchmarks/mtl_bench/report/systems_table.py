"""Report -> the one table: a row for each system, ours first, and what unfolds below it."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby

from mtl_bench.analysis.ranking import baseline_system, fastest_variant
from mtl_bench.analysis.summary import relative_speed, summarize
from mtl_bench.report import units
from mtl_bench.report.charts.series_style import SeriesStyle
from mtl_bench.report.columns import MULTIPLE, Cell, Column, columns
from mtl_bench.results.schema import Report, SystemResult
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Content, Markup, join, scrolling, tag
from mtl_runtime.report.status_badges import STATUS_BADGES, badge_markup

__all__ = ["anchor", "systems_table"]

_CAPTION = (
    "Every system on the same texts. Small figures: 95 % intervals. The line below a system's figures opens its "
    "settings, and the command that measures it alone."
)
_TIMES = "\u00d7"
_KINDS = {"all": "all systems", "ours": "ours only", "peer": "peers only"}


def systems_table(report: Report, styles: Sequence[SeriesStyle]) -> Markup:
    """The table with its controls, which the script shows."""
    shown = columns(report)
    baseline = baseline_system(report, fastest_variant(report.systems))
    rows = [_system(report, style, shown, baseline) for style in styles if style.name in report.systems]
    table = scrolling(_CAPTION, _head(shown), *rows, class_="scroll wide systems")
    return join(_controls(report, baseline), table, tag("p", role="status", class_="quiet table-status"))


def anchor(style: SeriesStyle) -> str:
    """Id of a system's row."""
    return f"system-{style.number}"


def _controls(report: Report, baseline: str | None) -> Markup:
    timed = [name for name, result in report.systems.items() if result.offline is not None and result.ran]
    options = [tag("option", name, value=name, selected=name == baseline) for name in timed]
    kinds = [tag("option", title, value=kind) for kind, title in _KINDS.items()]
    return tag(
        "div",
        tag("label", "Multiples of ", tag("select", options, id="baseline")) if options else "",
        tag("label", "Show ", tag("select", kinds, id="kinds")),
        class_="controls",
        hidden=True,
    )


def _head(shown: Sequence[Column]) -> Markup:
    first = tag("th", _sorter("system", first="ascending"), scope="col", rowspan=2, class_="w", aria_sort="none")
    groups = [(group, len(list(members))) for group, members in groupby(column.group for column in shown)]
    over = [tag("th", group, scope="colgroup", colspan=count, class_="over") for group, count in groups]
    under = [
        tag("th", _sorter(column.name, first="descending" if column.more_is_better else "ascending"), scope="col",
            class_="n", aria_sort="none", data_group=column.group)
        for column in shown
    ]  # fmt: skip
    return tag("thead", tag("tr", first, over), tag("tr", under))


def _sorter(name: str, *, first: str) -> Markup:
    """A button that the script enables; the better end comes first."""
    return tag("button", name, type="button", disabled=True, data_first=first, class_="sort")


def _system(report: Report, style: SeriesStyle, shown: Sequence[Column], baseline: str | None) -> Markup:
    result = report.systems[style.name]
    name = [tag("span", style.name, class_="name"), " ", *_badges(result), tag("small", result.title)]
    cells = list(_cells(report, style.name, shown, baseline)) if result.ran else [_error(result, len(shown))]
    rows = (
        tag("tr", tag("th", name, scope="row", class_="w"), cells, class_="row"),
        tag("tr", tag("td", _details(result), colspan=len(shown) + 1, class_="w"), class_="more"),
    )
    return tag("tbody", rows, id=anchor(style), data_kind=result.kind, data_name=style.name)


def _badges(result: SystemResult) -> list[Markup]:
    """Whether it is ours, and the gate's status here."""
    if result.kind != "ours":
        return []
    badge = STATUS_BADGES.get(result.status or "")
    return [tag("span", "ours", class_="b ours-badge"), *([badge_markup(badge)] if badge else [])]


def _error(result: SystemResult, count: int) -> Markup:
    message = tag("span", "failed: ", result.error or "", class_="stay-in-view")
    return tag("td", message, colspan=count, class_="w problem")


def _cells(report: Report, name: str, shown: Sequence[Column], baseline: str | None) -> Iterator[Markup]:
    result = report.systems[name]
    summary = summarize(result)
    for column in shown:
        if column.kind == MULTIPLE:
            yield _multiple(report, name, baseline)
        else:
            yield _cell(column.cell(result, summary), column.kind)


def _cell(cell: Cell | None, kind: str = "") -> Markup:
    if cell is None:
        return tag("td", number_format.DASH, class_="n none")
    text = tag("strong", cell.text) if kind else cell.text
    return tag("td", text, tag("small", cell.small) if cell.small else "", class_="n", data_value=repr(cell.value))


def _multiple(report: Report, name: str, baseline: str | None) -> Markup:
    """With the figures for every other baseline, so that a choice needs no arithmetic in the page."""
    speeds = {other: speed for other in report.systems if (speed := relative_speed(report, name, other)) is not None}
    texts = {
        other: ["1", "", 1.0]
        if other == name
        else [number_format.small(speed.median), units.interval(speed), speed.median]
        for other, speed in speeds.items()
    }
    if baseline not in texts:
        return tag("td", number_format.DASH, class_="n none")
    text, small, value = texts[baseline]
    data = json.dumps(texts, ensure_ascii=False)
    content = join(f"{text}{_TIMES}", tag("small", str(small)))
    return tag("td", content, class_="n multiple", data_value=repr(value), data_against=data)


def _details(result: SystemResult) -> Markup:
    parts = ["settings", "command", *(["docs"] if "docs" in result.facts else [])]
    heading = [", ".join(parts)]
    if result.warnings:
        count = number_format.plural(len(result.warnings), "warning")
        heading.append(tag("span", f" · {count}", class_="warning-count"))
    items = [tag("li", warning) for warning in result.warnings]
    facts = tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in _facts(result)], class_="facts")
    return tag(
        "details",
        tag("summary", heading),
        tag("div", tag("ul", items, class_="warnings") if items else "", facts,
            tag("p", "Measures this system alone:", class_="quiet"), _command(result.command), class_="body stay"),
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
        megabytes = units.megabytes(max(result.memory.soaked))
        yield "memory after the soak", f"{megabytes} MB after {number_format.count(result.memory.soak_calls)} calls"
    yield from ((name, _fact_value(value)) for name, value in result.facts.items())


def _fact_value(value: str) -> Content:
    # Only a web address becomes a link: a script could be smuggled in as one.
    return tag("a", value, href=value, rel="noreferrer") if value.startswith("https://") else value


def _command(command: str) -> Markup:
    copy = tag("button", "Copy", type="button", class_="copy", hidden=True, aria_label="Copy the command")
    return tag("div", tag("code", command), copy, class_="command")
