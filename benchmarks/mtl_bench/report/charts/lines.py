"""series -> inline SVG: points of several systems on two axes, joined to lines."""

from collections.abc import Sequence
from dataclasses import dataclass

from mtl_bench.report.charts.axes import Axis
from mtl_bench.report.charts.series_style import SeriesStyle
from mtl_runtime.report.charts import Plot, label, svg
from mtl_runtime.report.html import Content, Markup, tag

__all__ = ["PLOT", "Point", "Series", "draw_frame", "line_chart"]

# To the right there is room for half of a label such as 100,000.
PLOT = Plot(left=58, top=30, width=288, height=196)
WIDTH, HEIGHT = 372, 268


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One mark, with its interval where it has one."""

    x: float
    y: float
    tooltip: str
    low: float | None = None
    high: float | None = None
    faint: bool = False  # outside the bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one system, in the order of x."""

    style: SeriesStyle
    points: Sequence[Point]
    joined: bool = True


def line_chart(
    title: str, series: Sequence[Series], x: tuple[str, Axis], y: tuple[str, Axis], *, background: Content = ()
) -> Markup:
    """Ours are drawn last, so that they lie on top.

    Args:
        title: of the image.
        series: what to draw.
        x: title and axis.
        y: the same.
        background: further parts that lie under the series.
    """
    drawn = [_draw_series(each, x[1], y[1]) for each in sorted(series, key=lambda each: each.style.ours)]
    description = "; ".join(point.tooltip for each in series for point in each.points)
    return svg(title, description, WIDTH, HEIGHT, draw_frame(x, y), background, drawn)


def draw_frame(x: tuple[str, Axis], y: tuple[str, Axis]) -> list[Markup]:
    """Grid, ticks and titles."""
    (x_title, x_axis), (y_title, y_axis) = x, y
    return [
        *(PLOT.across(y_axis.share(tick), y_axis.format(tick)) for tick in y_axis.ticks),
        *(PLOT.below(x_axis.share(tick), x_axis.format(tick)) for tick in x_axis.ticks),
        label(4, 12, y_title, anchor="start", class_="axis"),
        PLOT.title_below(x_title),
    ]


def _draw_series(series: Series, x: Axis, y: Axis) -> Markup:
    spots = [(PLOT.x(x.share(point.x)), PLOT.y(y.share(point.y)), point) for point in series.points]
    path = " ".join(f"{left:.2f},{top:.2f}" for left, top, _ in spots)
    line = [tag("polyline", points=path, class_="line")] if series.joined and len(spots) > 1 else []
    bars = [_interval(left, point, y) for left, _, point in spots if point.low is not None]
    marks = [series.style.mark(left, top, point.tooltip, faint=point.faint) for left, top, point in spots]
    return series.style.group(*line, *bars, *marks)


def _interval(left: float, point: Point, y: Axis) -> Markup:
    low, high = (PLOT.y(y.share(value if value is not None else point.y)) for value in (point.low, point.high))
    return tag("line", x1=left, x2=left, y1=low, y2=high, class_="span")
