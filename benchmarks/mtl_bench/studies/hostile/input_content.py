"""The bytes of hostile tables, by format, with the error or the texts that they must give."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DELIMITED", "FOREIGN_FILES", "JSON_LINES", "ODD_TEXTS", "PARQUET_OUTPUT", "Content"]


@dataclass(frozen=True, slots=True)
class Content:
    """A table's bytes, made when they are needed, and what must become of them."""

    data: Callable[[], bytes]
    error: str | None = None  # as in Attempt
    texts: tuple[str, ...] | None = None
    options: tuple[str, ...] = ()


def _fixed(data: str | bytes, *, error: str | None = None, texts: tuple[str, ...] | None = None) -> Content:
    whole = data.encode() if isinstance(data, str) else data
    return Content(lambda: whole, error, texts)


def _limited(make: Callable[[], bytes], error: str) -> Content:
    return Content(make, error, options=("--max-row-bytes", "100000"))


ODD_TEXTS: Mapping[str, str] = {
    "nothing": "",
    "a space": " ",
    "NUL": "a\0b",
    "many NULs": "\0" * 1000,
    "control characters": "\x1b[31mred\x07\x08\x7f\x9b",
    "marks of direction": "\u202eevil\u2066",
    "characters of no width": "\u200b\u200d\ufeff",
    "a line separator": "a\u2028b\u0085c",
    "line breaks": "a\nb\r\nc",
    "quotes": '"a" said "b", and \'c\'',
    "a formula": "=HYPERLINK(A1)",
    "markup": "[red]<b>|**x**|</b>[/]",
    "a private character": "\ue000\U0010ffff\ufdd0",
    "a thousand accents": "e" + "\u0301" * 1000,
    "emoji in families": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 20,
    "scripts": "Ω ж א ع अ ไ 漢 한 ꙮ \U00013080",
    "one word of 60,000 letters": "a" * 60_000,
    "16,000 characters of four bytes": "\U0001f600" * 16_000,
    "a backslash and an escape": "\\u0041\\n\\",
    "a word that means nothing": "NaN",
}

FOREIGN_FILES: Mapping[str, Content] = {
    "UTF-16": _fixed("text\ngood\n".encode("utf-16"), error="the file is UTF-16"),
    "UTF-16 without a mark": _fixed("text\ngood\n".encode("utf-16-le"), error="UTF-16 without a byte order mark"),
    "UTF-32": _fixed("text\ngood\n".encode("utf-32"), error="the file is UTF-32"),
    "a zip archive": _fixed(b"PK\x03\x04" + bytes(50), error="an Excel workbook or a zip archive"),
    "an old workbook": _fixed(b"\xd0\xcf\x11\xe0" + bytes(50), error="an Excel workbook"),
    "gzip": _fixed(b"\x1f\x8b\x08" + bytes(50), error="compressed with gzip"),
    "bzip2": _fixed(b"BZh91AY&SY" + bytes(50), error="compressed with bzip2"),
    "zstd": _fixed(b"\x28\xb5\x2f\xfd" + bytes(50), error="compressed with zstd"),
    "xz": _fixed(b"\xfd7zXZ" + bytes(50), error="compressed with xz"),
    "parquet": _fixed(b"PAR1\x15" + bytes(50), error="a parquet file"),
    "a pointer of Git LFS": _fixed("version https://git-lfs.github.com/spec/v1\n", error="a pointer of Git LFS"),
    "a line without end": _limited(lambda: b"a" * 200_000, r"line 1: the row has more than 100,000 bytes; max_row_by"),
}

_FEW = "the row has 1 cells, the header has 2"

