"""dict (from JSON or TOML) <-> frozen dataclass, strictly: an unknown key is an error that names the nearest.

One reader for every record of the project: configs, manifests, checkpoints and evidence are all plain
frozen dataclasses of ``str | int | float | bool | None``, tuples, string-keyed mappings and each other.
A key is the field's name, unless the field says otherwise with :func:`keys`. A dataclass that earlier versions wrote in
another form has a static method ``upgrade``, which gets what the file holds and returns it in the present form.

What a file says is read by programs that allocate and print: every whole number fits 64 bits, no text is longer than
``MOST_CHARACTERS``, and a field whose values lie closer together says so with :func:`bounds`.
"""

import dataclasses
import functools
import json
import math
import re
import types
from collections.abc import Mapping
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from mtl_runtime.errors import RecordError
from mtl_runtime.wording import shorten

__all__ = [
    "MOST_CHARACTERS",
    "bounds",
    "check_bounds",
    "from_dict",
    "from_json",
    "if_set",
    "keys",
    "keys_of",
    "parse_json",
    "to_dict",
    "to_json",
]

T = TypeVar("T")

_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
_KEYS, _IF_SET, _BOUNDS = "keys", "if_set", "bounds"  # in a field's metadata

MOST_CHARACTERS = 2**20
_TOO_DEEP = "not valid JSON here: lists and tables are nested too deeply"
_SHOWN = 60  # characters of a value or a key in a message
_INT64 = range(-(2**63), 2**63)


def keys(written: str, *earlier: str) -> dict[str, tuple[str, ...]]:
    """Metadata of a field whose key is ``written``; older files may hold one of the ``earlier`` keys instead."""
    return {_KEYS: (written, *earlier)}


def if_set() -> dict[str, bool]:
    """Metadata of a field that is written only where it is not empty, since older readers do not know its key."""
    return {_IF_SET: True}


@dataclasses.dataclass(frozen=True, slots=True)
class _Bounds:
    least: float
    most: float
    characters: int
    count: int

    def check_count(self, where: str, value: object) -> None:
        if isinstance(value, Mapping | list | tuple) and len(value) > self.count:
            raise RecordError(where, f"{len(value):,} entries, at most {self.count:,} are allowed")

    def check(self, where: str, value: object) -> None:
        if not isinstance(value, Mapping | tuple):
            self._check_item(where, value)
            return
        self.check_count(where, value)
        if isinstance(value, Mapping):
            for key, item in value.items():
                self._check_item(where, key)
                self.check(_join(where, key), item)
        elif not all(map(self._holds, value)):
            for index, item in enumerate(value):
                self._check_item(f"{where}[{index}]", item)

    def _holds(self, item: object) -> bool:
        if isinstance(item, str):
            return len(item) <= self.characters
        return not isinstance(item, int | float) or isinstance(item, bool) or self.least <= item <= self.most

    def _check_item(self, where: str, item: object) -> None:
        if self._holds(item):
            return
        if isinstance(item, str):
            raise RecordError(where, f"{len(item):,} characters, at most {self.characters:,} are allowed")
        raise RecordError(where, f"{_show(item)} is not from {self.least:,} to {self.most:,}")


def bounds(
    least: float = -math.inf, most: float = math.inf, *, characters: int = MOST_CHARACTERS, count: int = 2**63
) -> dict[str, _Bounds]:
    """Metadata of a field: what its values are at least and at most, and of a list or table, what its items are.

    The record itself checks them, with :func:`check_bounds` in ``__post_init__``: what cannot be read cannot be made.

    Args:
        least: of numbers; NaN is outside of any bounds.
        most: of numbers.
        characters: of texts, and of the keys of a table.
        count: of the items of a list or table.
    """
    return {_BOUNDS: _Bounds(least, most, characters, count)}


def check_bounds(record: Any) -> None:
    """Check the fields of ``record`` that have bounds.

    Raises:
        RecordError: a value is outside of them; the message names the field.
    """
    for field in dataclasses.fields(record):
        limits = field.metadata.get(_BOUNDS)
        if limits is not None:
            limits.check(keys_of(field)[0], getattr(record, field.name))


