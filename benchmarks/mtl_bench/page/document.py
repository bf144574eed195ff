"""Report -> one self-contained HTML page: a verdict, a table, charts, and how all of it was measured.

Nothing is loaded, from anywhere. The page's own policy lets a browser apply exactly its style sheet and run exactly its
script, so that nothing that data could smuggle in would run; without the script all is there but the choices.
"""

import base64
import hashlib
from importlib import resources

from mtl_bench.page.looks import looks
from mtl_bench.page.method import glossary, method, skipped
from mtl_bench.page.overview import overview
from mtl_bench.page.part_charts import lengths_chart, roofline_chart, sweep_charts, tasks_chart, threads_chart
from mtl_bench.page.server_chart import server_chart
from mtl_bench.page.speed_charts import accuracy_chart, cold_start_chart, session_chart, throughput_chart
from mtl_bench.page.systems import systems_table
from mtl_bench.schema import Report
from mtl_runtime.page.markup import Markup, tag

__all__ = ["report_page"]


def report_page(report: Report, *, title: str) -> str:
    """The whole document; equal reports give equal bytes.

    Args:
        report: of one run.
        title: heading of the page, such as the bundle's name.
    """
    body = tag(
        "main",
        overview(report, title=title),
        _section("Systems", systems_table(report, list(looks(report).values())), class_="broad"),
        _section("Charts", _charts(report)),
        _section("How it was measured", method(report)),
        _section("Not measured", skipped(report)),
        _section("Terms", glossary()),
        tag("div", id="tip", role="status", hidden=True),
        tag("script", Markup(_asset("report.js"))),
    )
    return f"<!DOCTYPE html>\n{tag('html', _head(title), tag('body', body), lang='en')}\n"


def _charts(report: Report) -> Markup:
    look = looks(report)
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


def _head(title: str) -> Markup:
    style, script = _style(), _asset("report.js")
    policy = (
        f"default-src 'none'; style-src {_hashed(style)}; script-src {_hashed(script)}; base-uri 'none'; "
        "form-action 'none'"
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title}: benchmark"),
        tag("style", Markup(style)),
    )


def _style() -> str:
    """The evidence page's style, and what only this page needs."""
    shared = resources.files("mtl_runtime.page").joinpath("page.css").read_text("utf-8")
    return shared + _asset("report.css")


def _asset(name: str) -> str:
    return resources.files("mtl_bench.page").joinpath(name).read_text("utf-8")


def _hashed(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _section(heading: str, *content: Markup, class_: str | None = None) -> Markup:
    return tag("section", tag("h2", heading), content, class_=class_)
