"""jsonl file -> Table; a line that is no JSON object is a bad row."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NoReturn

from mtl_runtime.errors import TableError
from mtl_runtime.tables.table import BadRow, Row, Table, TableSource
from mtl_runtime.tables.text_lines import TextLines
from mtl_runtime.tables.text_ranges import text_lines_of
from mtl_runtime.wording import shorten

__all__ = ["read_jsonl"]

_MOST_LEADING_RECORDS = 1024  # of which the columns are taken
_SHOWN_CHARACTERS = 60  # of a key


def read_jsonl(source: TableSource) -> Table:
    """Read records up to the first that has all columns asked for; the columns are the keys of these.

    Raises:
        TableError: the file is no text, is one JSON document, or none of its first lines is a record.
    """
    records = _iter_records(source.path, text_lines_of(source))
    if source.range is not None:  # whoever chose the range has read the first records of the file
        return Table(source.path, source.format, source.range.columns, records)
    leading: list[Row | BadRow] = []
    columns: dict[str, None] = {}
    missing = {*source.columns}
    for record in islice(records, _MOST_LEADING_RECORDS):
        leading.append(record)
        if isinstance(record, Row):
            columns |= dict.fromkeys(record.values)
            missing -= record.values.keys()
            if not missing:
                break
        elif len(leading) == 1:
            _refuse_json_array(source.path, record)
    if not any(isinstance(record, Row) for record in leading):
        _refuse(source.path, leading)
    return Table(source.path, source.format, tuple(columns), chain(leading, records))


def _refuse_json_array(path: Path, first: BadRow) -> None:
    if isinstance(first.values, str) and first.values.lstrip().startswith("["):
        problem = "the file is a JSON array, jsonl has one object per line"
        raise TableError(path, f"{problem}; `jq -c '.[]' data.json > data.jsonl` writes it", line=first.error.line)


def _refuse(path: Path, leading: Sequence[Row | BadRow]) -> NoReturn:
    """Say why none of the first lines is a record."""
    for record in leading:
        if isinstance(record, BadRow):
            if isinstance(record.values, str) and record.values.lstrip().startswith("{") and len(leading) > 1:
                problem = "a JSON object goes on over several lines, jsonl has one object per line"
                advice = "`jq -c . data.json > data.jsonl` writes it"
                raise TableError(path, f"{problem}; {advice}", line=record.error.line)
            raise record.error
    raise TableError(path, "the file holds no record; each line must be a JSON object", line=1)


def _iter_records(path: Path, lines: TextLines) -> Iterator[Row | BadRow]:
    for line in lines:
        text = line.removeprefix("\ufeff")  # of a file that was appended to another
        if (problem := lines.take_problem()) is not None:
            yield BadRow(problem)
        elif text.strip():
            yield _parse_record(path, lines.number, text)


def _parse_record(path: Path, line: int, text: str) -> Row | BadRow:
    try:
        record = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_to_dict)
        if "\\u" in text:
            json.dumps(record, ensure_ascii=False).encode()  # fails on an escaped lone surrogate, which is not text
    except UnicodeEncodeError:
        problem = "an escape such as \\ud800 is a lone surrogate, not valid Unicode"
    except json.JSONDecodeError as error:
        problem = f"not valid JSON: {error.msg} at character {error.pos + 1}"
    except RecursionError:
        problem = "the JSON is nested too deeply to be read"
    except ValueError as error:
        problem = f"not valid JSON: {error}"
    else:
        if isinstance(record, dict):
            return Row(line, record)
        problem = f"expected a JSON object, found {type(record).__name__}"
    return BadRow(TableError(path, problem, line=line), text.rstrip("\r\n"))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number; write null")


def _to_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        repeated, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {shorten(repeated, _SHOWN_CHARACTERS)!r} occurs twice in an object")
    return record
