"""Repair -> inline SVG: the curve of speed against agreement, with a line and markers for each task."""

from collections.abc import Sequence

from mtl_runtime.evidence.schema import Repair
from mtl_runtime.report import number_format
from mtl_runtime.report.charts import Plot, Scale, label, svg
from mtl_runtime.report.html import Markup, join, tag
from mtl_runtime.report.markers import MARKERS

__all__ = ["repair_curve"]


def repair_curve(repair: Repair, tasks: Sequence[str], title: str) -> Markup:
    """Draw speed across and agreement upwards; filled markers hold the budget, the dashed line is the chosen step."""
    plot = Plot(left=62, width=420, height=210)
    across = Scale.around([step.speed for step in repair.curve], finest=0.01)
    up = Scale.around(
        [100 * step.agreement[task] for step in repair.curve for task in tasks if task in step.agreement],
        finest=0.01,
        ceiling=100,
    )
    grid = [
        *(plot.across(up.share(tick), f"{tick:.{up.digits}f} %") for tick in up.ticks),
        *(plot.below(across.share(tick), number_format.times(tick)) for tick in across.ticks),
        plot.title_below("speed, times cpu-fp32"),
    ]
    lines = [_draw_line(repair, task, number, plot, across, up) for number, task in enumerate(tasks)]
    description = "; ".join(
        f"{_format_step(step.kept, step.speed)}, "
        + ", ".join(f"{task} {number_format.percent(step.agreement[task])}" for task in tasks if task in step.agreement)
        for step in repair.curve
    )
    return join(
        svg(title, description, 500, 264, grid, _mark_chosen(repair, plot, across), lines),
        tag("p", [_legend_entry(task, number) for number, task in enumerate(tasks)], class_="key"),
    )


def _draw_line(repair: Repair, task: str, number: int, plot: Plot, across: Scale, up: Scale) -> Markup:
    """Draw one task's points in the order of speed."""
    steps = sorted((step for step in repair.curve if task in step.agreement), key=lambda step: step.speed)
    points = [(plot.x(across.share(s.speed)), plot.y(up.share(100 * s.agreement[task])), s) for s in steps]
    path = " ".join(f"{x:.2f},{y:.2f}" for x, y, _ in points)
    markers = [
        MARKERS[number % len(MARKERS)](
            x,
            y,
            f"s{number % len(MARKERS)} {'holds' if step.holds else 'misses'}",
            f"{task}, {_format_step(step.kept, step.speed)}, {number_format.percent(step.agreement[task])}",
        )
        for x, y, step in points
    ]
    return join(tag("polyline", points=path, class_=f"line s{number % len(MARKERS)}"), markers)


def _mark_chosen(repair: Repair, plot: Plot, across: Scale) -> Markup:
    """Draw a line at the step that the variant was built from."""
    steps = [step for step in repair.curve if step.kept == len(repair.kept)]
    if not steps:
        return Markup()
    share = across.share(steps[-1].speed)
    x = plot.x(share)
    side, anchor = (5, "start") if share < 0.6 else (-5, "end")
    line = tag("line", x1=x, x2=x, y1=plot.y(0), y2=plot.y(1), class_="ideal")
    words = f"chosen: {number_format.count(len(repair.kept))} of {number_format.count(repair.candidates)} kept"
    return join(line, label(x + side, plot.y(0) - 8, words, anchor=anchor))


def _format_step(kept: int, speed: float) -> str:
    return f"{number_format.count(kept)} kept: {number_format.times(speed)}"


def _legend_entry(task: str, number: int) -> Markup:
    marker = MARKERS[number % len(MARKERS)](7, 7, f"s{number % len(MARKERS)} holds", task)
    return tag("span", tag("svg", marker, viewBox="0 0 14 14", width=14, height=14, aria_hidden="true"), " ", task)
