"""Name of a hostile input -> the function that writes it: files, streams, paths and options for ``mtl predict``."""

import csv
import io
import json
import os
import socket
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mtl_bench.studies.hostile.attempt import OUTPUT, Attempt, Prepare
from mtl_bench.studies.hostile.input_content import (
    DELIMITED,
    FOREIGN_FILES,
    JSON_LINES,
    ODD_TEXTS,
    PARQUET_OUTPUT,
    Content,
)

__all__ = ["HOSTILE_INPUTS"]

_ROW_LIMIT = "100000"


def _read(folder: Path, content: Content, *, suffix: str, more: tuple[str, ...] = ()) -> Attempt:
    """``content`` in a file."""
    file = folder / f"in.{suffix}"
    file.write_bytes(content.data())
    output = ("-o", str(folder / OUTPUT))
    return Attempt(arguments=(str(file), *output, *_COLUMN, *content.options, *more), **_expectation(content))


def _pipe(folder: Path, content: Content, *, suffix: str) -> Attempt:
    """``content`` from stdin."""
    output = ("-o", str(folder / OUTPUT), "--input-format", suffix)
    arguments = ("-", *output, *(() if suffix == "txt" else _COLUMN), *content.options)
    return Attempt(arguments=arguments, stdin=content.data(), **_expectation(content))


def _expectation(content: Content) -> dict[str, Any]:
    return {"error": content.error, "texts": content.texts}


_COLUMN = ("--column", "text")  # a bundle may remember another one from training


def _encode(text: str, suffix: str) -> bytes:
    """A table with one row, whose column ``text`` holds ``text``."""
    if suffix == "jsonl":
        return json.dumps({"text": text, "id": 1}).encode()
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter="," if suffix == "csv" else "\t", quoting=csv.QUOTE_ALL)
    writer.writerows([["text", "id"], [text, "1"]])
    return stream.getvalue().encode()


def _odd_texts() -> Iterator[tuple[str, Prepare]]:
    """Each odd text in each format, from a file and from stdin."""
    for name, text in ODD_TEXTS.items():
        for suffix in ("csv", "tsv", "jsonl"):
            content = Content(partial(_encode, text, suffix), texts=(text,))
            yield f"{suffix}: {name}", partial(_read, content=content, suffix=suffix)
            yield f"{suffix} from stdin: {name}", partial(_pipe, content=content, suffix=suffix)
        yield f"parquet: {name}", partial(_read_parquet, columns={"text": [text]}, texts=(text,))


def _foreign_files() -> Iterator[tuple[str, Prepare]]:
    for suffix in ("csv", "tsv", "jsonl", "txt"):
        for name, content in FOREIGN_FILES.items():
            more = ("--column", "text")
            yield f"{suffix}: {name}", partial(_read, content=content, suffix=suffix, more=more)
            yield f"{suffix} from stdin: {name}", partial(_pipe, content=content, suffix=suffix)


def _structures() -> Iterator[tuple[str, Prepare]]:
    for name, content in DELIMITED.items():
        yield f"csv: {name}", partial(_read, content=content, suffix="csv")
        yield f"csv from stdin: {name}", partial(_pipe, content=content, suffix="csv")
    for name, content in JSON_LINES.items():
        yield f"jsonl: {name}", partial(_read, content=content, suffix="jsonl")
        yield f"jsonl from stdin: {name}", partial(_pipe, content=content, suffix="jsonl")
    for name, content in PARQUET_OUTPUT.items():
        yield f"jsonl to parquet: {name}", partial(_to_parquet, content=content)


def _to_parquet(folder: Path, content: Content) -> Attempt:
    (folder / "in.jsonl").write_bytes(content.data())
    arguments = (str(folder / "in.jsonl"), "-o", str(folder / "out.parquet"), *_COLUMN)
    return Attempt(arguments=arguments, error=content.error)


def _read_parquet(
    folder: Path, columns: Mapping[str, Any], *, texts: tuple[str, ...] | None = None, error: str | None = None
) -> Attempt:
    import pyarrow
    import pyarrow.parquet

    file = folder / "in.parquet"
    table = pyarrow.table(list(columns.values()), names=[name.strip("'") for name in columns])
    pyarrow.parquet.write_table(table, file)
    return Attempt(arguments=(str(file), "-o", str(folder / OUTPUT), *_COLUMN), texts=texts, error=error)


