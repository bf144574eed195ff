"""What is written is what is read back."""

import io
import json
from datetime import date
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.errors import TableError
from mtl_runtime.tables.readers import open_table
from mtl_runtime.tables.table import BadRow, Row, Table
from mtl_runtime.tables.writers import check_writable, open_chunked_writer, open_writer, reject_line

NOWHERE = Path("-")
HERE = ["csv", "tsv", "jsonl", *(["parquet"] if find_spec("pyarrow") else [])]
names = st.lists(st.text(min_size=1, max_size=6).filter(str.strip), min_size=1, max_size=4, unique=True)
texts = st.text(max_size=12)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(st.none() | st.booleans() | numbers | texts, lambda inner: st.lists(inner, max_size=3))


def written(format, columns, records):
    stream = io.BytesIO()
    source = Table(NOWHERE, "jsonl", tuple(columns), iter(()))
    with open_writer(stream, format, source=source, added={}) as write:
        write([Row(line, record) for line, record in enumerate(records, 1)])
    return stream.getvalue()


def read(format, data, columns=()):
    with open_table(NOWHERE, format=format, stream=io.BytesIO(data), columns=columns) as table:
        return table.columns, [dict(row.values) for row in table.rows]


@given(st.sampled_from(["csv", "tsv"]), names, st.data())
def test_a_written_csv_or_tsv_reads_back_the_same(format, columns, data):
    columns[0] = columns[0].lstrip("\ufeff") or "x"  # a byte order mark at the start is dropped on purpose
    columns = list(dict.fromkeys([*columns, "answer"]))  # in a tsv of one column, lines of a cell look like rows
    records = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(columns, texts)), max_size=5))
    assert read(format, written(format, columns, records), columns) == (tuple(columns), records)


@given(names, st.data())
def test_a_written_csv_of_one_column_reads_back_the_same(columns, data):
    name = columns[0].lstrip("\ufeff") or "x"
    records = data.draw(st.lists(st.fixed_dictionaries({name: texts}), max_size=5))
    assert read("csv", written("csv", [name], records), [name]) == ((name,), records)


@given(st.lists(st.dictionaries(texts, values, max_size=4), min_size=1, max_size=5))
def test_a_written_jsonl_reads_back_the_same(records):
    assert read("jsonl", written("jsonl", records[0], records)) == (tuple(records[0]), records)


def test_json_values_become_distinguishable_cells():
    record = {"a": None, "b": True, "c": 1.5, "d": ["x", 1], "e": "é"}
    _, (row,) = read("csv", written("csv", record, [record]))
    assert row == {"a": "", "b": "true", "c": "1.5", "d": '["x", 1]', "e": "é"}


def test_a_key_that_the_first_record_lacks_is_not_dropped_in_silence():
    with pytest.raises(TableError, match=r"line 2: the first record has no key 'b'.*jsonl"):
        written("csv", ["a"], [{"a": "1"}, {"a": "2", "b": "3"}])


def test_txt_is_no_output_format():
    with pytest.raises(TableError, match="cannot be an output format; use csv"):
        check_writable("txt", Path("out.txt"))


def test_jsonl_refuses_nan():
    with pytest.raises(TableError, match="line 1: JSON has no NaN"):
        written("jsonl", ["a"], [{"a": float("nan")}])


def test_a_parquet_column_that_changes_its_type_names_the_row():
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    with pytest.raises(TableError, match="line 2, column 'a': 'x' has another type than the rows before"):
        written("parquet", ["a"], [{"a": 1}, {"a": "x"}])


def test_a_parquet_file_without_rows_still_has_its_columns():
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    assert read("parquet", written("parquet", ["a", "b"], [])) == (("a", "b"), [])


@given(st.sampled_from(HERE), st.lists(st.integers(0, 3), max_size=6), st.data())
def test_pieces_of_several_processes_make_the_table_of_one(format, sizes, data):
    rows = iter([Row(line, {"a": f"text {line}", "b": line}) for line in range(1, 19)])
    parts = [list(islice(rows, size)) for size in sizes]
    switch = data.draw(st.integers(0, len(parts)))
    assert joined(format, parts, switch) == joined(format, parts, len(parts))
    records = [dict(row.values) for part in parts for row in part]
    if format in ("jsonl", "parquet") and records:
        assert read(format, joined(format, parts, switch))[1] == records


def joined(format, parts, switch):
    """The file of ``parts``, of which those from ``switch`` on are encoded by another process."""
    source = Table(NOWHERE, "jsonl", ("a", "b"), iter(()))
    encoded = []
    for batch in (parts[:switch], parts[switch:]):
        with open_chunked_writer(format, source=source, added={}, earlier=encoded) as pieces:
            encoded = [*encoded, *map(pieces.encode, batch)]
            stream = io.BytesIO()
            if pieces.join is not None:
                pieces.join(encoded, stream)
    return b"".join(encoded) if pieces.join is None else stream.getvalue()


def test_a_rejected_row_holds_what_json_does_not():
    error = TableError(NOWHERE, "the text is missing", line=3, column="text")
    line = reject_line(BadRow(error, {"text": None, "x": float("nan"), "when": date(2026, 1, 2)}))
    assert json.loads(line) == {
        "line": 3,
        "column": "text",
        "reason": "the text is missing",
        "row": {"text": "", "x": "NaN", "when": "2026-01-02"},
    }
