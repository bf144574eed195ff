"""Report -> curves of the server scenario: what is offered against what 99 % and 50 % of the texts wait at most."""

from collections.abc import Mapping

from mtl_bench.analysis.summary import percentile
from mtl_bench.report import units
from mtl_bench.report.charts.axes import linear, logarithmic, number
from mtl_bench.report.charts.figure import figure
from mtl_bench.report.charts.lines import PLOT, Point, Series, line_chart
from mtl_bench.report.charts.series_style import SeriesStyle
from mtl_bench.results.schema import Rate, Report, Server
from mtl_runtime.report import number_format
from mtl_runtime.report.charts import label
from mtl_runtime.report.html import Markup, join, tag

__all__ = ["server_chart"]

_RANKS = (99, 50)
# A linear axis ends at so many times the bound: beyond it a queue only grows.
_BEYOND = 3.0


def server_chart(report: Report, looks: Mapping[str, SeriesStyle]) -> Markup | None:
    """A line for each system, in four views: percentile by scale."""
    servers = {name: result.server for name, result in report.systems.items() if result.server is not None}
    measured = {name: servers[name] for name in looks if name in servers and servers[name].rates}
    if not measured:
        return None
    bound = max(server.bound for server in measured.values())
    views = [
        (f"p{rank}, {'log' if log else 'linear'}", _view(measured, looks, bound, rank, log=log))
        for rank in _RANKS
        for log in (True, False)
    ]
    return figure(
        "Server: latency against offered rate",
        _said(measured, bound),
        views,
        "Texts arrive at random moments (Poisson); a latency counts from the moment that its text was due. Faint "
        "marks: the system did not keep up. What lies above a linear scale is drawn at its edge.",
        shown=[looks[name] for name in measured],
    )


def _said(measured: Mapping[str, Server], bound: float) -> Markup:
    held = {name: server.best for name, server in measured.items() if server.best is not None}
    within = f"within {units.milliseconds(bound)}"
    if not held:
        return join(f"No system held any rate {within}.")
    top = max(held, key=held.__getitem__)
    return join(tag("strong", top), f" holds the most, {number_format.small(held[top])} texts per second {within}.")


def _view(
    measured: Mapping[str, Server], looks: Mapping[str, SeriesStyle], bound: float, rank: int, *, log: bool
) -> Markup:
    series = [
        Series(look=looks[name], points=[_point(name, rate, rank) for rate in sorted(server.rates, key=_offered)])
        for name, server in measured.items()
    ]
    rates = [point.x for some in series for point in some.points]
    waits = [point.y for some in series for point in some.points] + [1000 * bound]
    across = logarithmic(rates, words=number) if log else linear(rates)
    up = logarithmic(waits) if log else linear([min(wait, 1000 * bound * _BEYOND) for wait in waits])
    height = PLOT.y(up.share(1000 * bound))
    line = tag("line", x1=PLOT.x(0), x2=PLOT.x(1), y1=height, y2=height, class_="ideal")
    named = label(PLOT.x(1), height - 5, f"bound {units.milliseconds(bound)}", anchor="end", class_="axis")
    title = f"p{rank} latency against offered rate, {'log' if log else 'linear'}"
    return line_chart(
        title, series, ("offered texts per second", across), (f"p{rank} latency, ms", up), behind=(line, named)
    )


def _point(name: str, rate: Rate, rank: int) -> Point:
    waited = percentile(rate.latencies, rank)
    kept = "" if rate.kept_up else ", did not keep up"
    waits = ", ".join(f"p{each} {units.milliseconds(percentile(rate.latencies, each))}" for each in (50, 99))
    told = f"{name}: {units.rate(rate.offered)} offered, {waits}, {number_format.count(rate.queries)} texts{kept}"
    return Point(x=rate.offered, y=1000 * waited, tooltip=told, lost=not rate.kept_up)


def _offered(rate: Rate) -> float:
    return rate.offered
