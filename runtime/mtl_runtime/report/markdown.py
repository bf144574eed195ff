"""text -> Markdown that shows exactly this text: no element, link, table or line break can come out of it."""

import re

__all__ = ["code", "plain"]

# What starts an element in CommonMark or in GitHub's tables and strikethrough; "&" starts an entity.
_SPECIAL = re.compile(r"[\\`*_\[\]<>|~&#!$]")
# GitHub makes links of bare addresses and mentions; a zero-width space would be copied with them.
_LINKED = re.compile(r"(?<=[a-zA-Z])://|(?<=www)\.|@", re.IGNORECASE)
_LIST = re.compile(r"^(\s*)([-+=]|\d+[.)])")


def plain(text: str) -> str:
    """Write ``text`` as one line of prose or as a cell."""
    line = _SPECIAL.sub(lambda match: f"\\{match[0]}", _one_line(text))
    line = _LINKED.sub(lambda match: "".join(f"&#{ord(char)};" for char in match[0]), line)
    return _LIST.sub(lambda match: f"{match[1]}&#{ord(match[2][0])};{match[2][1:]}", line)


def code(text: str) -> str:
    """Write ``text`` as code, in prose or in a cell; a backtick in it becomes a quotation mark."""
    # Within code nothing is escaped but the bars of a table.
    return f"`{_one_line(text).replace('`', chr(39)).replace('|', chr(92) + '|') or ' '}`"


def _one_line(text: str) -> str:
    """Replace what is not printable, such as line breaks, controls and marks of direction, by spaces."""
    return "".join(char if char.isprintable() else " " for char in text).strip()
