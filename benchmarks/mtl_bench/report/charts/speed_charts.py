"""Report -> charts with a figure for each system: throughput, accuracy against it, session alone, cold start."""

from collections.abc import Callable, Mapping, Sequence

from mtl_bench.analysis.ranking import headline
from mtl_bench.analysis.summary import Summary, summary
from mtl_bench.report import units
from mtl_bench.report.charts.axes import Axis, linear, logarithmic
from mtl_bench.report.charts.bars import Bar, Group, bar_chart
from mtl_bench.report.charts.figure import View, figure
from mtl_bench.report.charts.lines import PLOT, Point, Series, line_chart
from mtl_bench.report.charts.series_style import SeriesStyle
from mtl_bench.results.schema import Report
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.report import number_format
from mtl_runtime.report.charts import label
from mtl_runtime.report.html import Markup, join, tag

__all__ = ["accuracy_chart", "cold_start_chart", "pareto", "session_chart", "throughput_chart"]

Looks = Mapping[str, SeriesStyle]
_SCALES: Mapping[str, Callable[[list[float]], Axis]] = {"linear": linear, "log": logarithmic}
_FAR = 25.0  # longest by shortest bar: beyond it a linear one is a hair
_LETTER = 6.2  # pixels that a letter of a chart takes at most, on average


def throughput_chart(report: Report, looks: Looks) -> Markup | None:
    """Bars of texts per second, the fastest first."""
    rates = _known(report, lambda row: row.throughput)
    if not rates:
        return None
    bars = [
        _bar(looks[name], rate, number_format.small(rate.median), f"{units.ratio_words(rate)} texts/s")
        for name, rate in sorted(rates.items(), key=lambda item: -item[1].median)
    ]
    return figure(
        "Offline throughput",
        _said(bars, f"is the fastest of all {len(bars)}, at whatever accuracy: {bars[0].figure} texts per second."),
        _scaled("offline throughput", bars, "texts per second"),
        "All texts at once. Lines at the ends are 95 % intervals over fresh processes.",
    )


def cold_start_chart(report: Report, looks: Looks) -> Markup | None:
    """Bars of seconds to the first answer, with the part that loading takes."""
    starts = _known(report, lambda row: row.cold_start)
    if not starts:
        return None
    loads = _known(report, lambda row: row.load)
    bars = [
        _bar(looks[name], start, number_format.small(start.median),
             f"{units.ratio_words(start)} s to the first answer, "
             f"{units.seconds(loads[name].median)} of it to load", part=loads[name].median)
        for name, start in sorted(starts.items(), key=lambda item: item[1].median)
    ]  # fmt: skip
    return figure(
        "Cold start",
        _said(bars, f"gives its first answer soonest, after {bars[0].figure} s."),
        _scaled("cold start", bars, "seconds from the start of the process"),
        "From the start of a fresh process to its first answer, files in the page cache. Shaded: import and load.",
    )


def session_chart(report: Report, looks: Looks) -> Markup | None:
    """Bars of the share of the time that the model alone takes."""
    shares = _known(report, lambda row: row.kernel_share)
    if not shares:
        return None
    bars = [
        _bar(looks[name], share, number_format.percent(share.median),
             f"{number_format.percent(share.median)} "
             f"(95 %: {number_format.interval(share.low, share.high)}) in the session")
        for name, share in sorted(shares.items(), key=lambda item: -item[1].median)
    ]  # fmt: skip
    axis = linear([1.0], words=_percent)
    return figure(
        "Session alone",
        "What is missing to 100 % is what each runtime itself costs: tokenizing, batching, decoding.",
        [("", bar_chart("session alone", [Group(heading="", bars=bars)], "share of the whole time", axis))],
        "The same batches in the session alone, in the same rounds, as a share of the whole way from text to labels. "
        "Systems that cannot be cut there are left out.",
    )


