"""parts of a Report -> charts: the curve over tasks, the roofline, lengths of texts, cores, sizes of a batch."""

from collections.abc import Mapping

import numpy as np

from mtl_bench.analysis.extra_figures import flat_within, peak_shares, per_second, times_of_one
from mtl_bench.report import units
from mtl_bench.report.charts.axes import linear, logarithmic
from mtl_bench.report.charts.bars import Bar, Group, bar_chart
from mtl_bench.report.charts.figure import figure
from mtl_bench.report.charts.lines import Point, Series, line_chart
from mtl_bench.report.charts.series_style import SeriesStyle
from mtl_bench.results.schema import Lengths, Report, Roofline, Unit
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Markup

__all__ = ["lengths_chart", "roofline_chart", "sweep_charts", "tasks_chart", "threads_chart"]

Looks = Mapping[str, SeriesStyle]


def tasks_chart(report: Report) -> Markup | None:
    """One graph with N tasks against N models."""
    curve = report.tasks_curve
    if curve is None or not curve.counts:
        return None
    sides = times_of_one(curve)
    drawn = {side: SeriesStyle(side, index, ours=not index) for index, side in enumerate(sides)}
    series = [
        Series(look=drawn[side], points=[_tasks_point(side, count, ratio)
                                         for count, ratio in zip(curve.counts, ratios, strict=False)])
        for side, ratios in sides.items()
    ]  # fmt: skip
    ends = [value for ratios in sides.values() for ratio in ratios for value in (ratio.median, ratio.high)]
    across = ("tasks", linear(curve.counts))
    up = f"times the seconds of {number_format.plural(curve.counts[0], 'task')}"
    views = [
        (name, line_chart(f"seconds by number of tasks, {name}", series, x, (up, y)))
        for name, x, y in (
            ("linear", across, linear(ends)),
            ("log", ("tasks", logarithmic(curve.counts)), logarithmic(ends)),
        )
    ]
    one, many = sides["one graph"][-1].median, sides["separate models"][-1].median
    return figure(
        "One graph, N tasks",
        f"{number_format.plural(curve.counts[-1], 'task')} take {number_format.small(one)} times as long as "
        f"{curve.counts[0]} in one graph, {number_format.small(many)} times in separate models; one graph is flat "
        f"within {number_format.small(100 * flat_within(sides['one graph']))} %.",
        views,
        f"{curve.variant}, {number_format.plural(curve.texts, 'text')}: medians with 95 % intervals, each pass of one "
        "graph against the same pass with the first count, each round of separate models against the median pass "
        "of it.",
        shown=drawn.values(),
    )


def roofline_chart(report: Report, looks: Looks) -> Markup | None:
    """Share of the peak that each variant's useful products reach."""
    roofline = report.roofline
    shares = peak_shares(roofline) if roofline else {}
    if roofline is None or not shares:
        return None
    bars = [_roofline_bar(roofline, name, share, looks[name]) for name, share in shares.items()]
    peaks = "; ".join(
        f"{name} {number_format.small(float(np.median(peak.flops)) / 1e9)} GFLOP/s "
        f"({' x '.join(str(side) for side in peak.shape)})"
        for name, peak in roofline.peaks.items()
    )
    axis = linear([1.0], words=lambda share: f"{100 * share:.3g} %")
    return figure(
        "Roofline",
        "What a variant makes of the fastest matrix product that this machine gave in its precision.",
        [
            (
                "",
                bar_chart(
                    "useful share of the peak", [Group(heading="", bars=bars)], "useful FLOP/s of the peak", axis
                ),
            )
        ],
        f"Products of real tokens only, padding not counted. Measured peaks: {peaks}.",
    )


def lengths_chart(report: Report, looks: Looks) -> Markup | None:
    """Bars by length profile, of texts and of tokens per second."""
    rows = report.lengths
    if not rows:
        return None
    views = [
        (unit, bar_chart(f"{unit} per second by length of the texts", groups, f"{unit} per second",
                         linear([bar.high or bar.value for group in groups for bar in group.bars])))
        for unit in ("tokens", "texts")
        if (groups := [_lengths_group(row, unit, looks) for row in rows])
    ]  # fmt: skip
    return figure(
        "Length of the texts",
        "",
        views,
        "Offline throughput on made-up texts of each length profile; lines at the ends are 95 % intervals.",
    )