DELIMITED: Mapping[str, Content] = {
    "nothing": _fixed("", error="the file is empty"),
    "blank lines alone": _fixed("\n\n\n", error="the file is empty|no column 'text'"),
    "a header alone": _fixed("text,id\n", texts=()),
    "a byte order mark and no header": _fixed(b"\xef\xbb\xbf", error="the file is empty"),
    "a cell too few": _fixed("text,id\ngood\n", error=f"line 2: {_FEW}"),
    "a cell too many": _fixed("text,id\ngood,1,2\n", error="line 2: the row has 3 cells, the header has 2"),
    "a blank line between rows": _fixed("text,id\ngood,1\n\nbad,2\n", error="line 3: the line is blank"),
    "a quote that is never closed": _fixed('text,id\n"good,1\n' + "bad,2\n" * 50, error="line 2: a quote that opens"),
    "a quote in a quoted cell": _fixed('text,id\n"a"b,1\n', error="line 2: a cell goes on after its closing quote"),
    "a broken byte": _fixed(b"text,id\ngood,1\nb\xe4d,2\n", error="line 3: byte 0xe4 at position 1 is not UTF-8"),
    "a broken byte in the header": _fixed(b"text,\xff\ngood,1\n", error="line 1: byte 0xff"),
    "no text": _fixed("body,id\ngood,1\n", error="no column 'text'; the columns are: body, id"),
    "a column of another case": _fixed("Text,id\ngood,1\n", error="did you mean 'Text'"),
    "two columns of texts": _fixed("text,id,text\ngood,1,bad\n", error="several columns are named 'text': 1, 3"),
    "columns without a name": _fixed("text,,\ngood,1,2\n", texts=("good",)),
    "CR line ends": _fixed("text,id\rgood,1\rbad,2\r", texts=("good", "bad")),
    "mixed line ends": _fixed("text,id\r\ngood,1\nbad,2\r\n", texts=("good", "bad")),
    "Excel's hint": _fixed("sep=;\ntext;id\ngood;1\n", texts=("good",)),
    "20,000 columns and no text": Content(
        lambda: ",".join(f"column_{n}" for n in range(20_000)).encode() + b"\n", r"no column 'text'.* and 19,990 more"
    ),
    "60,000 columns": Content(
        lambda: b"text" + b",x" * 60_000 + b"\n" + (b"good" + b",1" * 60_000 + b"\n") * 3, texts=("good",) * 3
    ),
    "a million columns and more": Content(lambda: b"," * 2**20 + b"\n", "the header names 1,048,577 columns"),
    "a name of NULs": _fixed(b"\0" * 1000 + b",id\ngood,1\n", error="no column 'text'"),
    "a name of a megabyte": Content(lambda: b"x" * 2**20 + b",id\ngood,1\n", r"no column 'text'.*x\.\.\., id"),
    "names with line breaks": _fixed('"a\nb",id\ngood,1\n', error="no column 'text'"),
    "a text over the limit": Content(lambda: b"text,id\n" + b"a" * 70_000 + b",1\n", "line 2.*has 70000 bytes in UTF"),
    "a long row": _limited(lambda: b"text,id\ngood," + b"1" * 200_000 + b"\n", "line 2: the row has more than 100,000"),
    "a row of many long lines": _limited(
        lambda: b'text,id\ngood,"' + (b"1" * 9_000 + b"\n") * 20 + b'"\n', "line 2: the row has more than 100,000"
    ),
    "a long header": _limited(lambda: b"text," + b"x" * 200_000 + b"\n", "line 1: the row has more than 100,000"),
    "quotes without end": Content(lambda: b"text\tid\n" + b'\t"a""' * 50_000 + b"\n", "line 2: the row has"),
}


def _record(**values: Any) -> str:
    return json.dumps({"text": "good", **values}) + "\n"


_DEEP = '{"text": "good", "x": ' + '{"a":' * 300 + "1" + "}" * 300 + "}\n"

