"""Report -> charts with a figure for each system: throughput, accuracy, session alone, cold start."""

from collections.abc import Callable, Mapping, Sequence

from mtl_bench.analysis.ranking import headline_score
from mtl_bench.analysis.summary import Summary, summarize
from mtl_bench.report import units
from mtl_bench.report.charts.axes import Axis, linear_axis, logarithmic_axis
from mtl_bench.report.charts.bars import Bar, BarGroup, bar_chart
from mtl_bench.report.charts.figure import View, figure
from mtl_bench.report.charts.lines import PLOT, Point, Series, line_chart
from mtl_bench.report.charts.series_style import SeriesStyle, SeriesStyles
from mtl_bench.results.schema import Report
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.report import number_format
from mtl_runtime.report.charts import label
from mtl_runtime.report.html import Markup, join, tag

__all__ = ["accuracy_chart", "cold_start_chart", "pareto_front", "session_chart", "throughput_chart"]

Spots = Mapping[str, tuple[float, float]]  # throughput and accuracy by system

_SCALES: Mapping[str, Callable[[list[float]], Axis]] = {"linear": linear_axis, "log": logarithmic_axis}
_MAX_LINEAR = 25.0  # longest by shortest bar: beyond it the shortest is invisible on a linear scale
_LETTER = 6.2  # pixels that a letter of a chart takes at most, on average


def throughput_chart(report: Report, styles: SeriesStyles) -> Markup | None:
    """Bars of texts per second, the fastest first."""
    rates = _estimates(report, lambda summary: summary.throughput)
    if not rates:
        return None
    bars = [
        _bar(styles[name], rate, number_format.small(rate.median), f"{units.with_interval(rate)} texts/s")
        for name, rate in sorted(rates.items(), key=lambda item: -item[1].median)
    ]
    return figure(
        "Offline throughput",
        _takeaway(bars, f"is the fastest of all {len(bars)}, at any accuracy: {bars[0].figure} texts per second."),
        _scale_views("offline throughput", bars, "texts per second"),
        "All texts at once. Lines at the ends are 95 % intervals over fresh processes.",
    )


def cold_start_chart(report: Report, styles: SeriesStyles) -> Markup | None:
    """Bars of seconds to the first answer, with the part that loading takes."""
    starts = _estimates(report, lambda summary: summary.cold_start)
    if not starts:
        return None
    loads = _estimates(report, lambda summary: summary.load)
    bars = [
        _bar(styles[name], start, number_format.small(start.median),
             f"{units.with_interval(start)} s to the first answer, "
             f"{units.seconds(loads[name].median)} of it to load", part=loads[name].median)
        for name, start in sorted(starts.items(), key=lambda item: item[1].median)
    ]  # fmt: skip
    return figure(
        "Cold start",
        _takeaway(bars, f"gives its first answer soonest, after {bars[0].figure} s."),
        _scale_views("cold start", bars, "seconds from the start of the process"),
        "From the start of a fresh process to its first answer, files in the page cache. Shaded: import and load.",
    )


def session_chart(report: Report, styles: SeriesStyles) -> Markup | None:
    """Bars of the share of the time that the model alone takes."""
    shares = _estimates(report, lambda summary: summary.kernel_share)
    if not shares:
        return None
    bars = [
        _bar(styles[name], share, number_format.percent(share.median),
             f"{number_format.percent(share.median)} "
             f"(95 %: {number_format.interval(share.low, share.high)}) in the session")
        for name, share in sorted(shares.items(), key=lambda item: -item[1].median)
    ]  # fmt: skip
    axis = linear_axis([1.0], format_tick=_percent)
    groups = [BarGroup(heading="", bars=bars)]
    return figure(
        "Session alone",
        "The rest to 100 % is the cost of the runtime around the session: tokenizing, batching, decoding.",
        [("", bar_chart("session alone", groups, "share of the whole time", axis))],
        "The same batches in the session alone, in the same rounds, as a share of the time from text to labels. "
        "Systems whose session cannot be timed alone are left out.",
    )


