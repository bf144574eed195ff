"""names of systems -> how each is drawn, the same in every chart: a colour, a shape, filled where it is ours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mtl_bench.results.schema import Report
from mtl_runtime.report.html import Markup, tag
from mtl_runtime.report.markers import MARKERS

__all__ = ["SeriesStyle", "SeriesStyles", "legend", "series_styles"]

COLOURS = 8  # classes s0 to s7 of the style sheet


@dataclass(frozen=True, slots=True)
class SeriesStyle:
    """Of one system; 32 of them differ in colour or shape."""

    name: str
    number: int
    ours: bool

    @property
    def colour(self) -> str:
        """Class of the colour."""
        return f"s{self.number % COLOURS}"

    def mark(self, x: float, y: float, tooltip: str, *, faint: bool = False) -> Markup:
        """Filled for ours, hollow for peers."""
        shape = MARKERS[(self.number + self.number // COLOURS) % len(MARKERS)]
        return shape(x, y, f"{'holds' if self.ours else 'misses'}{' lost' if faint else ''}", tooltip)

    def group(self, *content: Markup) -> Markup:
        """The parts of this system, which disappear when a reader leaves it out."""
        return tag("g", content, class_=self.colour, data_system=self.name)


SeriesStyles = Mapping[str, SeriesStyle]  # by system


def series_styles(report: Report) -> SeriesStyles:
    """Ours first, then peers; variants that only an extra measured come last."""
    ours = [name for name, result in report.systems.items() if result.kind == "ours"]
    peers = [name for name in report.systems if name not in ours]
    variants = [name for row in report.lengths for name in row.seconds] + [row.variant for row in report.threads]
    if report.roofline is not None:
        variants += report.roofline.variants
    order = dict.fromkeys([*ours, *peers, *variants])
    return {name: SeriesStyle(name, index, name not in peers) for index, name in enumerate(order)}


def legend(styles: Iterable[SeriesStyle]) -> Markup:
    """The mark of each system; with the script, each is a button that takes the system out of all charts."""
    entries = [
        tag(
            "button",
            _sample(style),
            style.name,
            type="button",
            aria_pressed="true",
            disabled=True,
            data_key=style.name,
        )
        for style in styles
    ]
    return tag("div", entries, class_="key", role="group", aria_label="systems shown")


def _sample(style: SeriesStyle) -> Markup:
    mark = style.mark(7, 7, style.name)
    return tag("svg", tag("g", mark, class_=style.colour), viewBox="0 0 14 14", width=14, height=14, aria_hidden="true")
