"""points by step -> inline SVG: a line with markers, horizontal lines to compare it with, and the best step marked."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mtl_runtime.report import number_format
from mtl_runtime.report.charts import Plot, Scale, svg
from mtl_runtime.report.html import Markup, join, tag
from mtl_runtime.report.markers import MARKERS

__all__ = ["Baseline", "Line", "line_chart"]

_MOST_MARKERS = 40  # more of them hide the line
_PLOT = Plot(left=52, width=320, height=190)


@dataclass(frozen=True, slots=True)
class Line:
    """A series; ``style`` is its colour and marker, from 0 on."""

    name: str
    points: tuple[tuple[int, float], ...]  # (step, value), by step
    style: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """A value that no step changes."""

    name: str
    value: float
    class_: str  # of the page's style


def line_chart(
    title: str,
    line: Line,
    *,
    baselines: Sequence[Baseline] = (),
    best_step: int | None = None,
    format_value: Callable[[float], str] = number_format.share,
    ceiling: float = math.inf,
) -> Markup:
    """Draw values upwards and optimizer steps across, with a key below; every marker has its figures in its title.

    Args:
        title: of the chart, for assistive technology.
        line: at least one point; values that are not finite are left out.
        baselines: horizontal lines.
        best_step: gets a vertical line.
        format_value: writes a value in titles, key and description.
        ceiling: highest value that the metric can have.
    """
    line = replace(line, points=tuple(point for point in line.points if math.isfinite(point[1])))
    values = [value for _, value in line.points] + [baseline.value for baseline in baselines]
    up = Scale.around(values, finest=max(1e-6, 1e-3 * max(map(abs, values))), ceiling=ceiling)
    last = max(1, max((step for step, _ in line.points), default=1), best_step or 0)
    across = Scale.up_to(last)
    content = [
        *(_PLOT.across(up.share(tick), f"{tick:.{up.digits}f}") for tick in up.ticks),
        *(_PLOT.below(across.share(tick), number_format.count(round(tick))) for tick in across.ticks if tick % 1 == 0),
        _PLOT.title_below("optimizer steps"),
        *(_horizontal(baseline, up) for baseline in baselines),
        *([_vertical(best_step, across)] if best_step is not None else []),
        _draw(line, across, up, format_value),
    ]
    description = f"{line.name}: " + ", ".join(f"step {step} {format_value(value)}" for step, value in line.points)
    key = tag("p", list(_key(line, baselines, best_step, format_value)), class_="key")
    return join(svg(title, description, 392, 246, content), key)


def _horizontal(baseline: Baseline, up: Scale) -> Markup:
    y = _PLOT.y(up.share(baseline.value))
    return tag("line", x1=_PLOT.x(0), x2=_PLOT.x(1), y1=y, y2=y, class_=baseline.class_)


def _vertical(step: int, across: Scale) -> Markup:
    x = _PLOT.x(across.share(step))
    return tag("line", x1=x, x2=x, y1=_PLOT.y(0), y2=_PLOT.y(1), class_="ideal")


def _draw(line: Line, across: Scale, up: Scale, format_value: Callable[[float], str]) -> Markup:
    points = [(_PLOT.x(across.share(step)), _PLOT.y(up.share(value))) for step, value in line.points]
    path = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    style = f"s{line.style % len(MARKERS)}"
    drawn = tag("polyline", points=path, class_=f"line {style}")
    if len(points) > _MOST_MARKERS:
        return drawn
    marker = MARKERS[line.style % len(MARKERS)]
    markers = [
        marker(x, y, f"{style} holds", f"{line.name}, step {number_format.count(step)}: {format_value(value)}")
        for (x, y), (step, value) in zip(points, line.points, strict=True)
    ]
    return join(drawn, markers)


def _key(
    line: Line, baselines: Sequence[Baseline], best_step: int | None, format_value: Callable[[float], str]
) -> Iterator[Markup]:
    style = line.style % len(MARKERS)
    yield _key_entry(MARKERS[style](9, 7, f"s{style} holds", line.name), line.name)
    for baseline in baselines:
        sample = tag("line", x1=0, x2=18, y1=7, y2=7, class_=baseline.class_)
        yield _key_entry(sample, f"{baseline.name} {format_value(baseline.value)}")
    if best_step is not None:
        sample = tag("line", x1=9, x2=9, y1=0, y2=14, class_="ideal")
        yield _key_entry(sample, f"best step {number_format.count(best_step)}")


def _key_entry(sample: Markup, words: str) -> Markup:
    return tag("span", tag("svg", sample, viewBox="0 0 18 14", width=18, height=14, aria_hidden="true"), " ", words)
