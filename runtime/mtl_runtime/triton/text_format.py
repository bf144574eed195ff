"""values -> protobuf's text format, in which Triton's configurations are written."""

from collections.abc import Iterator, Mapping

__all__ = ["Constant", "write_message"]


_ESCAPES = {'"': '\\"', "\\": "\\\\", **{chr(code): f"\\{code:03o}" for code in (*range(32), 127)}}


class Constant(str):
    """A value of an enum, which has no quotes."""

    __slots__ = ()


def write_message(fields: Mapping[str, object]) -> str:
    """The fields of a message, each on a line of its own.

    Args:
        fields: whole numbers, booleans, strings, constants, messages (mappings), and lists of them, which repeat a
            field.
    """
    return "".join(f"{line}\n" for line in _lines(fields))


def _lines(fields: Mapping[str, object]) -> Iterator[str]:
    for name, value in fields.items():
        for item in value if isinstance(value, list | tuple) else [value]:
            if isinstance(item, Mapping):
                yield f"{name} {{"
                yield from (f"  {line}" for line in _lines(item))
                yield "}"
            else:
                yield f"{name}: {_scalar(item)}"


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Constant):
        return str(value)
    if isinstance(value, str):
        return f'"{_escape(value)}"'
    if isinstance(value, int):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in a configuration")


def _escape(text: str) -> str:
    """Backslashes before quotes and themselves, and control characters as octal escapes."""
    return "".join(_ESCAPES.get(char, char) for char in text)
