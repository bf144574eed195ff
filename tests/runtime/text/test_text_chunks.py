"""The ends of chunks depend on the table alone, and a thread reads the chunks ahead."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.errors import TableError
from mtl_runtime.tables.row_chunks import ChunkLimits, chunk_rows, read_ahead
from mtl_runtime.tables.table import BadRow, Row, Table

NOWHERE = Path("in.csv")
TOO_LONG = "x" * 200
texts = st.one_of(st.none(), st.text(max_size=40), st.just(TOO_LONG), st.integers())


def table_of(values):
    records = [
        BadRow(TableError(NOWHERE, "unreadable", line=line)) if value is None else Row(line, {"text": value})
        for line, value in enumerate(values, 1)
    ]
    return Table(NOWHERE, "csv", ("text",), iter(records), share=lambda count: count / max(1, len(records)))


def chunks(values, limits):
    return list(chunk_rows(table_of(values), column="text", max_text_bytes=180, limits=limits))


def lines_of(chunk):
    return sorted([*(row.line for row in chunk.rows), *(bad.error.line for bad in chunk.bad)])


@given(st.lists(texts, max_size=30), st.integers(1, 7), st.integers(1, 300))
def test_each_row_is_in_one_chunk_in_its_place_and_no_chunk_is_too_large(values, rows, characters):
    row_chunks = chunks(values, ChunkLimits(rows=rows, characters=characters))
    assert [line for chunk in row_chunks for line in lines_of(chunk)] == list(range(1, len(values) + 1))
    assert [chunk.number for chunk in row_chunks] == list(range(len(row_chunks)))
    for chunk in row_chunks:
        assert chunk.records <= rows
        assert all(isinstance(row.values["text"], str) and row.values["text"] != TOO_LONG for row in chunk.rows)
        but_the_last = lines_of(chunk)[:-1]
        assert sum(len(v) for line in but_the_last if isinstance(v := values[line - 1], str)) < characters


@given(st.lists(texts, min_size=1, max_size=30), st.integers(1, 7), st.integers(1, 300))
def test_where_a_chunk_ends_does_not_depend_on_what_follows(values, rows, characters):
    limits = ChunkLimits(rows=rows, characters=characters)
    longer = [lines_of(chunk) for chunk in chunks([*values, "more"], limits)]
    for mine, theirs in zip([lines_of(chunk) for chunk in chunks(values, limits)][:-1], longer, strict=False):
        assert mine == theirs


def test_an_empty_table_is_one_empty_chunk():
    (chunk,) = chunks([], ChunkLimits())
    assert (chunk.rows, chunk.bad, chunk.share) == ([], [], 0.0)


def test_a_chunk_holds_the_share_of_the_table_up_to_its_end():
    assert [chunk.share for chunk in chunks(["a"] * 10, ChunkLimits(rows=4))] == [0.4, 0.8, 1.0]


def test_a_limit_of_no_rows_is_refused():
    with pytest.raises(ValueError, match="at least one row"):
        ChunkLimits(rows=0)


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "mtl-reader"]


def test_what_is_read_ahead_comes_in_its_order_from_another_thread():
    def items():
        for number in range(100):
            yield number, threading.current_thread().name

    with read_ahead(items()) as chunks_ahead:
        assert list(chunks_ahead) == [(number, "mtl-reader") for number in range(100)]
    assert readers() == []


def test_reading_runs_ahead_and_then_waits():
    made = []
    enough = threading.Event()

    def items():
        for number in range(100):
            made.append(number)
            if number == 3:
                enough.set()
            yield number

    with read_ahead(items(), depth=2) as chunks_ahead:
        assert next(chunks_ahead) == 0
        assert enough.wait(10)  # one taken, two waiting, one made: nobody asked for these
        assert made == [0, 1, 2, 3]


def test_an_error_of_the_reader_comes_after_what_was_read_before_it():
    def items():
        yield 1
        raise TableError(NOWHERE, "damaged", line=7)

    with read_ahead(items()) as chunks_ahead:
        assert next(chunks_ahead) == 1
        with pytest.raises(TableError, match=r"in\.csv, line 7: damaged"):
            next(chunks_ahead)
    assert readers() == []


def test_a_block_that_fails_stops_the_reader():
    def endless():
        while True:
            yield 1

    with pytest.raises(ZeroDivisionError), read_ahead(endless()) as chunks_ahead:
        1 / (next(chunks_ahead) - 1)
    assert readers() == []
