"""a heading, a chart in one or several views, a takeaway -> a figure of the page."""

from collections.abc import Iterable, Sequence

from mtl_bench.report.charts.series_style import SeriesStyle, legend
from mtl_runtime.report.html import Content, Markup, tag

__all__ = ["View", "figure"]

View = tuple[str, Markup]  # the label of its button, and the chart


def figure(
    heading: str,
    takeaway: Content,
    views: Sequence[View],
    note: Content,
    *,
    styles: Iterable[SeriesStyle] = (),
) -> Markup:
    """A chart with its takeaway above it and its reading instructions below.

    Args:
        heading: names the figure.
        takeaway: the conclusion, a sentence.
        views: the first is shown, and printed; buttons switch to the others.
        note: how to read it.
        styles: marks that a legend explains.
    """
    explained = list(styles)
    return tag(
        "figure",
        tag("h3", heading),
        tag("p", takeaway, class_="takeaway") if takeaway else "",
        _buttons(heading, views) if len(views) > 1 else "",
        [tag("div", chart, class_="view", hidden=index > 0) for index, (_, chart) in enumerate(views)],
        legend(explained) if explained else "",
        tag("figcaption", note),
        class_="chart",
    )


def _buttons(heading: str, views: Sequence[View]) -> Markup:
    """Hidden until the script, which they need, shows them."""
    buttons = [
        tag("button", name, type="button", aria_pressed="false" if index else "true", data_view=str(index))
        for index, (name, _) in enumerate(views)
    ]
    return tag("div", buttons, class_="choices-of-view", role="group", aria_label=f"{heading}: view", hidden=True)
