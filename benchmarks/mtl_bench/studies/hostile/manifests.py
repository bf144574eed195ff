"""content of a sound manifest -> hostile ones with right hashes: every field with values that it must not have."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

__all__ = ["HOSTILE_VALUES", "hostile_manifests"]

Change = Callable[[], bytes]  # bytes of a hostile manifest

# Values by the type of what they replace; the JSON of one that Python cannot write is put in as it is.
HOSTILE_VALUES: Mapping[type, Mapping[str, Any]] = {
    int: {"-1": -1, "2^31": 2**31, "2^64": 2**64, "null": None, "a text": "7", "a fraction": 0.5, "a list": [1]},
    float: {"0": 0.0, "-1": -1.0, "10^300": 1e300, "null": None, "a text": "1.0", "a list": [1.0]},
    str: {
        "nothing": "",
        "15 MB": "a" * 15_000_000,
        "control characters": "\x1b[2J\r\n\0",
        "a path above": "../../etc/passwd",
        "a mark of direction": "\u202eabc",
        "a lone surrogate": "\ud800",
        "null": None,
        "a number": 3,
    },
    list: {"nothing in it": [], "null": None, "a text": "abc", "100,000 entries": ["x"] * 100_000, "a table": {"a": 1}},
    dict: {"nothing in it": {}, "null": None, "a list": [], "an unknown key": {"unheard-of": 1}},
    type(None): {"a text": "x", "a number": 1},
    bool: {"null": None, "a text": "yes"},
}
_REPLACED: Mapping[str, bytes] = {
    "empty": b"",
    "not JSON": b"{",
    "a list": b"[]",
    "NaN": b'{"format_version": NaN}',
    "100,000 brackets": b"[" * 100_000,
    "a number of 5,000 digits": b'{"format_version": ' + b"9" * 5_000 + b"}",
    "UTF-16": '{"format_version": 2}'.encode("utf-16"),
    "bytes that are no text": b"\xff\xfe\x00",
}


def hostile_manifests(sound: bytes) -> Iterator[tuple[str, Change]]:
    """A name for each hostile manifest, and a function that makes its bytes."""
    content = json.loads(sound)
    for name, data in _REPLACED.items():
        yield f"manifest: {name}", partial(_same, data)
    for path in _paths(content):
        where = ".".join(map(str, path))
        value = _get(content, path)
        for name, hostile in HOSTILE_VALUES[type(value)].items():
            yield f"manifest: {where} is {name}", partial(_with_value, content, path, hostile)
        if isinstance(path[-1], str):
            yield f"manifest: {where} is absent", partial(_without, content, path)


def _same(data: bytes) -> bytes:
    return data


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a value, the first two entries of a list standing for all."""
    children: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value[:2]))
    for key, child in children:
        yield (*path, key)
        yield from _paths(child, (*path, key))


def _get(content: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        content = content[key]
    return content


def _with_value(content: Any, path: tuple[str | int, ...], value: Any) -> bytes:
    changed = copy.deepcopy(content)
    _get(changed, path[:-1])[path[-1]] = value
    return json.dumps(changed).encode()


def _without(content: Any, path: tuple[str | int, ...]) -> bytes:
    changed = copy.deepcopy(content)
    del _get(changed, path[:-1])[path[-1]]
    return json.dumps(changed).encode()
