"""bins or counts -> inline SVG: a reliability diagram, a histogram of differences.

Colours are classes of the page's style, so that a chart follows light, dark and print; every bar says its own figures
in a <title>, and the whole chart in its description.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mtl_runtime.evidence.schema import Bin, Histogram
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Content, Markup, tag

__all__ = ["LINEAR_BELOW", "Plot", "difference_histogram", "label", "reliability_diagram", "svg"]


# Counts up to here are told apart without a logarithm.
LINEAR_BELOW = 50


@dataclass(frozen=True, slots=True)
class Plot:
    """The rectangle that data is drawn into; positions are shares of it, counted from the bottom left."""

    left: float = 46
    top: float = 14
    width: float = 240
    height: float = 180

    def x(self, share: float) -> float:
        """Pixel of a horizontal share."""
        return self.left + share * self.width

    def y(self, share: float) -> float:
        """Pixel of a vertical share."""
        return self.top + (1 - share) * self.height

    def bar(self, left: float, right: float, top: float, *content: Content, class_: str = "bar") -> Markup:
        """A bar from the bottom to ``top``, with a hair's breadth to its neighbours."""
        sides = {"x": self.x(left) + 0.75, "width": max(0.5, (right - left) * self.width - 1.5)}
        return tag("rect", *content, **sides, y=self.y(top), height=top * self.height, class_=class_)

    def across(self, share: float, words: str) -> Markup:
        """A grid line with its label on the left."""
        y = self.y(share)
        line = tag("line", x1=self.x(0), x2=self.x(1), y1=y, y2=y, class_="grid")
        return Markup(line + label(self.left - 6, y + 3.5, words, anchor="end"))

    def below(self, share: float, words: str) -> Markup:
        """A tick with its label under the bottom."""
        x, y = self.x(share), self.y(0)
        return Markup(tag("line", x1=x, x2=x, y1=y, y2=y + 4, class_="tick") + label(x, y + 16, words))

    def title_below(self, words: str, *, drop: float = 33) -> Markup:
        """What the horizontal axis shows."""
        return label(self.x(0.5), self.y(0) + drop, words, class_="axis")


def label(x: float, y: float, words: str, *, anchor: str = "middle", class_: str | None = None) -> Markup:
    """Words in a chart."""
    return tag("text", words, x=x, y=y, text_anchor=anchor, class_=class_)


def svg(title: str, description: str, width: float, height: float, *content: Content) -> Markup:
    """A chart that reads as one image."""
    head = (tag("title", title), tag("desc", description))
    return tag("svg", *head, *content, viewBox=f"0 0 {width:g} {height:g}", width=width, height=height, role="img")


def reliability_diagram(bins: Sequence[Bin], title: str) -> Markup:
    """How often the answers of each tenth of probability were right; below, how many answers it holds."""
    plot, strip = (Plot(left=54, top=top, width=220, height=height) for top, height in ((14, 180), (232, 34)))
    most = max(bar.rows for bar in bins)
    drawn: list[Markup] = [plot.across(step / 4, f"{step / 4:.2f}") for step in range(5)]
    for number, bar in enumerate(bins):
        left, right = number / len(bins), (number + 1) / len(bins)
        if bar.rows:
            told = tag("title", _bin_words(number, len(bins), bar))
            height = plot.y(bar.confidence)
            drawn += [
                plot.bar(left, right, bar.accuracy, told, class_="bar soft"),
                tag("line", x1=plot.x(left), x2=plot.x(right), y1=height, y2=height, class_="mark"),
                strip.bar(left, right, max(0.03, bar.rows / most), told, class_="bar soft"),
            ]
    drawn += [
        tag("line", x1=plot.x(0), y1=plot.y(0), x2=plot.x(1), y2=plot.y(1), class_="ideal"),
        *(plot.below(step / 4, f"{step / 4:.2f}") for step in range(5)),
        tag("line", x1=strip.x(0), x2=strip.x(1), y1=strip.y(0), y2=strip.y(0), class_="tick"),
        label(strip.left - 6, strip.y(0.5) + 3.5, "answers", anchor="end"),
        label(strip.x(1), strip.top - 4, f"largest: {number_format.count(most)}", anchor="end"),
        strip.title_below("probability of the answer", drop=16),
    ]
    words = "; ".join(_bin_words(number, len(bins), bar) for number, bar in enumerate(bins) if bar.rows)
    return svg(title, words, 290, 290, drawn)


