"""text -> HTML: elements and tables in which a plain string is always escaped.

Only the functions here return :class:`Markup`, which enters a page unchanged; so a sentence, a label or a file name
cannot become an element by mistake.
"""

import html
import re
from collections.abc import Iterable, Sequence

__all__ = ["Content", "Markup", "join", "scrolling", "table", "tag", "text"]

# Controls cannot stand in HTML, bidirectional marks reorder what is signed, lone surrogates cannot be encoded.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_VOID = {"meta", "br"}


class Markup(str):
    """HTML made by this module."""

    __slots__ = ()


Content = str | Iterable[str]


def text(value: str) -> Markup:
    r"""Escape ``value`` for HTML unless it is :class:`Markup`; invisible controls become escapes such as ``\u202e``."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(_UNSAFE.sub(lambda m: f"\\u{ord(m[0]):04x}", value)))


def join(*content: Content) -> Markup:
    """Concatenate the pieces."""
    return Markup("".join(text(piece) if isinstance(piece, str) else join(*piece) for piece in content))


def tag(name: str, /, *content: Content, **attributes: str | float | bool | None) -> Markup:
    """Make the element ``name``.

    Args:
        name: such as ``"p"``.
        content: strings and iterables of strings.
        attributes: ``class_`` is ``class``, ``stroke_width`` is ``stroke-width``; True: without a value; None or
            False: left out.
    """
    attribute_text = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{attribute_text}>")
    return Markup(f"<{name}{attribute_text}>{join(*content)}</{name}>")


def table(
    caption: str, head: Sequence[Content], rows: Iterable[Sequence[Content]], *, words: Sequence[int] = ()
) -> Markup:
    """Make a table that scrolls inside its own box; the first cell of a row is its header.

    Args:
        caption: what it shows, and for how many sentences.
        head: headers of the columns.
        rows: cells.
        words: columns after the first that hold words; the others hold figures and are aligned right.
    """
    kind = ["w" if column == 0 or column in words else "n" for column in range(len(head))]
    header = [tag("th", cell, scope="col", class_=kind[column]) for column, cell in enumerate(head)]
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row", class_="w"),
            [tag("td", cell, class_=kind[column]) for column, cell in enumerate(row[1:], 1)],
        )
        for row in rows
    ]
    return scrolling(caption, tag("thead", tag("tr", header)), tag("tbody", body))


def scrolling(caption: str, *parts: Markup, class_: str = "scroll") -> Markup:
    """Put a table of these parts into a box that scrolls, also with the keyboard; its caption stays in sight."""
    whole = tag("table", tag("caption", tag("span", caption, class_="stay")), parts)
    return tag("div", whole, class_=class_, tabindex=0, role="group", aria_label=caption)


def _attribute(key: str, value: str | float | bool | None) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    # Two decimals of a pixel are finer than any screen, and the same bytes on every machine.
    plain = value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
    return f' {name}="{text(plain)}"'