def accuracy_chart(report: Report, styles: SeriesStyles) -> Markup | None:
    """Accuracy against offline throughput, with the Pareto front."""
    rates = _estimates(report, lambda summary: summary.throughput)
    scores = {name: headline_score(report.systems[name].answers) for name in rates}
    spots = {name: (rates[name].median, score) for name, score in scores.items() if score is not None}
    if not spots:
        return None
    front = pareto_front(spots)
    labelled = any(result.answers and result.answers.metrics for result in report.systems.values())
    measure = "mean accuracy" if labelled else "mean agreement"
    y = (f"{measure} over tasks", linear_axis([score for _, score in spots.values()], low=None, high=1.0,
                                              format_tick=_percent))  # fmt: skip
    views = [
        (
            name,
            _scatter(spots, front, styles, ("offline texts per second", axis([rate for rate, _ in spots.values()])), y),
        )
        for name, axis in sorted(_SCALES.items(), reverse=True)
    ]
    return figure(
        f"{'Accuracy' if labelled else 'Agreement'} against throughput",
        f"No system beats these in both: {', '.join(front)}.",
        views,
        f"Up is more accurate, right is faster. The dashed line is the Pareto front; {measure} is over the tasks.",
        styles=[styles[name] for name in styles if name in spots],
    )


def pareto_front(spots: Spots) -> list[str]:
    """Systems that no other reaches in both values and exceeds in one, by the first value."""
    return sorted(
        (
            name
            for name, (x, y) in spots.items()
            if not any(p >= x and q >= y and (p, q) != (x, y) for p, q in spots.values())
        ),
        key=lambda name: spots[name],
    )


def _scatter(
    spots: Spots, front: Sequence[str], styles: SeriesStyles, x: tuple[str, Axis], y: tuple[str, Axis]
) -> Markup:
    series = [
        Series(style=styles[name], points=[Point(x=rate, y=score, tooltip=_tooltip(name, rate, score))], joined=False)
        for name, (rate, score) in spots.items()
    ]
    corners = [(PLOT.x(x[1].share(spots[name][0])), PLOT.y(y[1].share(spots[name][1]))) for name in front]
    line = tag("polyline", points=" ".join(_staircase(corners)), class_="front")
    background = [line, *_front_labels(front, corners)]
    return line_chart("accuracy against offline throughput", series, x, y, background=background)


def _staircase(corners: Sequence[tuple[float, float]]) -> list[str]:
    """The front as a line: from the left to each corner, and down to the height of the next."""
    if not corners:
        return []
    path = [f"{PLOT.x(0):.2f},{corners[0][1]:.2f}"]
    for (left, top), after in zip(corners, [*corners[1:], (corners[-1][0], PLOT.y(0))], strict=True):
        path += [f"{left:.2f},{top:.2f}", f"{left:.2f},{after[1]:.2f}"]
    return path


def _front_labels(front: Sequence[str], corners: Sequence[tuple[float, float]]) -> list[Markup]:
    """Names next to the marks of the front, where there is room; all others are in the legend."""
    occupied: list[tuple[float, float]] = []
    labels = []
    for name, (left, top) in zip(front, corners, strict=True):
        fits_right = left + 8 + _LETTER * len(name) < PLOT.x(1)
        start = left + 8 if fits_right else left - 8 - _LETTER * len(name)
        free = all(abs(top - other) > 14 or start > end for other, end in occupied)
        if free and start > PLOT.x(0):
            side, anchor = (8, "start") if fits_right else (-8, "end")
            labels.append(label(left + side, top - 7, name, anchor=anchor))
            occupied.append((top, start + _LETTER * len(name)))
    return labels


def _tooltip(name: str, rate: float, score: float) -> str:
    return f"{name}: {number_format.percent(score)} right, {units.rate(rate)}"


def _estimates(report: Report, figure_of: Callable[[Summary], Estimate | None]) -> dict[str, Estimate]:
    """One figure of every system that has it."""
    estimates = {name: figure_of(summarize(result)) for name, result in report.systems.items() if result.ran}
    return {name: estimate for name, estimate in estimates.items() if estimate is not None}


def _bar(style: SeriesStyle, estimate: Estimate, figure_text: str, tooltip: str, *, part: float | None = None) -> Bar:
    return Bar(
        style=style,
        name=style.name,
        value=estimate.median,
        figure=figure_text,
        tooltip=f"{style.name}: {tooltip}",
        low=estimate.low,
        high=estimate.high,
        part=part,
    )


def _scale_views(title: str, bars: Sequence[Bar], axis_title: str) -> list[View]:
    """One view for each scale; where the shortest bar would be invisible on a linear one, the logarithm comes first."""
    ends = [value for bar in bars for value in (bar.value, bar.high or bar.value)]
    order = sorted(_SCALES, key=lambda name: (name == "linear") == (max(ends) > _MAX_LINEAR * min(ends)))
    return [
        (name, bar_chart(f"{title}, {name}", [BarGroup(heading="", bars=bars)], axis_title, _SCALES[name](ends)))
        for name in order
    ]


def _takeaway(bars: Sequence[Bar], sentence: str) -> Markup:
    return join(tag("strong", bars[0].name), " ", sentence)


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
