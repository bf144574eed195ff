"""Report -> one self-contained HTML page: a verdict, a table, charts, and how all of it was measured.

Nothing is loaded, from anywhere. The page's own policy lets a browser apply exactly its style sheet and run exactly its
script, so that nothing that data could smuggle in would run; without the script all is there but the choices.
"""

from importlib import resources

from mtl_bench.report.charts.extra_charts import lengths_chart, roofline_chart, sweep_charts, tasks_chart, threads_chart
from mtl_bench.report.charts.series_style import series_styles
from mtl_bench.report.charts.server_chart import server_chart
from mtl_bench.report.charts.speed_charts import accuracy_chart, cold_start_chart, session_chart, throughput_chart
from mtl_bench.report.method import glossary, method, skipped
from mtl_bench.report.overview import overview
from mtl_bench.report.systems_table import systems_table
from mtl_bench.results.schema import Report
from mtl_runtime.report.html import Markup, tag
from mtl_runtime.report.page_frame import head, section, shared_style

__all__ = ["report_page"]


def report_page(report: Report, *, title: str) -> str:
    """The whole document; equal reports give equal bytes.

    Args:
        report: of one run.
        title: heading of the page, such as the bundle's name.
    """
    script = _asset("report.js")
    body = tag(
        "main",
        overview(report, title=title),
        section("Systems", systems_table(report, list(series_styles(report).values())), class_="broad"),
        section("Charts", _charts(report)),
        section("How it was measured", method(report)),
        section("Not measured", skipped(report)),
        section("Terms", glossary()),
        tag("div", id="tip", role="status", hidden=True),
        tag("script", Markup(script)),
    )
    top = head(f"{title}: benchmark", shared_style() + _asset("report.css"), script=script)
    return f"<!DOCTYPE html>\n{tag('html', top, tag('body', body), lang='en')}\n"


def _charts(report: Report) -> Markup:
    look = series_styles(report)
    drawn = [
        throughput_chart(report, look),
        accuracy_chart(report, look),
        server_chart(report, look),
        tasks_chart(report),
        session_chart(report, look),
        roofline_chart(report, look),
        *sweep_charts(report, look),
        lengths_chart(report, look),
        cold_start_chart(report, look),
        threads_chart(report, look),
    ]
    shown = [chart for chart in drawn if chart is not None]
    return tag("div", shown, class_="charts") if shown else tag("p", "Nothing was measured that a chart could show.")


def _asset(name: str) -> str:
    return resources.files("mtl_bench.report").joinpath(name).read_text("utf-8")
