"""explanations -> stdout: the text with its words shaded, a table without colours, or JSON."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.style import Style
from rich.text import Text

from mtl_runtime.cli.terminal import print_json, print_table, printable

if TYPE_CHECKING:
    from mtl_runtime.inference.explain import Explanation

__all__ = ["show_explanations"]

# From least to most important, under dark letters. Nearly everyone can distinguish blue from orange.
_TOWARDS = ("#dbe9ff", "#b3d1ff", "#85b6ff", "#579bff")
_AGAINST = ("#ffe8d4", "#ffcfa3", "#ffb36b", "#ff9838")
_LETTERS = "#000000"
# With 16 colours, the shades of a hue are not distinguishable.
_COLOURS = ("256", "truecolor")
_LONGEST_TITLE = 60
_UNREAD = " (the end of the text is not read)"


def show_explanations(
    texts: Sequence[str],
    explanations: "Sequence[Mapping[str, Explanation]]",
    *,
    as_json: bool,
    console: Console | None = None,
) -> None:
    """Print the explanations of each text, by task.

    Args:
        texts: the explained texts.
        explanations: of each text, by task.
        as_json: print all numbers as JSON.
        console: where coloured text goes; default: stdout, whose colours rich detects (none in a pipe, or if NO_COLOR
            is set).
    """
    pairs = list(zip(texts, explanations, strict=True))
    if as_json:
        print_json([{"text": text, "explanations": _to_dict(by_task)} for text, by_task in pairs])
        return
    console = console or Console(file=sys.stdout)
    has_shades = console.color_system in _COLOURS and not console.no_color
    for text, by_task in pairs:
        if has_shades:
            for explanation in by_task.values():
                console.print(_shade(text, explanation), soft_wrap=True)
        else:
            _print_table(text, list(by_task.values()))
    if has_shades:
        console.print(_legend(), soft_wrap=True)


def _to_dict(by_task: "Mapping[str, Explanation]") -> dict[str, object]:
    return {task: explanation.to_dict() for task, explanation in by_task.items()}


def _print_table(text: str, explanations: "Sequence[Explanation]") -> None:
    """Print a table with a line for each word and a column for each task."""
    title = text if len(text) <= _LONGEST_TITLE else f"{text[: _LONGEST_TITLE - 3]}..."
    words = [token.text for token in explanations[0].tokens]
    columns = [[f"{token.importance:+.4f}" for token in explanation.tokens] for explanation in explanations]
    remark = _UNREAD if explanations[0].truncated else ""
    print_table(title + remark, ("word", *map(_heading, explanations)), list(zip(words, *columns, strict=True)))


def _heading(explanation: "Explanation") -> str:
    """Name the task and what is explained: a label and its probability, or a value."""
    label = f" {explanation.label}" if explanation.label is not None else ""
    return f"{explanation.task}:{label} {explanation.baseline:.4f}"


def _shade(text: str, explanation: "Explanation") -> Text:
    """Write one line: the task, what is explained, the largest importance, and the text."""
    largest = max((abs(token.importance) for token in explanation.tokens), default=0.0)
    scale = f" (a word up to {largest:.4f})" if explanation.tokens else " (no words)"
    line = Text().append(printable(_heading(explanation)) + scale, "bold").append("  ")
    for piece, importance in _split(text, explanation):
        line.append(printable(piece), _style(importance / largest if largest else 0.0))
    return line


def _split(text: str, explanation: "Explanation") -> Iterator[tuple[str, float]]:
    """Yield the text in pieces with their importance, which is 0 between the words."""
    at = 0
    for token in explanation.tokens:
        yield text[at : token.start], 0.0
        yield token.text, token.importance
        at = token.end
    yield _UNREAD if explanation.truncated else text[at:], 0.0


def _style(share: float) -> Style:
    """Choose the shade for a word whose importance is ``share`` of the largest one, from -1 to 1."""
    shades = _TOWARDS if share > 0 else _AGAINST
    # Every shade covers the same part of the range; below half of the first one there is no shade.
    level = round(abs(share) * len(shades))
    return Style(color=_LETTERS, bgcolor=shades[level - 1]) if level else Style.null()


def _legend() -> Text:
    return Text.assemble(("towards the answer", _style(1.0)), " ", ("against it", _style(-1.0)))