_PARQUET: Mapping[str, tuple[Mapping[str, Any], tuple[str, ...] | None, str | None]] = {
    "no row": ({"text": [""][:0]}, (), None),
    "a null": ({"text": ["good", None]}, None, "line 2.* the text is missing"),
    "numbers": ({"text": [1, 2]}, None, "line 1.*expected a str, found int"),
    "lists": ({"text": [["good"]]}, None, "line 1.*expected a str, found list"),
    "bytes": ({"text": [b"\xff\xfe"]}, None, "line 1.*expected a str, found bytes"),
    "no such column": ({"body": ["good"]}, None, "no column 'text'; the columns are: body"),
    "two columns of one name": ({"text": ["good"], "'text'": ["bad"]}, None, "several columns are named 'text'"),
    "a long row": ({"text": ["good"], "page": ["x" * 2**26]}, None, "line 1: the row has more than 33,554,432 bytes"),
}
_NO_PARQUET = {
    "nothing": b"",
    "text": b"text\ngood\n",
    "its marks alone": b"PAR1PAR1",
    "a footer that is too long": b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1",
    "zeros": b"PAR1" + bytes(1000) + b"PAR1",
}


def _parquet_files() -> Iterator[tuple[str, Prepare]]:
    for name, (columns, texts, error) in _PARQUET.items():
        yield f"parquet: {name}", partial(_read_parquet, columns=columns, texts=texts, error=error)
    for name, data in _NO_PARQUET.items():
        content = Content(lambda data=data: data, error="not a parquet file")  # type: ignore[misc]
        yield f"parquet: {name}", partial(_read, content=content, suffix="parquet")
    content = Content(lambda: b"PAR1", error="parquet cannot be read from a pipe|not a parquet file")
    yield "parquet from stdin", partial(_pipe, content=content, suffix="parquet")


_OPTIONS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "an unknown task": (("--tasks", "x" * 5000), r"no task 'x+\.\.\.' in this bundle"),
    "no task": (("--tasks", ""), "no task '' in this bundle"),
    "an unknown variant": (("--variant", "cpu-int1"), "no variant 'cpu-int1' in this bundle"),
    "a task with a line break": (("--tasks", "a\nb"), r"no task 'a\\nb'"),
    "a missing column": (("--column", "x" * 5000), r"no column 'x+\.\.\.'"),
    "a million threads": (("--threads", "1000000"), "no machine runs with"),
    "a huge number of threads": (("--threads", "9" * 30), "no machine runs with"),
    "a million workers": (("--workers", "1000000"), "no machine runs with"),
    "a batch of endless size": (("--max-batch-tokens", "9" * 30), "no machine runs with"),
    "a byte for each text": (("--max-text-bytes", "1"), "has 4 bytes in UTF-8, the limit is 1"),
    "a byte for each row": (("--max-row-bytes", "1"), "the row has more than 1 bytes"),
    "threads in words": (("--threads", "many"), "'many' is not a valid integer"),
    "no threads": (("--threads", "0"), "0 is not in the range"),
    "an unknown format": (("--input-format", "xml"), "'xml' is not one of"),
    "an unknown output format": (("--output-format", "txt"), "'txt' is not one of"),
    "resumed from nothing and forced": (("--resume", "--force"), "choose one"),
    "rejects that are no policy": (("--rejects", "r", "--on-bad-row", "error"), "choose one"),
    "json of rows": (("--json", "--text", "good"), "give either INPUT"),
}


def _with_options(folder: Path, options: tuple[str, ...], error: str) -> Attempt:
    (folder / "in.csv").write_text("text\ngood\n")
    column = () if "--column" in options else _COLUMN
    return Attempt(arguments=(str(folder / "in.csv"), "-o", str(folder / OUTPUT), *column, *options), error=error)


def _make_folder(path: Path) -> None:
    path.mkdir()


def _make_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket has at most 108 characters
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def _make_link(path: Path) -> None:
    (path.parent / "mine.txt").write_text("mine\n")
    path.symlink_to("mine.txt")


_PLACES: Mapping[str, tuple[Any, str | None, str]] = {  # what is made there; error as an input; error as an output
    "nothing": (None, "cannot be opened: there is no such file", ""),
    "a folder": (_make_folder, "cannot be opened: Is a directory", "not a regular file"),
    "a socket": (_make_socket, "cannot be opened: No such device", "not a regular file"),
    "a fifo": (os.mkfifo, None, "not a regular file") if hasattr(os, "mkfifo") else (None, "no such file", ""),
    "a link to itself": (lambda path: path.symlink_to(path.name), "Too many levels|no such file", "is a link to"),
    "a link to nothing": (lambda path: path.symlink_to("nowhere"), "no such file", "is a link to nowhere"),
    "a link to a file": (_make_link, None, r"is a link to mine\.txt"),
    "a file": (lambda path: path.write_text("mine\n"), None, "exists already; give --force"),
}


