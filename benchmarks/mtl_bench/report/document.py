"""Report -> one self-contained HTML page: a verdict, a table, charts, and how all of it was measured.

The page loads nothing. Its own policy lets a browser apply exactly its style sheet and run exactly its script, so that
nothing that data could smuggle in would run; without the script everything is there but the choices.
"""

from importlib import resources

from mtl_bench.report.charts.extra_charts import lengths_chart, roofline_chart, tasks_chart, threads_chart
from mtl_bench.report.charts.series_style import series_styles
from mtl_bench.report.charts.server_chart import server_chart
from mtl_bench.report.charts.speed_charts import accuracy_chart, cold_start_chart, session_chart, throughput_chart
from mtl_bench.report.charts.sweep_charts import sweep_charts
from mtl_bench.report.method import glossary, method, skipped_parts
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
        section("Not measured", skipped_parts(report)),
        section("Terms", glossary()),
        tag("div", id="tip", role="status", hidden=True),
        tag("script", Markup(script)),
    )
    top = head(f"{title}: benchmark", shared_style() + _asset("report.css"), script=script)
    return f"<!DOCTYPE html>\n{tag('html', top, tag('body', body), lang='en')}\n"


def _charts(report: Report) -> Markup:
    styles = series_styles(report)
    charts = [
        throughput_chart(report, styles),
        accuracy_chart(report, styles),
        server_chart(report, styles),
        tasks_chart(report),
        session_chart(report, styles),
        roofline_chart(report, styles),
        *sweep_charts(report, styles),
        lengths_chart(report, styles),
        cold_start_chart(report, styles),
        threads_chart(report, styles),
    ]
    present = [chart for chart in charts if chart is not None]
    return tag("div", present, class_="charts") if present else tag("p", "Nothing was measured that a chart can show.")


def _asset(name: str) -> str:
    return resources.files("mtl_bench.report").joinpath(name).read_text("utf-8")
