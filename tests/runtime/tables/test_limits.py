"""Files beyond reason: rows without end, tens of thousands of columns, values that the output cannot hold."""

import dataclasses
import io
import json
import sys
from pathlib import Path

import pytest

from mtl_runtime.bulk.predict_file import predict_file
from mtl_runtime.errors import MtlError, TableError
from mtl_runtime.tables.readers import open_table
from mtl_runtime.tables.row_chunks import ChunkLimits, chunk_rows
from mtl_runtime.tables.table import Row, Table
from mtl_runtime.tables.writers import open_writer
from mtl_runtime.wording import MESSAGE_CHARACTERS, elide, enumerate_names, name_path

NOWHERE = Path("nowhere")


class Endless(io.RawIOBase):
    """A stream that never ends, and counts what is read of it."""

    def __init__(self, *blocks):
        self.blocks, self.read_bytes = iter(blocks), 0
        self.last = blocks[-1]

    def readable(self):
        return True

    def readinto(self, buffer):
        data = next(self.blocks, self.last)[: len(buffer)]
        buffer[: len(data)] = data
        self.read_bytes += len(data)
        return len(data)


ENDLESS = {
    "txt": [b"good\n", b"\0" * 4096],
    "csv": [b"text,id\n", b"a" * 4096],
    "tsv": [b"text\tid\n", b"a" * 4096],
    "jsonl": [b'{"text": "a"}\n', b'{"text": "' + b"a" * 4096],
}
ENDLESS_ROWS = {  # whose lines end
    "csv": [b"text,id\n", b'"a\n","b\n",'],
    "csv header": [b'"text\n","b\n",'],
    "a first line with CR": [b"text,id\r", b"a" * 4096],
}


def read_all(stream, format, **options):
    with open_table(NOWHERE, format=format, stream=stream, **options) as table:
        return list(table.records)


@pytest.mark.parametrize("case", [*ENDLESS, *ENDLESS_ROWS])
def test_a_row_without_end_is_refused_with_its_number(case):
    raw = Endless(*{**ENDLESS, **ENDLESS_ROWS}[case])
    line = 1 if case == "csv header" else 2
    with pytest.raises(TableError, match=rf"nowhere, line {line}: the row has more than 100,000 bytes; max_row_bytes"):
        read_all(io.BufferedReader(raw), case if case in ENDLESS else "csv", max_row_bytes=100_000)
    assert raw.read_bytes < 400_000