def accuracy_chart(report: Report, looks: Looks) -> Markup | None:
    """Accuracy against offline throughput, with the front that nothing beats in both."""
    rates = _known(report, lambda row: row.throughput)
    right = {name: value for name in rates if (value := headline(report.systems[name].answers)) is not None}
    if not right:
        return None
    spots = {name: (rates[name].median, value) for name, value in right.items()}
    front = pareto(spots)
    labelled = any(result.answers and result.answers.metrics for result in report.systems.values())
    measure = "mean accuracy" if labelled else "mean agreement"
    up = linear(right.values(), low=None, high=1.0, words=_percent)
    views = [
        (name, _scatter(spots, front, looks, ("offline texts per second", scale([x for x, _ in spots.values()])),
                        (f"{measure} over tasks", up)))
        for name, scale in sorted(_SCALES.items(), reverse=True)
    ]  # fmt: skip
    return figure(
        f"{'Accuracy' if labelled else 'Agreement'} against throughput",
        f"On the front, beaten by none in both: {', '.join(front)}.",
        views,
        f"Up is more accurate, right is faster. The dashed line is the Pareto front; {measure} is over the tasks.",
        shown=[looks[name] for name in looks if name in spots],
    )


def pareto(spots: Mapping[str, tuple[float, float]]) -> list[str]:
    """Names that no other reaches in both values and passes in one, by the first value."""
    return sorted(
        (
            name
            for name, (x, y) in spots.items()
            if not any(p >= x and q >= y and (p, q) != (x, y) for p, q in spots.values())
        ),
        key=lambda name: spots[name],
    )


def _scatter(
    spots: Mapping[str, tuple[float, float]],
    front: Sequence[str],
    looks: Looks,
    x: tuple[str, Axis],
    y: tuple[str, Axis],
) -> Markup:
    series = [
        Series(look=looks[name], points=[Point(x=rate, y=right, tooltip=_told(name, rate, right))], joined=False)
        for name, (rate, right) in spots.items()
    ]
    corners = [(PLOT.x(x[1].share(spots[name][0])), PLOT.y(y[1].share(spots[name][1]))) for name in front]
    steps = [PLOT.x(0), corners[0][1]] if corners else []
    path = [f"{steps[0]:.2f},{steps[1]:.2f}"] if steps else []
    for (left, top), after in zip(corners, [*corners[1:], (corners[-1][0], PLOT.y(0))], strict=True):
        path += [f"{left:.2f},{top:.2f}", f"{left:.2f},{after[1]:.2f}"]
    behind = [tag("polyline", points=" ".join(path), class_="front"), *_names(front, corners)]
    return line_chart("accuracy against offline throughput", series, x, y, behind=behind)


def _names(front: Sequence[str], corners: Sequence[tuple[float, float]]) -> list[Markup]:
    """Beside the marks of the front, where there is room; all others are in the key."""
    taken: list[tuple[float, float]] = []
    drawn = []
    for name, (left, top) in zip(front, corners, strict=True):
        fits_right = left + 8 + _LETTER * len(name) < PLOT.x(1)
        start = left + 8 if fits_right else left - 8 - _LETTER * len(name)
        free = all(abs(top - other) > 14 or start > end for other, end in taken)
        if free and start > PLOT.x(0):
            side, anchor = (8, "start") if fits_right else (-8, "end")
            drawn.append(label(left + side, top - 7, name, anchor=anchor))
            taken.append((top, start + _LETTER * len(name)))
    return drawn


def _told(name: str, rate: float, right: float) -> str:
    return f"{name}: {number_format.percent(right)} right, {units.rate(rate)}"


def _known(report: Report, figure_of: Callable[[Summary], Estimate | None]) -> dict[str, Estimate]:
    """One figure of every system that has it."""
    found = {name: figure_of(summary(result)) for name, result in report.systems.items() if result.ran}
    return {name: value for name, value in found.items() if value is not None}


def _bar(look: SeriesStyle, measured: Estimate, shown: str, told: str, *, part: float | None = None) -> Bar:
    return Bar(
        look=look,
        name=look.name,
        value=measured.median,
        figure=shown,
        tooltip=f"{look.name}: {told}",
        low=measured.low,
        high=measured.high,
        part=part,
    )


def _scaled(title: str, bars: Sequence[Bar], axis_title: str) -> list[View]:
    """One view for each scale; where the longest bar would leave nothing of the others, the logarithm comes first."""
    ends = [value for bar in bars for value in (bar.value, bar.high or bar.value)]
    order = sorted(_SCALES, key=lambda name: (name == "linear") == (max(ends) > _FAR * min(ends)))
    return [
        (name, bar_chart(f"{title}, {name}", [Group(heading="", bars=bars)], axis_title, _SCALES[name](ends)))
        for name in order
    ]


def _said(bars: Sequence[Bar], words_after: str) -> Markup:
    return join(tag("strong", bars[0].name), " ", words_after)


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