def difference_histogram(histogram: Histogram, title: str) -> Markup:
    """How many logits differ by how much; decades and counts on logarithmic scales where they span far."""
    edges, counts = _occupied(histogram)
    plot, places = Plot(height=218), _places(edges)
    height = _heights(counts)
    bars = [
        plot.bar(left, right, height[number], tag("title", f"{number_format.count(number)}: {_range(edges, index)}"))
        for index, (number, left, right) in enumerate(zip(counts, places, places[1:], strict=False))
        if number
    ]
    grid = [plot.across(height[number], number_format.count(number)) for number in _levels(counts, height)]
    ticks = [plot.below(places[index], words) for index, words in _edge_labels(edges)]
    described = "; ".join(
        f"{_range(edges, index)}: {number_format.count(number)}" for index, number in enumerate(counts)
    )
    base = tag("line", x1=plot.x(0), x2=plot.x(1), y1=plot.y(0), y2=plot.y(0), class_="tick")
    return svg(title, described, 300, 290, grid, bars, base, ticks, plot.title_below("|logit difference|"))


def _bin_words(number: int, bins: int, bar: Bin) -> str:
    span = f"{number / bins:.1f} to {(number + 1) / bins:.1f}"
    answers = number_format.plural(bar.rows, "answer")
    return f"{span}: {answers}, probability {bar.confidence:.3f}, right {bar.accuracy:.3f}"


def _occupied(histogram: Histogram) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Without the empty bins at both ends."""
    filled = [index for index, number in enumerate(histogram.counts) if number]
    first, last = filled[0], filled[-1] + 1
    return histogram.edges[first : last + 1], histogram.counts[first:last]


def _range(edges: Sequence[float], index: int) -> str:
    return f"{number_format.small(edges[index])} to {number_format.small(edges[index + 1])}"


def _far(edges: Sequence[float]) -> bool:
    positive = [edge for edge in edges if edge > 0]
    return len(positive) > 1 and positive[-1] / positive[0] >= 50


def _places(edges: Sequence[float]) -> list[float]:
    """Share of the width at each edge; an edge at 0, which has no logarithm, stands one step before the next."""
    spots = list(edges)
    if _far(edges):
        spots = [math.log10(edge) if edge > 0 else math.nan for edge in edges]
        if math.isnan(spots[0]):
            spots[0] = spots[1] - (spots[-1] - spots[1]) / max(1, len(spots) - 2)
    return [(spot - spots[0]) / (spots[-1] - spots[0]) for spot in spots]


def _edge_labels(edges: Sequence[float]) -> list[tuple[int, str]]:
    """At most five edges and their labels: powers of ten where there are some."""
    decades = [index for index, edge in enumerate(edges) if _decade(edge) is not None]
    chosen = [0] * (edges[0] == 0) + decades if len(decades) > 1 else list(range(len(edges)))
    return [(index, _edge(edges[index])) for index in chosen[:: math.ceil(len(chosen) / 5)]]


def _edge(edge: float) -> str:
    decade = _decade(edge)
    return number_format.small(edge) if decade is None or abs(decade) < 2 else number_format.power(decade)


def _decade(edge: float) -> int | None:
    """The exponent of a power of ten."""
    exponent = math.log10(edge) if edge > 0 else 0.5
    return round(exponent) if abs(exponent - round(exponent)) < 1e-9 else None


def _heights(counts: Sequence[int]) -> dict[int, float]:
    """Share of the height for each count, and for the powers of ten below the largest."""
    most = max(counts)
    shown = {*counts, *(10**power for power in range(len(str(most)))), most // 2} - {0}
    if most < LINEAR_BELOW:
        return {number: number / most for number in shown}
    # A single cell gets a bar of its own, too: it may be the one that matters.
    room = math.log10(most) + 0.3
    return {number: (math.log10(number) + 0.3) / room for number in shown}


def _levels(counts: Sequence[int], height: dict[int, float]) -> list[int]:
    """Counts that get a grid line."""
    most = max(counts)
    if most < LINEAR_BELOW:
        return sorted({most, most // 2} - {0})
    return [number for number in sorted(height) if str(number).strip("0") == "1"]