@pytest.mark.parametrize("format", ["txt", "csv", "jsonl"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_row_as_long_as_allowed_is_read(format, end):
    row = {"txt": b"x" * 5000, "csv": b"x" * 4998 + b",1", "jsonl": b'{"text": "' + b"x" * 4988 + b'"}'}[format]
    first = {"txt": b"a", "csv": b"text,id", "jsonl": b'{"text": "a"}'}[format]
    data = first + end + row + end + row + end
    most = len(row + end)
    assert len(read_all(io.BytesIO(data), format, max_row_bytes=most)) == (2 if format == "csv" else 3)
    with pytest.raises(TableError, match="line 2: the row has more than"):
        read_all(io.BytesIO(data), format, max_row_bytes=most - 1)


def test_a_long_file_with_cr_is_read_in_time_proportional_to_its_size():
    data = b"a,b\r" + b"x" * 2**22 + b",1\r"
    reads = []

    class Counted(io.BytesIO):
        def read(self, size=-1):
            reads.append(size)
            return super().read(size)

    (row,) = read_all(Counted(data), "csv")
    assert len(row.values["a"]) == 2**22
    assert len(reads) < 100


class CountedNames(str):
    """A name that counts how often names are compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other):
        CountedNames.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_writing_a_row_takes_time_proportional_to_its_columns(format):
    CountedNames.compared = 0
    names = tuple(CountedNames(f"c{n}") for n in range(3000))
    source = Table(NOWHERE, "csv", names, iter(()))
    row = Row(1, {str(name): "x" for name in names})  # other objects, so that names are compared
    with open_writer(io.BytesIO(), format, source=source, added={}) as write:
        write([row])
    assert CountedNames.compared < 10 * len(names)


def test_a_chunk_of_wide_or_large_rows_ends_before_it_fills_the_memory():
    def sizes(values):
        records = (Row(line, values) for line in range(1, 3001))
        table = Table(NOWHERE, "jsonl", tuple(values), records)
        return [chunk.records for chunk in chunk_rows(table, column="text", max_text_bytes=99, limits=ChunkLimits())]

    wide = {"text": "a", **{f"c{n}": "x" for n in range(9999)}}
    large = {"text": "a", "page": "x" * 2**20}
    assert sizes({"text": "a", "n": 1}) == [2048, 952]
    assert max(sizes(wide)) * sys.getsizeof("x") * 9999 < 2**27
    assert max(sizes(large)) * 2**20 <= 2**27
    assert sum(sizes(wide)) == sum(sizes(large)) == 3000


def test_a_parquet_file_that_unpacks_to_a_long_row_is_refused(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"text": ["a", "a", "b" * 50_000]}), tmp_path / "a.parquet")
    with open_table(tmp_path / "a.parquet", max_row_bytes=40_000) as table:  # noqa: SIM117
        with pytest.raises(TableError, match="line 3: the row has more than 40,000 bytes"):
            list(table.records)


HELD_BY_NO_PARQUET = {
    "an empty object": ({"x": {}}, {}, 1),
    "another type": ({"x": 1}, {"x": "a"}, 2),
}


@pytest.mark.parametrize("case", HELD_BY_NO_PARQUET)
def test_what_parquet_cannot_hold_is_said_before_the_first_row_is_computed(classifier, tmp_path, case):
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    first, second, line = HELD_BY_NO_PARQUET[case]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"text": "good", **row}) + "\n" for row in (first, second)))
    computed = []

    def run(batch, outputs):
        computed.append(batch)
        return classifier.run_batch(batch, outputs)

    watched = dataclasses.replace(classifier, run_batch=run)
    for given in (source, io.BytesIO(source.read_bytes())):
        with pytest.raises(TableError, match=f"line {line}, column 'x': .* --output-format jsonl"):
            predict_file(watched, given, tmp_path / "out.parquet", input_format="jsonl")
        assert computed == []
        assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize(
    ("first", "later"),
    [({"a": 1}, {"a": 1, "b": 2}), (["a"], "abc"), ([{"a": 1}], [{"b": 1}]), ({"a": [1]}, {"a": 1}), (1, 2**70)],
)
def test_parquet_never_drops_or_changes_what_the_first_rows_had_not(first, later):
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    source = Table(NOWHERE, "jsonl", ("x",), iter(()))
    with open_writer(io.BytesIO(), "parquet", source=source, added={}) as write:
        write([Row(1, {"x": first})])
        with pytest.raises(TableError, match=r"line 7, column 'x': .* does not fit the type"):
            write([Row(6, {"x": first}), Row(7, {"x": later})])


@pytest.mark.parametrize("length", [0, 499, 500, 501, 100_000])
def test_a_message_has_at_most_500_characters_and_keeps_both_ends(length):
    message = f"start {'x' * length} end"
    shown = str(MtlError(message))
    assert len(shown) <= MESSAGE_CHARACTERS
    assert shown.startswith("start")
    assert shown.endswith("end")
    assert shown == message or len(message) > MESSAGE_CHARACTERS


def test_lists_and_paths_in_messages_are_short():
    names = [f"column_{n}" for n in range(20_000)]
    assert enumerate_names(names, most=10).endswith("column_9 and 19,990 more")
    assert enumerate_names(["x" * 10**6]) == "x" * 77 + "..."
    assert enumerate_names([]) == ""
    assert name_path("a\nb\x1b.csv") == "a\\x0ab\\x1b.csv"
    assert len(name_path("x/" * 5000)) == 200
    assert elide("abc", 3) == "abc"


def test_an_error_about_a_wide_table_is_short_whatever_the_names_are():
    for name in ("column", "\0" * 1000, "x" * 10**4, "\n"):
        columns = (f"{name}{n}" for n in range(5000))
        table = Table(NOWHERE, "csv", tuple(columns), iter(()))
        with pytest.raises(TableError, match=r"(?s)no column 'text'.* and 4,990 more") as caught:
            table.require("text")
        assert len(str(caught.value)) <= MESSAGE_CHARACTERS