JSON_LINES: Mapping[str, Content] = {
    "nothing": _fixed("", error="the file holds no record"),
    "an array": _fixed('[{"text": "good"}]\n', error="the file is a JSON array"),
    "an object over several lines": _fixed('{\n "text": "good"\n}\n', error="goes on over several lines"),
    "a number": _fixed("7\n", error="line 1: expected a JSON object, found int"),
    "half an object": _fixed(_record() + '{"text": "go', error="line 2: not valid JSON"),
    "text behind the object": _fixed(_record() + '{"text": "a"} x\n', error="line 2: not valid JSON: Extra data"),
    "NaN": _fixed(_record() + '{"text": "a", "x": NaN}\n', error="line 2: not valid JSON: NaN is not a JSON number"),
    "infinity": _fixed(_record() + '{"text": "a", "x": -Infinity}\n', error="line 2: not valid JSON: -Infinity"),
    "a key twice": _fixed('{"text": "a", "text": "b"}\n', error="line 1: not valid JSON: the key 'text' occurs twice"),
    "a long key twice": _fixed(
        '{"' + "k" * 9000 + '": 1, "' + "k" * 9000 + '": 2}\n', error=r"the key 'k+\.\.\.' occurs twice"
    ),
    "100,000 keys, one of them twice": Content(
        lambda: b'{"text": "a",' + b",".join(b'"%d": 1' % n for n in range(100_000)) + b', "7": 1}\n',
        "the key '7' occurs twice",
    ),
    "a lone surrogate": _fixed('{"text": "\\ud800"}\n', error="is a lone surrogate"),
    "a text that is a number": _fixed('{"text": 7}\n', error="line 1.*expected a str, found int"),
    "a text that is an object": _fixed('{"text": {}}\n', error="line 1.*expected a str, found dict"),
    "a text that is null": _fixed('{"text": null}\n', error="line 1.*the text is missing"),
    "a record without a text": _fixed(_record() + "{}\n", error="line 2.*the text is missing"),
    "a broken byte": _fixed(b'{"text": "b\xe4d"}\n', error="line 1: byte 0xe4"),
    "a depth of 300": _fixed(_DEEP, texts=("good",)),
    "a depth of 100,000": Content(
        lambda: b'{"text": "good", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "line 1: the JSON is nested too"
    ),
    "a number of 5,000 digits": _fixed('{"text": "good", "x": ' + "9" * 5000 + "}\n", error="line 1: not valid JSON"),
    "a number beyond 64 bits": _fixed(_record(x=2**80), texts=("good",)),
    "a long row": _limited(lambda: _record(x="x" * 200_000).encode(), "line 1: the row has more than 100,000 bytes"),
    "60,000 keys": Content(lambda: _record(**{f"k{n}": n for n in range(60_000)}).encode(), texts=("good",)),
    "no text in 20,000 keys": Content(
        lambda: json.dumps({f"k{n}": n for n in range(20_000)}).encode(), r"no column 'text'.* and 19,990 more"
    ),
}

PARQUET_OUTPUT: Mapping[str, Content] = {
    "an empty object": _fixed(_record(x={}), error=r"line 1, column 'x': parquet cannot hold an empty object"),
    "an empty object in a list": _fixed(_record(x=[{}]), error="line 1, column 'x': parquet cannot hold"),
    "a depth of 300": _fixed(_DEEP, error="line 1, column 'x': parquet cannot hold an empty object, nor values nested"),
    "mixed types": _fixed(_record(x=1) + _record(x="a"), error="line 2, column 'x': 'a' has another type"),
    "a flag among numbers": _fixed(_record(x=1) + _record(x=True), error="line 2, column 'x': True has another type"),
    "a number beyond 64 bits": _fixed(_record(x=2**80), error="line 1, column 'x': 12089.* has another type than"),
    "a key that the first rows lack": _fixed(_record() + _record(y=1), error="line 2: the first record has no key 'y'"),
    "a text among objects": _fixed(_record(x={"a": 1}) + _record(x="a"), error="line 2, column 'x': 'a' has another"),
    "objects with other keys": _fixed(_record(x={"a": 1}) + _record(x={"b": 2})),
    "whole and broken numbers": _fixed(_record(x=1) + _record(x=1.5)),
    "nulls alone": _fixed(_record(x=None)),
    "empty lists alone": _fixed(_record(x=[])),
    "NUL": _fixed(_record(x="\0")),
}