def threads_chart(report: Report, looks: Looks) -> Markup | None:
    """Bars by how the cores are cut into workers."""
    if not report.threads:
        return None
    groups: dict[str, list[Bar]] = {}
    for row in report.threads:
        rate = per_second(report.workload.texts, row.seconds)
        name = f"{row.workers} × {number_format.plural(row.threads, 'thread')}"  # noqa: RUF001
        told = f"{row.variant}, {name}: {units.ratio_words(rate)} texts/s"
        groups.setdefault(row.variant, []).append(_ratio_bar(looks[row.variant], name, rate, told))
    bars = [Group(heading=variant, bars=some) for variant, some in groups.items()]
    axis = linear([bar.high or bar.value for group in bars for bar in group.bars])
    return figure(
        "Workers and threads",
        "",
        [("", bar_chart("offline throughput by workers and threads", bars, "texts per second", axis))],
        "Workers compute batches side by side, each with its own threads.",
    )


def sweep_charts(report: Report, looks: Looks) -> list[Markup]:
    """A chart for each unit that batches are bounded by."""
    return [chart for unit in ("texts", "tokens") if (chart := _sweep(report, looks, unit)) is not None]


def _sweep(report: Report, looks: Looks, unit: Unit) -> Markup | None:
    offline = {name: result.offline for name, result in report.systems.items() if result.offline is not None}
    swept = {name: run.swept for name, run in offline.items() if run.unit == unit and len(run.swept) > 1}
    if not swept:
        return None
    best = {name: max(each.texts_per_second for each in sizes) for name, sizes in swept.items()}
    shares = [each.texts_per_second / best[name] for name, sizes in swept.items() for each in sizes]
    series = [
        Series(look=looks[name], points=[
            Point(x=each.size, y=each.texts_per_second / best[name],
                  tooltip=f"{name}: batches of {number_format.count(each.size)} {unit}, "
                       f"{units.rate(each.texts_per_second)}, "
                       f"{number_format.percent(each.texts_per_second / best[name])} of its best")
            for each in sorted(sizes, key=lambda each: each.size)
        ])
        for name, sizes in swept.items()
    ]  # fmt: skip
    sizes_tried = logarithmic(each.size for sizes in swept.values() for each in sizes)
    across = (f"{'padded tokens' if unit == 'tokens' else 'texts'} in a batch", sizes_tried)
    up = ("share of its own best", linear(shares, low=None, high=1.0, words=lambda share: f"{100 * share:.3g} %"))
    return figure(
        f"Size of a batch, in {unit}",
        "",
        [("", line_chart(f"throughput by batch size in {unit}", series, across, up))],
        "Each candidate of the search once, short; the fastest size is the one that the offline scenario ran.",
        shown=[looks[name] for name in swept],
    )


def _tasks_point(side: str, count: int, ratio: Estimate) -> Point:
    told = f"{side}, {number_format.plural(count, 'task')}: {units.ratio_words(ratio)} times"
    return Point(x=count, y=ratio.median, low=ratio.low, high=ratio.high, tooltip=told)


def _roofline_bar(roofline: Roofline, name: str, share: Estimate, look: SeriesStyle) -> Bar:
    useful = roofline.variants[name]
    achieved = per_second(useful.flops / 1e9, useful.seconds)
    told = (
        f"{name}: {number_format.percent(share.median)} of {useful.peak}, {units.ratio_words(achieved)} useful GFLOP/s"
    )
    return Bar(look=look, name=name, value=share.median, figure=number_format.percent(share.median), tooltip=told,
               low=share.low, high=share.high)  # fmt: skip


def _lengths_group(row: Lengths, unit: str, looks: Looks) -> Group:
    amount = row.tokens if unit == "tokens" else row.texts
    mean = row.tokens / row.texts if row.texts else 0.0
    bars = []
    for variant, seconds in row.seconds.items():
        rate = per_second(amount, seconds)
        told = f"{variant}, {row.profile}: {units.ratio_words(rate)} {unit}/s"
        bars.append(_ratio_bar(looks[variant], variant, rate, told))
    return Group(heading=f"{row.profile}: {number_format.small(mean)} tokens on average", bars=bars)


def _ratio_bar(look: SeriesStyle, name: str, rate: Estimate, told: str) -> Bar:
    return Bar(look=look, name=name, value=rate.median, figure=number_format.small(rate.median), tooltip=told,
               low=rate.low, high=rate.high)  # fmt: skip
