"""bins or counts -> inline SVG: a reliability diagram, a histogram of differences.

Colours are classes of the page's style, so that a chart adapts to light, dark and print; every bar has its figures in a
<title>, and the whole chart has them in its description.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mtl_runtime.evidence.schema import Bin, Histogram
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Content, Markup, tag

__all__ = ["LINEAR_BELOW", "Plot", "Scale", "difference_histogram", "label", "reliability_diagram", "svg"]


# Counts below this are distinguishable on a linear scale.
LINEAR_BELOW = 50


@dataclass(frozen=True, slots=True)
class Plot:
    """The rectangle for the data; positions are shares of it, measured from the bottom left."""

    left: float = 46
    top: float = 14
    width: float = 240
    height: float = 180

    def x(self, share: float) -> float:
        """Convert a horizontal share to pixels."""
        return self.left + share * self.width

    def y(self, share: float) -> float:
        """Convert a vertical share to pixels."""
        return self.top + (1 - share) * self.height

    def bar(self, left: float, right: float, top: float, *content: Content, class_: str = "bar") -> Markup:
        """Draw a bar from the bottom to ``top``, with a small gap to its neighbours."""
        sides = {"x": self.x(left) + 0.75, "width": max(0.5, (right - left) * self.width - 1.5)}
        return tag("rect", *content, **sides, y=self.y(top), height=top * self.height, class_=class_)

    def across(self, share: float, words: str) -> Markup:
        """Draw a grid line with its label on the left."""
        y = self.y(share)
        line = tag("line", x1=self.x(0), x2=self.x(1), y1=y, y2=y, class_="grid")
        return Markup(line + label(self.left - 6, y + 3.5, words, anchor="end"))

    def below(self, share: float, words: str) -> Markup:
        """Draw a tick with its label below the plot."""
        x, y = self.x(share), self.y(0)
        return Markup(tag("line", x1=x, x2=x, y1=y, y2=y + 4, class_="tick") + label(x, y + 16, words))

    def title_below(self, words: str, *, drop: float = 33) -> Markup:
        """Draw the title of the horizontal axis."""
        return label(self.x(0.5), self.y(0) + drop, words, class_="axis")


@dataclass(frozen=True, slots=True)
class Scale:
    """Values -> shares of an axis."""

    low: float
    high: float
    step: float  # between two ticks

    @classmethod
    def around(cls, values: Sequence[float], *, finest: float, ceiling: float = math.inf) -> "Scale":
        """Make a scale from a round number below the least value to one above the largest, in about four steps."""
        low, high = min(values), max(values)
        step = _round_step(max((high - low) / 4, finest))
        return cls(math.floor(low / step - 0.15) * step, min(ceiling, math.ceil(high / step + 0.15) * step), step)

    @classmethod
    def up_to(cls, high: float) -> "Scale":
        """Make a scale from 0 to ``high`` in about four steps."""
        return cls(0.0, high, _round_step(high / 4))

    def share(self, value: float) -> float:
        """Convert a value to its share of the axis."""
        return (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[float]:
        """Values with a tick: multiples of the step, from the lower end on."""
        return [self.low + number * self.step for number in range(int((self.high - self.low) / self.step + 1e-6) + 1)]

    @property
    def digits(self) -> int:
        """Decimals that distinguish the ticks."""
        return max(0, -math.floor(math.log10(self.step) + 1e-9))


def _round_step(rough: float) -> float:
    """Return the least of 1, 2, 5 and 10 times a power of ten that is not below ``rough``."""
    unit: float = 10.0 ** math.floor(math.log10(rough))
    return unit * next(factor for factor in (1, 2, 5, 10) if factor * unit >= rough * 0.999)


def label(x: float, y: float, words: str, *, anchor: str = "middle", class_: str | None = None) -> Markup:
    """Draw words in a chart."""
    return tag("text", words, x=x, y=y, text_anchor=anchor, class_=class_)


def svg(title: str, description: str, width: float, height: float, *content: Content) -> Markup:
    """Draw a chart that assistive technology reads as one image."""
    head = (tag("title", title), tag("desc", description))
    return tag("svg", *head, *content, viewBox=f"0 0 {width:g} {height:g}", width=width, height=height, role="img")


def reliability_diagram(bins: Sequence[Bin], title: str) -> Markup:
    """Draw how often the answers in each tenth of probability were right, and below how many answers there are."""
    plot, strip = (Plot(left=54, top=top, width=220, height=height) for top, height in ((14, 180), (232, 34)))
    most = max(bar.rows for bar in bins)
    content: list[Markup] = [plot.across(step / 4, f"{step / 4:.2f}") for step in range(5)]
    for number, bar in enumerate(bins):
        left, right = number / len(bins), (number + 1) / len(bins)
        if bar.rows:
            tooltip = tag("title", _describe_bin(number, len(bins), bar))
            height = plot.y(bar.confidence)
            content += [
                plot.bar(left, right, bar.accuracy, tooltip, class_="bar soft"),
                tag("line", x1=plot.x(left), x2=plot.x(right), y1=height, y2=height, class_="mark"),
                strip.bar(left, right, max(0.03, bar.rows / most), tooltip, class_="bar soft"),
            ]
    content += [
        tag("line", x1=plot.x(0), y1=plot.y(0), x2=plot.x(1), y2=plot.y(1), class_="ideal"),
        *(plot.below(step / 4, f"{step / 4:.2f}") for step in range(5)),
        tag("line", x1=strip.x(0), x2=strip.x(1), y1=strip.y(0), y2=strip.y(0), class_="tick"),
        label(strip.left - 6, strip.y(0.5) + 3.5, "answers", anchor="end"),
        label(strip.x(1), strip.top - 4, f"largest: {number_format.count(most)}", anchor="end"),
        strip.title_below("probability of the answer", drop=16),
    ]
    words = "; ".join(_describe_bin(number, len(bins), bar) for number, bar in enumerate(bins) if bar.rows)
    return svg(title, words, 290, 290, content)


def difference_histogram(histogram: Histogram, title: str) -> Markup:
    """Draw how many logits differ by how much; wide ranges of differences or counts get logarithmic scales."""
    edges, counts = _trim(histogram)
    plot, positions = Plot(height=218), _edge_positions(edges)
    height = _bar_heights(counts)
    bars = [
        plot.bar(
            left, right, height[number], tag("title", f"{number_format.count(number)}: {_format_range(edges, index)}")
        )
        for index, (number, left, right) in enumerate(zip(counts, positions, positions[1:], strict=False))
        if number
    ]
    grid = [plot.across(height[number], number_format.count(number)) for number in _grid_counts(counts, height)]
    ticks = [plot.below(positions[index], words) for index, words in _edge_labels(edges)]
    description = "; ".join(
        f"{_format_range(edges, index)}: {number_format.count(number)}" for index, number in enumerate(counts)
    )
    base = tag("line", x1=plot.x(0), x2=plot.x(1), y1=plot.y(0), y2=plot.y(0), class_="tick")
    return svg(title, description, 300, 290, grid, bars, base, ticks, plot.title_below("|logit difference|"))


def _describe_bin(number: int, bins: int, bar: Bin) -> str:
    span = f"{number / bins:.1f} to {(number + 1) / bins:.1f}"
    answers = number_format.plural(bar.rows, "answer")
    return f"{span}: {answers}, probability {bar.confidence:.3f}, right {bar.accuracy:.3f}"


def _trim(histogram: Histogram) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Drop the empty bins at both ends."""
    filled = [index for index, number in enumerate(histogram.counts) if number]
    first, last = filled[0], filled[-1] + 1
    return histogram.edges[first : last + 1], histogram.counts[first:last]


