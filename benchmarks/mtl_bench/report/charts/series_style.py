"""names of systems -> how each is drawn, in every chart alike: a colour, a shape, filled where it is ours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mtl_bench.results.schema import Report
from mtl_runtime.report.html import Markup, tag
from mtl_runtime.report.markers import MARKERS

__all__ = ["SeriesStyle", "key", "series_styles"]

COLOURS = 8  # classes s0 to s7 of the style


@dataclass(frozen=True, slots=True)
class SeriesStyle:
    """One system's; 32 differ in colour or shape."""

    name: str
    number: int
    ours: bool

    @property
    def colour(self) -> str:
        """Class of the colour."""
        return f"s{self.number % COLOURS}"

    def mark(self, x: float, y: float, told: str, *, outside: bool = False) -> Markup:
        """Filled for ours, hollow for peers; ``outside`` is what did not hold."""
        shape = MARKERS[(self.number + self.number // COLOURS) % len(MARKERS)]
        return shape(x, y, f"{'holds' if self.ours else 'misses'}{' lost' if outside else ''}", told)

    def group(self, *content: Markup) -> Markup:
        """What belongs to this system and goes when a reader leaves it out."""
        return tag("g", content, class_=self.colour, data_system=self.name)


def series_styles(report: Report) -> Mapping[str, SeriesStyle]:
    """Ours first, then peers; variants that only a part beside the table measured come last."""
    ours = [name for name, result in report.systems.items() if result.kind == "ours"]
    peers = [name for name in report.systems if name not in ours]
    variants = [name for row in report.lengths for name in row.seconds] + [row.variant for row in report.threads]
    if report.roofline is not None:
        variants += report.roofline.variants
    order = dict.fromkeys([*ours, *peers, *variants])
    return {name: SeriesStyle(name, index, name not in peers) for index, name in enumerate(order)}


def key(shown: Iterable[SeriesStyle]) -> Markup:
    """Which mark is whose; with script, each is a button that takes a system out of all charts."""
    entries = [
        tag(
            "button",
            _sample(look),
            look.name,
            type="button",
            aria_pressed="true",
            disabled=True,
            data_key=look.name,
        )
        for look in shown
    ]
    return tag("div", entries, class_="key", role="group", aria_label="systems shown")


def _sample(look: SeriesStyle) -> Markup:
    mark = look.mark(7, 7, look.name)
    return tag("svg", tag("g", mark, class_=look.colour), viewBox="0 0 14 14", width=14, height=14, aria_hidden="true")
