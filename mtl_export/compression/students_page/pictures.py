"""StudentsRecord -> inline SVG: each task's metrics and agreement against texts a second and p50."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mtl_export.compression.points import TEACHER, Point, StudentsRecord
from mtl_runtime.report.charts import Plot, Scale, label, svg
from mtl_runtime.report.comparison import METRICS
from mtl_runtime.report.html import Markup, join, tag
from mtl_runtime.report.markers import MARKERS

__all__ = ["pictures"]

_SHOWN = ("accuracy", "macro_f1", "pearson")


@dataclass(frozen=True, slots=True)
class _Axis:
    """What is drawn across."""

    name: str
    value: Callable[[Point], float]


_THROUGHPUT = _Axis("texts a second", lambda point: point.texts_per_second.median)
_LATENCY = _Axis("p50 of a text alone, ms", lambda point: point.p50_milliseconds)


def pictures(record: StudentsRecord) -> Markup:
    """A picture for each task and metric, against throughput and against latency."""
    tasks = list(record.points[0].tasks)
    figures = [figure for task in tasks for axis in (_THROUGHPUT, _LATENCY) for figure in _figures(record, task, axis)]
    return join(tag("div", figures, class_="side"), _legend())


def _figures(record: StudentsRecord, task: str, axis: _Axis) -> Iterator[Markup]:
    first = record.points[0].tasks[task]
    for metric in _SHOWN:
        if metric in first.changes:
            before = first.metrics[metric] - first.changes[metric]  # the teacher's, in PyTorch
            values = [100 * point.tasks[task].metrics[metric] for point in record.points]
            yield _figure(record, task, METRICS[metric][0], axis, values, 100 * before - first.budget)
    if not first.is_regression:
        agreement = [100 * point.tasks[task].agreement for point in record.points]
        yield _figure(record, task, "same answer", axis, agreement, None)


def _figure(
    record: StudentsRecord, task: str, metric: str, axis: _Axis, values: Sequence[float], budget: float | None
) -> Markup:
    title = f"{task}: {metric}"
    plot = Plot(left=56, width=260, height=170)
    places = [axis.value(point) for point in record.points]
    across = Scale.up_to(1.08 * max(places))
    up = Scale.around([*values, *([budget] if budget is not None else [])], finest=0.1)
    content = [
        *(plot.across(up.share(tick), f"{tick:.{up.digits}f}") for tick in up.ticks),
        *(plot.below(across.share(tick), f"{tick:,.{across.digits}f}") for tick in across.ticks if tick <= across.high),
        plot.title_below(axis.name),
    ]
    if budget is not None:
        height = plot.y(up.share(budget))
        content += [
            tag("line", x1=plot.x(0), x2=plot.x(1), y1=height, y2=height, class_="ideal"),
            label(plot.x(1), height - 4, "budget", anchor="end"),
        ]
    if axis is _THROUGHPUT and budget is not None:
        shares = [(across.share(x), up.share(y)) for x, y in zip(places, values, strict=True)]
        content.append(_front(plot, shares))
    for point, x, y in zip(record.points, places, values, strict=True):
        words = f"{point.model}, {point.variant}: {x:,.4g} {axis.name}, {y:.2f}"
        content.append(_draw(point)(plot.x(across.share(x)), plot.y(up.share(y)), _class(record, point, task), words))
    description = "; ".join(
        f"{point.model} {point.variant}: {x:,.4g}, {y:.2f}"
        for point, x, y in zip(record.points, places, values, strict=True)
    )
    chart = svg(f"{title}, against {axis.name}", description, 330, 240, content)
    return tag("figure", chart, tag("figcaption", f"{title}, against {axis.name}"))


def _front(plot: Plot, shares: Sequence[tuple[float, float]]) -> Markup:
    """A line through the points that no other beats in both: from right to left, each higher than all before."""
    front: list[tuple[float, float]] = []
    for x, y in sorted(shares, reverse=True):
        if not front or y > front[-1][1]:
            front.append((x, y))
    path = " ".join(f"{plot.x(x):.2f},{plot.y(y):.2f}" for x, y in reversed(front))
    return tag("polyline", points=path, class_="line s0")


def _draw(point: Point) -> Callable[[float, float, str, str], Markup]:
    """Circles: students in whole precision; squares: in a lower one; diamonds: the teacher."""
    if point.model == TEACHER:
        return MARKERS[3]
    return MARKERS[0] if point.variant.endswith("fp32") else MARKERS[1]


def _class(record: StudentsRecord, point: Point, task: str) -> str:
    colour = "s1" if record.is_taken(point) else "s2" if point.model == TEACHER else "s0"
    return f"{colour} {'misses' if point.tasks[task].outcome == 'exceeded' else 'holds'}"


def _legend() -> Markup:
    entries = (
        (MARKERS[0], "s0 holds", "student, fp32"),
        (MARKERS[1], "s0 holds", "student, lower precision"),
        (MARKERS[3], "s2 holds", "teacher"),
        (MARKERS[1], "s1 holds", "taken"),
        (MARKERS[0], "s0 misses", "over the budget"),
    )
    parts = [
        tag(
            "span",
            tag("svg", draw(7, 7, class_, words), viewBox="0 0 14 14", width=14, height=14, aria_hidden="true"),
            " ",
            words,
        )
        for draw, class_, words in entries
    ]
    return tag("p", parts, " Where texts a second are drawn across, the line joins the front.", class_="key")