def _format_range(edges: Sequence[float], index: int) -> str:
    return f"{number_format.small(edges[index])} to {number_format.small(edges[index + 1])}"


def _spans_far(edges: Sequence[float]) -> bool:
    positive = [edge for edge in edges if edge > 0]
    return len(positive) > 1 and positive[-1] / positive[0] >= 50


def _edge_positions(edges: Sequence[float]) -> list[float]:
    """Return the share of the width at each edge; 0, which has no logarithm, is one step before the next edge."""
    values = list(edges)
    if _spans_far(edges):
        values = [math.log10(edge) if edge > 0 else math.nan for edge in edges]
        if math.isnan(values[0]):
            values[0] = values[1] - (values[-1] - values[1]) / max(1, len(values) - 2)
    return [(value - values[0]) / (values[-1] - values[0]) for value in values]


def _edge_labels(edges: Sequence[float]) -> list[tuple[int, str]]:
    """Choose at most five edges to label: powers of ten if there are several."""
    decades = [index for index, edge in enumerate(edges) if _decade(edge) is not None]
    indices = [0] * (edges[0] == 0) + decades if len(decades) > 1 else list(range(len(edges)))
    return [(index, _format_edge(edges[index])) for index in indices[:: math.ceil(len(indices) / 5)]]


def _format_edge(edge: float) -> str:
    decade = _decade(edge)
    return number_format.small(edge) if decade is None or abs(decade) < 2 else number_format.power(decade)


def _decade(edge: float) -> int | None:
    """Return the exponent if ``edge`` is a power of ten."""
    exponent = math.log10(edge) if edge > 0 else 0.5
    return round(exponent) if abs(exponent - round(exponent)) < 1e-9 else None


def _bar_heights(counts: Sequence[int]) -> dict[int, float]:
    """Map each count, and the powers of ten below the largest, to a share of the height."""
    most = max(counts)
    numbers = {*counts, *(10**power for power in range(len(str(most)))), most // 2} - {0}
    if most < LINEAR_BELOW:
        return {number: number / most for number in numbers}
    # A single logit gets a visible bar, too: it may be the one that matters.
    room = math.log10(most) + 0.3
    return {number: (math.log10(number) + 0.3) / room for number in numbers}


def _grid_counts(counts: Sequence[int], height: dict[int, float]) -> list[int]:
    """Choose the counts that get a grid line."""
    most = max(counts)
    if most < LINEAR_BELOW:
        return sorted({most, most // 2} - {0})
    return [number for number in sorted(height) if str(number).strip("0") == "1"]