def keys_of(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    """Keys that the field is read from; the first is the one that is written."""
    names: tuple[str, ...] = field.metadata.get(_KEYS, (field.name,))
    return names


def from_dict(cls: type[T], data: object, *, where: str = "") -> T:
    """Read ``data`` into the dataclass ``cls``.

    Args:
        cls: a dataclass whose annotations use only the types named in this module's docstring.
        data: what ``json.loads`` or ``tomllib.loads`` returned.
        where: dotted path of ``data`` in its document, for the messages.

    Raises:
        RecordError: a key is unknown or missing, or a value has the wrong type; the message names the place.
    """
    upgrade = getattr(cls, "upgrade", None)
    if upgrade is not None:
        data = upgrade(data)
    if not isinstance(data, Mapping):
        raise RecordError(where, f"expected a table of keys, found {_show(data)}")
    fields = [field for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
    _refuse_unknown_keys(data, [keys_of(field) for field in fields], where)
    hints = _type_hints(cls)  # type: ignore[arg-type]  # a class is hashable
    values = {}
    for field in fields:
        present = [key for key in keys_of(field) if key in data]
        if len(present) > 1:
            raise RecordError(_join(where, present[1]), f"this is an earlier name of {present[0]!r}; give one of them")
        if present:
            if (limits := field.metadata.get(_BOUNDS)) is not None:
                limits.check_count(_join(where, present[0]), data[present[0]])  # before each item is read
            values[field.name] = _read(hints[field.name], data[present[0]], _join(where, present[0]))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise RecordError(_join(where, keys_of(field)[0]), "this key is required and missing")
    try:
        return cls(**values)
    except RecordError as error:
        raise RecordError(_join(where, error.where), error.problem) from None


def from_json(cls: type[T], text: str | bytes, *, where: str = "") -> T:
    """Read a JSON document into the dataclass ``cls``; ``where`` names the document in messages.

    Raises:
        RecordError: the text is not JSON, or not such a record.
    """
    return from_dict(cls, parse_json(text, where=where), where=where)


def parse_json(text: str | bytes, *, where: str = "") -> Any:
    """Parse a JSON document.

    Raises:
        RecordError: the text is not JSON.
    """
    try:
        data = json.loads(text, parse_constant=_refuse_constant, parse_float=_parse_finite)
    except ValueError as error:
        raise RecordError(where, f"not valid JSON: {error}") from error
    except RecursionError:
        raise RecordError(where, _TOO_DEEP) from None
    return data


def to_dict(record: Any) -> Any:
    """Turn a record into what ``json.dumps`` takes; the inverse of :func:`from_dict`."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        fields = [field for field in dataclasses.fields(record) if field.init]
        values = {keys_of(field)[0]: to_dict(getattr(record, field.name)) for field in fields}
        optional = {keys_of(field)[0] for field in fields if _IF_SET in field.metadata}
        return {key: value for key, value in values.items() if value or key not in optional}
    if isinstance(record, Mapping):
        return {key: to_dict(value) for key, value in record.items()}
    if isinstance(record, tuple | list):
        return [to_dict(value) for value in record]
    return record


def to_json(record: Any) -> str:
    """Turn a record into canonical JSON: two-space indent, fields in their declared order, a last newline.

    A lone surrogate, as in the name of a file that is not UTF-8, is an escape: UTF-8 cannot encode it.
    """
    text = json.dumps(to_dict(record), indent=2, ensure_ascii=False, allow_nan=False)
    return _LONE_SURROGATES.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"


def _refuse_unknown_keys(data: Mapping[Any, Any], names: list[tuple[str, ...]], where: str) -> None:
    known = {key for keys in names for key in keys}
    for key in data:
        if key not in known:
            name = shorten(str(key), _SHOWN)
            raise RecordError(_join(where, name), _describe_unknown_key(name, [keys[0] for keys in names]))


@functools.cache
def _type_hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _read(hint: Any, value: Any, where: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _read_union(args, value, where)
    if origin is Literal:
        return _read_literal(args, value, where)
    if origin is not None:
        return _read_container(origin, args, value, where)
    if dataclasses.is_dataclass(hint):
        return from_dict(hint, value, where=where)  # type: ignore[arg-type]
    return _read_scalar(hint, value, where)


def _read_literal(known: tuple[Any, ...], value: Any, where: str) -> Any:
    if value not in known:
        raise RecordError(where, f"{shorten(repr(value), _SHOWN)} is not one of {', '.join(map(repr, known))}")
    return value


def _read_container(origin: type, args: tuple[Any, ...], value: Any, where: str) -> Any:
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise RecordError(where, f"expected a list, found {_show(value)}")
        if args[0] is str and set(map(type, value)) <= {str} and max(map(len, value), default=0) <= MOST_CHARACTERS:
            return tuple(value)  # names of their places would take longer than all else
        return tuple(_read(args[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if not isinstance(value, Mapping):
        raise RecordError(where, f"expected a table of keys, found {_show(value)}")
    return {str(key): _read(args[1], item, _join(where, str(key))) for key, item in value.items()}


def _read_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    problems = []
    for option in options:
        if option is type(None):
            continue
        try:
            return _read(option, value, where)
        except RecordError as error:
            problems.append(error)
    # The deepest place is the option that fitted best, so its message helps most.
    closest = max(problems, key=lambda error: len(error.where))
    if closest.where == where and len(problems) > 1:
        expected = " or ".join(_describe(option) for option in options if option is not type(None))
        raise RecordError(where, f"expected {expected}, found {_show(value)}")
    raise closest


def _describe(hint: Any) -> str:
    """What a value of this type looks like in a file."""
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", tuple: "a list"}
    return names.get(get_origin(hint) or hint, "a table of keys")


def _read_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise RecordError(where, f"{_show(value)} is too large") from None
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise RecordError(where, f"expected {hint.__name__}, found {_show(value)}")
    if hint is int and value not in _INT64:
        raise RecordError(where, f"{_show(value)} does not fit 64 bits")
    if hint is str and len(value) > MOST_CHARACTERS:
        raise RecordError(where, f"{len(value):,} characters, at most {MOST_CHARACTERS:,} are allowed")
    return value


def _parse_finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{shorten(digits, _SHOWN)} is too large")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _describe_unknown_key(key: str, known: list[str]) -> str:
    import difflib  # only a mistake needs it

    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"unknown key; did you mean {near[0]!r}?" if near else f"unknown key; known here: {', '.join(known)}"


def _join(where: str, name: str) -> str:
    name = shorten(name, _SHOWN)
    return f"{where}.{name}" if where and name else where or name


def _show(value: object) -> str:
    # repr of a long list would take as long as the list.
    text = repr(value[:_SHOWN] if isinstance(value, str | list | tuple) else value)
    return f"{type(value).__name__} {shorten(text, _SHOWN)}"
