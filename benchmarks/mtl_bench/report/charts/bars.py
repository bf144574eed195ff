"""groups of bars -> inline SVG: horizontal bars with their figures at their ends."""

from collections.abc import Sequence
from dataclasses import dataclass

from mtl_bench.report.charts.axes import Axis
from mtl_bench.report.charts.series_style import SeriesStyle
from mtl_runtime.report.charts import label, svg
from mtl_runtime.report.html import Markup, tag

__all__ = ["Bar", "BarGroup", "bar_chart", "shorten"]

_LEFT, _WIDTH, _TOTAL = 112, 190, 372
_STEP, _THICK, _HEAD = 20, 12, 22
_MAX_LETTERS = 17  # of a name next to its bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One figure, with its interval and a part of it where it has them."""

    style: SeriesStyle
    name: str
    value: float
    figure: str  # written at the end
    tooltip: str
    low: float | None = None
    high: float | None = None
    part: float | None = None  # of the value, drawn darker from the left


@dataclass(frozen=True, slots=True, kw_only=True)
class BarGroup:
    """Bars under a heading of their own; without a heading there is one group."""

    heading: str
    bars: Sequence[Bar]


def bar_chart(title: str, groups: Sequence[BarGroup], axis_title: str, axis: Axis) -> Markup:
    """Height follows the number of bars."""
    drawn: list[Markup] = []
    top = 8.0
    for group in groups:
        if group.heading:
            drawn.append(label(0, top + 14, shorten(group.heading, 52), anchor="start", class_="axis"))
            top += _HEAD
        for bar in group.bars:
            drawn.append(_bar(bar, top, axis))
            top += _STEP
        top += 6
    description = "; ".join(bar.tooltip for group in groups for bar in group.bars)
    return svg(title, description, _TOTAL, top + 40, _grid(axis, top, axis_title), drawn)


def shorten(name: str, letters: int = _MAX_LETTERS) -> str:
    """A name that fits; the tooltip holds the whole one."""
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def _x(axis: Axis, value: float) -> float:
    return _LEFT + axis.share(value) * _WIDTH


def _grid(axis: Axis, bottom: float, title: str) -> list[Markup]:
    lines = []
    for tick in axis.ticks:
        x = _x(axis, tick)
        lines += [
            tag("line", x1=x, x2=x, y1=4, y2=bottom, class_="grid"),
            label(x, bottom + 14, axis.format(tick)),
        ]
    return [*lines, label(_LEFT + _WIDTH / 2, bottom + 31, title, class_="axis")]


def _bar(bar: Bar, top: float, axis: Axis) -> Markup:
    middle, end = top + _STEP / 2, _x(axis, bar.value)
    box = {"y": middle - _THICK / 2, "height": _THICK, "x": _LEFT}
    kind = "bar ours" if bar.style.ours else "bar"
    parts = [tag("rect", tag("title", bar.tooltip), **box, width=max(1.0, end - _LEFT), class_=kind)]
    if bar.part is not None:
        parts.append(tag("rect", **box, width=max(0.0, _x(axis, bar.part) - _LEFT), class_="part"))
    if bar.low is not None and bar.high is not None:
        low, high = _x(axis, bar.low), _x(axis, bar.high)
        parts.append(tag("line", x1=low, x2=high, y1=middle, y2=middle, class_="whisker"))
        end = max(end, high)
    names = label(_LEFT - 6, middle + 4, shorten(bar.name), anchor="end")
    return bar.style.group(names, *parts, label(end + 5, middle + 4, bar.figure, anchor="start", class_="axis"))
