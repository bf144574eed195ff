"""Report -> curves of the server scenario: the latency of 99 % and of 50 % of the texts by offered rate."""

from collections.abc import Mapping

from mtl_bench.analysis.summary import percentile
from mtl_bench.report import units
from mtl_bench.report.charts.axes import format_number, linear_axis, logarithmic_axis
from mtl_bench.report.charts.figure import figure
from mtl_bench.report.charts.lines import PLOT, Point, Series, line_chart
from mtl_bench.report.charts.series_style import SeriesStyles
from mtl_bench.results.scenarios import Rate, Server
from mtl_bench.results.schema import Report
from mtl_runtime.report import number_format
from mtl_runtime.report.charts import label
from mtl_runtime.report.html import Markup, join, tag

__all__ = ["server_chart"]

_RANKS = (99, 50)
# A linear axis ends at so many times the bound: beyond it a queue only grows.
_AXIS_END = 3.0


def server_chart(report: Report, styles: SeriesStyles) -> Markup | None:
    """A line for each system, in four views: percentile by scale."""
    results = {name: result.server for name, result in report.systems.items() if result.server is not None}
    servers = {name: results[name] for name in styles if name in results and results[name].rates}
    if not servers:
        return None
    bound = max(server.bound for server in servers.values())
    views = [
        (f"p{rank}, {'log' if log else 'linear'}", _view(servers, styles, bound, rank, log=log))
        for rank in _RANKS
        for log in (True, False)
    ]
    return figure(
        "Server: latency against offered rate",
        _takeaway(servers, bound),
        views,
        "Texts arrive at random moments (Poisson); a latency counts from the moment at which its text was due. Faint "
        "marks: the system did not keep up. What lies above a linear scale is drawn at its edge.",
        styles=[styles[name] for name in servers],
    )


def _takeaway(servers: Mapping[str, Server], bound: float) -> Markup:
    best = {name: server.best for name, server in servers.items() if server.best is not None}
    within = f"within {units.milliseconds(bound)}"
    if not best:
        return join(f"No system held any rate {within}.")
    top = max(best, key=best.__getitem__)
    return join(tag("strong", top), f" holds the most, {number_format.small(best[top])} texts per second {within}.")


def _view(servers: Mapping[str, Server], styles: SeriesStyles, bound: float, rank: int, *, log: bool) -> Markup:
    series = [
        Series(
            style=styles[name], points=[_point(name, rate, rank) for rate in sorted(server.rates, key=_offered_rate)]
        )
        for name, server in servers.items()
    ]
    rates = [point.x for each in series for point in each.points]
    latencies = [point.y for each in series for point in each.points] + [1000 * bound]
    x = logarithmic_axis(rates, format_tick=format_number) if log else linear_axis(rates)
    end = 1000 * bound * _AXIS_END
    y = logarithmic_axis(latencies) if log else linear_axis([min(latency, end) for latency in latencies])
    height = PLOT.y(y.share(1000 * bound))
    line = tag("line", x1=PLOT.x(0), x2=PLOT.x(1), y1=height, y2=height, class_="ideal")
    name = label(PLOT.x(1), height - 5, f"bound {units.milliseconds(bound)}", anchor="end", class_="axis")
    title = f"p{rank} latency against offered rate, {'log' if log else 'linear'}"
    return line_chart(
        title, series, ("offered texts per second", x), (f"p{rank} latency, ms", y), background=(line, name)
    )


def _point(name: str, rate: Rate, rank: int) -> Point:
    latency = percentile(rate.latencies, rank)
    outcome = "" if rate.kept_up else ", did not keep up"
    latencies = ", ".join(f"p{each} {units.milliseconds(percentile(rate.latencies, each))}" for each in (50, 99))
    texts = number_format.count(rate.queries)
    tooltip = f"{name}: {units.rate(rate.offered)} offered, {latencies}, {texts} texts{outcome}"
    return Point(x=rate.offered, y=1000 * latency, tooltip=tooltip, faint=not rate.kept_up)


def _offered_rate(rate: Rate) -> float:
    return rate.offered
