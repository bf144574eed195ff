"""Report -> charts of the batch size sweeps: the throughput of each size as a share of the best."""

from collections.abc import Mapping, Sequence

from mtl_bench.report import units
from mtl_bench.report.charts.axes import linear_axis, logarithmic_axis
from mtl_bench.report.charts.figure import figure
from mtl_bench.report.charts.lines import Point, Series, line_chart
from mtl_bench.report.charts.series_style import SeriesStyles
from mtl_bench.results.scenarios import BatchUnit, SweepPoint
from mtl_bench.results.schema import Report
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Markup

__all__ = ["sweep_charts"]

Sweeps = Mapping[str, Sequence[SweepPoint]]  # by system


def sweep_charts(report: Report, styles: SeriesStyles) -> list[Markup]:
    """A chart for each unit of batch sizes."""
    return [chart for unit in ("texts", "tokens") if (chart := _chart(report, styles, unit)) is not None]


def _chart(report: Report, styles: SeriesStyles, unit: BatchUnit) -> Markup | None:
    offline = {name: result.offline for name, result in report.systems.items() if result.offline is not None}
    sweeps = {name: run.sweep for name, run in offline.items() if run.unit == unit and len(run.sweep) > 1}
    if not sweeps:
        return None
    series = [Series(style=styles[name], points=_points(name, sweep, unit)) for name, sweep in sweeps.items()]
    shares = [point.y for each in series for point in each.points]
    sizes = logarithmic_axis(point.x for each in series for point in each.points)
    x = (f"{'padded tokens' if unit == 'tokens' else 'texts'} in a batch", sizes)
    y = ("share of its own best", linear_axis(shares, low=None, high=1.0, format_tick=_percent))
    return figure(
        f"Size of a batch, in {unit}",
        "",
        [("", line_chart(f"throughput by batch size in {unit}", series, x, y))],
        "Each candidate of the search once, briefly; the fastest size is the one that the offline scenario ran.",
        styles=[styles[name] for name in sweeps],
    )


def _points(name: str, sweep: Sequence[SweepPoint], unit: BatchUnit) -> list[Point]:
    best = max(point.texts_per_second for point in sweep)
    return [
        Point(
            x=point.size,
            y=point.texts_per_second / best,
            tooltip=f"{name}: batches of {number_format.count(point.size)} {unit}, "
            f"{units.rate(point.texts_per_second)}, "
            f"{number_format.percent(point.texts_per_second / best)} of its best",
        )
        for point in sorted(sweep, key=lambda point: point.size)
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