def _as_input(folder: Path, make: Any, error: str) -> Attempt:
    if make is not None:
        make(folder / "in.txt")
    return Attempt(arguments=(str(folder / "in.txt"), "-o", str(folder / OUTPUT)), error=error)


def _as_output(folder: Path, make: Any, error: str, *, option: str) -> Attempt:
    (folder / "in.jsonl").write_text('{"text": "good"}\n{}\n')
    place = folder / ("place.jsonl" if option == "-o" else "bad.jsonl")
    make(place)
    output = () if option == "-o" else ("-o", str(folder / OUTPUT))
    return Attempt(arguments=(str(folder / "in.jsonl"), *output, option, str(place), *_COLUMN), error=error)


def _at_path(_folder: Path, path: str, error: str, *, is_input: bool) -> Attempt:
    if is_input:
        return Attempt(arguments=(path, "--input-format", "txt", "--max-row-bytes", _ROW_LIMIT), error=error)
    return Attempt(arguments=("-", "-o", path, "--output-format", "csv"), stdin=b"good\n", error=error)


_PATHS: Mapping[str, tuple[str, bool, str]] = {  # path, whether it is the input, error
    "a name that is too long": (f"/tmp/{'x' * 300}.txt", True, "name too long"),  # noqa: S108 - never opened
    "a path that is too long": ("/x" * 3000, True, "name too long"),
    "a line break": ("no\nsuch.txt", True, r"no\\x0asuch\.txt: cannot be opened"),
    "a device without end": ("/dev/zero", True, "line 1: the row has more than 100,000 bytes"),
    "a path through a file": ("/dev/null/in.txt", True, "no such file|Not a directory"),
    "an output's name that is too long": (f"/tmp/{'x' * 300}.csv", False, "name too long"),  # noqa: S108
    "an output's path that is too long": ("/x" * 3000, False, "name too long"),
    "an output through a file": ("/dev/null/out.csv", False, "Not a directory"),
    "an output in no folder": ("/nowhere/there/out.csv", False, "No such file"),
    "an output that is a device": ("/dev/null", False, "not a regular file"),
    "an output without suffix": ("/dev/full", False, "not a regular file"),
}


def _paths() -> Iterator[tuple[str, Prepare]]:
    for name, (make, error, taken) in _PLACES.items():
        if error is not None:
            yield f"input: {name}", partial(_as_input, make=make, error=error)
        for option in ("-o", "--rejects") if taken else ():
            yield f"{option}: {name}", partial(_as_output, make=make, error=taken, option=option)
    for name, (path, is_input, error) in _PATHS.items():
        yield f"path: {name}", partial(_at_path, path=path, is_input=is_input, error=error)


_JOURNALS: Mapping[str, bytes] = {
    "no JSON": b"\x00\xff\n",
    "a list": b"[1]\n",
    "another version": b'{"schema_version": 99}\n',
    "a version in words": b'{"schema_version": "one"}\n',
    "nothing but its version": b'{"schema_version": 1}\n',
    "a job of a wrong type": b'{"schema_version": 1, "replace": true, "job": 7}\n',
    "a deep value": b'{"schema_version": ' + b"[" * 100_000 + b"\n",
    "a number without end": b'{"schema_version": ' + b"9" * 5000 + b"}\n",
}


def _with_journal(folder: Path, journal: bytes) -> Attempt:
    work = folder / f".{OUTPUT}.mtl-work"
    work.mkdir()
    (work / "ledger.jsonl").write_bytes(journal)
    (folder / "in.csv").write_text("text\ngood\n")
    arguments = (str(folder / "in.csv"), "-o", str(folder / OUTPUT), "--resume", *_COLUMN)
    return Attempt(arguments=arguments, error="ledger.jsonl .*--force")


HOSTILE_INPUTS: Mapping[str, Prepare] = {
    **dict(_odd_texts()),
    **dict(_foreign_files()),
    **dict(_structures()),
    **dict(_parquet_files()),
    **{f"option: {name}": partial(_with_options, options=row[0], error=row[1]) for name, row in _OPTIONS.items()},
    **dict(_paths()),
    **{f"journal: {name}": partial(_with_journal, journal=data) for name, data in _JOURNALS.items()},
}
