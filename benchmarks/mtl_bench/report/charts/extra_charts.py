"""extras of a Report -> charts: the tasks curve, the roofline, lengths of texts, workers and threads."""

import numpy as np

from mtl_bench.analysis.extra_figures import multiples_of_one_task, peak_shares, per_second, widest_deviation
from mtl_bench.report import units
from mtl_bench.report.charts.axes import linear_axis, logarithmic_axis
from mtl_bench.report.charts.bars import Bar, BarGroup, bar_chart
from mtl_bench.report.charts.figure import View, figure
from mtl_bench.report.charts.lines import Point, Series, line_chart
from mtl_bench.report.charts.series_style import SeriesStyle, SeriesStyles
from mtl_bench.results.extras import Lengths, Roofline
from mtl_bench.results.schema import Report
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Markup

__all__ = ["lengths_chart", "roofline_chart", "tasks_chart", "threads_chart"]


def tasks_chart(report: Report) -> Markup | None:
    """One graph with N tasks, and N separate models."""
    curve = report.tasks_curve
    if curve is None or not curve.counts:
        return None
    sides = multiples_of_one_task(curve)
    styles = {side: SeriesStyle(side, index, ours=not index) for index, side in enumerate(sides)}
    series = [
        Series(
            style=styles[side],
            points=[_tasks_point(side, count, ratio) for count, ratio in zip(curve.counts, ratios, strict=False)],
        )
        for side, ratios in sides.items()
    ]
    y_title = f"times the seconds of {number_format.plural(curve.counts[0], 'task')}"
    one_graph, separate = sides["one graph"], sides["separate models"]
    return figure(
        "One graph, N tasks",
        f"{number_format.plural(curve.counts[-1], 'task')} take {number_format.small(one_graph[-1].median)} times as "
        f"long as {curve.counts[0]} in one graph, {number_format.small(separate[-1].median)} times in separate models; "
        f"one graph is flat within {number_format.small(100 * widest_deviation(one_graph))} %.",
        _tasks_views(series, y_title),
        f"{curve.variant}, {number_format.plural(curve.texts, 'text')}: medians with 95 % intervals. Each pass of one "
        "graph is compared with the same pass at the first count, each round of separate models with the median pass "
        "of that round.",
        styles=styles.values(),
    )


def _tasks_views(series: list[Series], y_title: str) -> list[View]:
    counts = [point.x for point in series[0].points]
    ends = [value for each in series for point in each.points for value in (point.y, point.high or point.y)]
    scales = (("linear", linear_axis), ("log", logarithmic_axis))
    return [
        (
            name,
            line_chart(f"seconds by number of tasks, {name}", series, ("tasks", axis(counts)), (y_title, axis(ends))),
        )
        for name, axis in scales
    ]


def _tasks_point(side: str, count: int, ratio: Estimate) -> Point:
    tooltip = f"{side}, {number_format.plural(count, 'task')}: {units.with_interval(ratio)} times"
    return Point(x=count, y=ratio.median, low=ratio.low, high=ratio.high, tooltip=tooltip)


def roofline_chart(report: Report, styles: SeriesStyles) -> Markup | None:
    """Share of the peak that each variant's useful products reach."""
    roofline = report.roofline
    shares = peak_shares(roofline) if roofline else {}
    if roofline is None or not shares:
        return None
    bars = [_roofline_bar(roofline, name, share, styles[name]) for name, share in shares.items()]
    peaks = "; ".join(
        f"{name} {number_format.small(float(np.median(peak.flops)) / 1e9)} GFLOP/s "
        f"({' x '.join(str(side) for side in peak.shape)})"
        for name, peak in roofline.peaks.items()
    )
    axis = linear_axis([1.0], format_tick=lambda share: f"{100 * share:.3g} %")
    groups = [BarGroup(heading="", bars=bars)]
    return figure(
        "Roofline",
        "Useful operations of each variant, compared with the machine's fastest matrix product in its precision.",
        [("", bar_chart("useful share of the peak", groups, "useful FLOP/s of the peak", axis))],
        "Products of real tokens only, padding not counted; both are timed in the same rounds. Measured peaks: "
        f"{peaks}.",
    )


def _roofline_bar(roofline: Roofline, name: str, share: Estimate, style: SeriesStyle) -> Bar:
    achieved = roofline.variants[name]
    flops = per_second(achieved.flops / 1e9, achieved.seconds)
    percent = number_format.percent(share.median)
    return Bar(
        style=style,
        name=name,
        value=share.median,
        figure=percent,
        tooltip=f"{name}: {percent} of {achieved.peak}, {units.with_interval(flops)} useful GFLOP/s",
        low=share.low,
        high=share.high,
    )


def lengths_chart(report: Report, styles: SeriesStyles) -> Markup | None:
    """Bars by length profile, of texts and of tokens per second."""
    if not report.lengths:
        return None
    views = []
    for unit in ("tokens", "texts"):
        groups = [_lengths_group(row, unit, styles) for row in report.lengths]
        axis = linear_axis(_ends(groups))
        views.append((unit, bar_chart(f"{unit} per second by length of the texts", groups, f"{unit} per second", axis)))
    return figure(
        "Length of the texts",
        "",
        views,
        "Offline throughput on synthetic texts of each length profile; lines at the ends are 95 % intervals.",
    )


def _lengths_group(row: Lengths, unit: str, styles: SeriesStyles) -> BarGroup:
    count = row.tokens if unit == "tokens" else row.texts
    mean = row.tokens / row.texts if row.texts else 0.0
    bars = []
    for variant, seconds in row.seconds.items():
        rate = per_second(count, seconds)
        tooltip = f"{variant}, {row.profile}: {units.with_interval(rate)} {unit}/s"
        bars.append(_rate_bar(styles[variant], variant, rate, tooltip))
    return BarGroup(heading=f"{row.profile}: {number_format.small(mean)} tokens on average", bars=bars)


def threads_chart(report: Report, styles: SeriesStyles) -> Markup | None:
    """Bars by how the cores are divided among workers."""
    if not report.threads:
        return None
    bars: dict[str, list[Bar]] = {}
    for row in report.threads:
        rate = per_second(report.workload.texts, row.seconds)
        name = f"{row.workers} × {number_format.plural(row.threads, 'thread')}"  # noqa: RUF001
        tooltip = f"{row.variant}, {name}: {units.with_interval(rate)} texts/s"
        bars.setdefault(row.variant, []).append(_rate_bar(styles[row.variant], name, rate, tooltip))
    groups = [BarGroup(heading=variant, bars=of_variant) for variant, of_variant in bars.items()]
    title, axis = "offline throughput by workers and threads", linear_axis(_ends(groups))
    return figure(
        "Workers and threads",
        "",
        [("", bar_chart(title, groups, "texts per second", axis))],
        "Workers compute batches at the same time, each with its own threads.",
    )


def _rate_bar(style: SeriesStyle, name: str, rate: Estimate, tooltip: str) -> Bar:
    return Bar(
        style=style,
        name=name,
        value=rate.median,
        figure=number_format.small(rate.median),
        tooltip=tooltip,
        low=rate.low,
        high=rate.high,
    )


def _ends(groups: list[BarGroup]) -> list[float]:
    return [bar.high or bar.value for group in groups for bar in group.bars]
