"""Confusion -> inline SVG: a heat map of true labels against answers; and a table of the most frequent confusions."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from mtl_runtime.dataset.confusion import ConfusedPair, Confusion
from mtl_runtime.report import number_format
from mtl_runtime.report.charts import label, svg
from mtl_runtime.report.html import Markup, table, tag

__all__ = ["confusion_heat_map", "frequent_confusions"]

_MOST_LABELS_WITH_COUNTS, _MOST_LABELS_WITH_LARGE_CELLS = 20, 50
_LONGEST_NAME = 22  # characters
_LISTED = 15
_FAINTEST = 0.06  # opacity of a cell with a single row of many
_STRONG = 0.75  # opacity above which words are easier to read in the colour of the paper


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the cells of a matrix lie, in pixels."""

    left: float
    top: float
    cell: float
    counts: bool  # written into the cells

    @classmethod
    def of(cls, names: Sequence[str], largest: int) -> Self:
        counts = len(names) <= _MOST_LABELS_WITH_COUNTS
        small = len(names) > _MOST_LABELS_WITH_LARGE_CELLS
        cell = max(26.0, 7.0 * len(number_format.count(largest)) + 8) if counts else 9.5 if small else 15.0
        margin = max(map(_width, names)) * (0.75 if small else 1.0) + 10
        return cls(left=margin + 16, top=margin + 16, cell=cell, counts=counts)


def confusion_heat_map(labels: Sequence[str], confusion: Confusion, title: str) -> Markup:
    """Draw a cell for each pair of true label and answer that occurs; its shade is its share of the true label's rows.

    Up to 20 labels have their counts in the cells; every cell has them in its title.
    """
    names = [_shorten(name) for name in labels]
    grid = _Grid.of(names, max(confusion.counts))
    side = grid.cell * len(labels)
    of_label = confusion.rows_by_label
    content = [
        label(grid.left + side / 2, 11, "answer", class_="axis"),
        _turned(11, grid.top + side / 2, "true label", anchor="middle"),
        *_names(labels, names, grid),
        *(_cell(labels, pair, of_label[pair.true], grid) for pair in confusion.pairs),
        *(_square(grid, index, index, class_="right") for index in range(len(labels))),
        tag("rect", x=grid.left, y=grid.top, width=side, height=side, class_="frame"),
    ]
    right = sum(pair.rows for pair in confusion.pairs if pair.true == pair.predicted)
    description = f"{number_format.count(right)} of {number_format.count(confusion.rows)} rows on the diagonal"
    drawn = svg(title, description, grid.left + side + 6, grid.top + side + 6, content)
    tiny = "tiny" if grid.cell < 10 else None
    return tag("div", tag("div", drawn, class_=tiny), class_="scroll", tabindex=0, role="group", aria_label=title)


def frequent_confusions(labels: Sequence[str], confusion: Confusion) -> Markup | None:
    """Make a table of the pairs that are confused most often; None: there is none."""
    pairs = confusion.most_confused()
    if not pairs:
        return None
    shown = pairs[:_LISTED]
    of_label = confusion.rows_by_label
    rows = [
        (
            labels[pair.true],
            labels[pair.predicted],
            number_format.count(pair.rows),
            number_format.percent(pair.rows / of_label[pair.true]),
        )
        for pair in shown
    ]
    rest = f", {len(shown)} of {number_format.count(len(pairs))} pairs" if len(shown) < len(pairs) else ""
    head = ("true label", "answer", "rows", "of the label's rows")
    return table(f"Most frequent confusions{rest}", head, rows, words=(1,))


def _cell(labels: Sequence[str], pair: ConfusedPair, of_label: int, grid: _Grid) -> Markup:
    share = pair.rows / of_label
    counts = f"{number_format.count(pair.rows)} of {number_format.count(of_label)}"
    words = f"{labels[pair.true]} answered {labels[pair.predicted]}: {counts}"
    shade = _square(grid, pair.true, pair.predicted, tag("title", words), class_="cell", opacity=max(_FAINTEST, share))
    if not grid.counts:
        return shade
    x, y = grid.left + (pair.predicted + 0.5) * grid.cell, grid.top + (pair.true + 0.5) * grid.cell + 4
    return Markup(shade + label(x, y, number_format.count(pair.rows), class_="on" if share > _STRONG else None))


def _square(grid: _Grid, row: int, column: int, *content: Markup, class_: str, opacity: float | None = None) -> Markup:
    return tag(
        "rect",
        *content,
        x=grid.left + column * grid.cell + 0.5,
        y=grid.top + row * grid.cell + 0.5,
        width=grid.cell - 1,
        height=grid.cell - 1,
        class_=class_,
        fill_opacity=opacity,
    )


def _names(labels: Sequence[str], names: Sequence[str], grid: _Grid) -> Iterator[Markup]:
    """The labels at the left and, turned, at the top; a shortened one has its whole name in its title."""
    for index, (whole, name) in enumerate(zip(labels, names, strict=True)):
        middle = (index + 0.5) * grid.cell
        words = (name, tag("title", whole)) if name != whole else (name,)
        yield tag("text", *words, x=grid.left - 5, y=grid.top + middle + 3.5, text_anchor="end")
        yield _turned(grid.left + middle + 3.5, grid.top - 5, *words)


def _turned(x: float, y: float, *words: str, anchor: str = "start") -> Markup:
    """Draw words that read upwards."""
    return tag("text", *words, x=x, y=y, text_anchor=anchor, transform=f"rotate(-90 {x:.2f} {y:.2f})")


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _width(name: str) -> float:
    """Pixels that ``name`` takes at most."""
    return sum(11.5 if unicodedata.east_asian_width(char) in "WF" else 7.0 for char in name)
