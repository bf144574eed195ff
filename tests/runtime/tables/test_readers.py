"""Tables: what is read, and where it says it is malformed."""

import io
import json
from pathlib import Path

import pytest

from mtl_runtime.errors import MtlError, TableError
from mtl_runtime.tables.readers import open_table
from mtl_runtime.tables.table import BadRow, format_of


def rows_of(path, **options):
    with open_table(path, **options) as table:
        return [(row.line, dict(row.values)) for row in table.rows]


def records_of(path):
    with open_table(path) as table:
        return list(table.records)


@pytest.fixture
def write(tmp_path):
    def write_bytes(name, data):
        file = tmp_path / name
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        return file

    return write_bytes


def test_a_csv_row_knows_the_line_it_starts_on(write):
    file = write("t.csv", 'id,text\n1,"two\nlines"\n2,next\r\n3,"a ""quote"""\n')
    assert rows_of(file) == [
        (2, {"id": "1", "text": "two\nlines"}),
        (4, {"id": "2", "text": "next"}),
        (5, {"id": "3", "text": 'a "quote"'}),
    ]


def test_a_tsv_keeps_commas(write):
    assert rows_of(write("t.tsv", "text\tn\na, b\t1\n")) == [(2, {"text": "a, b", "n": "1"})]


def test_a_byte_order_mark_is_no_part_of_the_first_column(write):
    assert rows_of(write("t.csv", b"\xef\xbb\xbftext,n\na,1\n")) == [(2, {"text": "a", "n": "1"})]


def test_a_text_file_has_a_row_for_each_line_blank_ones_too(write):
    assert rows_of(write("t.txt", "a\n\nb")) == [(1, {"text": "a"}), (2, {"text": ""}), (3, {"text": "b"})]


def test_jsonl_keeps_json_values_and_line_numbers(write):
    file = write("t.jsonl", '{"text": "a", "n": 1, "l": [null]}\n\n{"text": "b"}\n')
    assert rows_of(file) == [(1, {"text": "a", "n": 1, "l": [None]}), (3, {"text": "b"})]


def test_blank_lines_at_the_end_of_a_csv_are_ignored(write):
    assert rows_of(write("t.csv", "text,n\na,1\n\n\n")) == [(2, {"text": "a", "n": "1"})]


BAD_ROWS = [
    ("t.csv", "text,n\na,1\nb\nc,3\n", 3, "the row has 1 cells, the header has 2"),
    ("t.csv", "text,n\na,1\nb,2,3\nc,3\n", 3, "the row has 3 cells"),
    ("t.csv", "text,n\na,1\n\nc,3\n", 3, "the line is blank"),
    ("t.csv", 'text,n\na,1\nb,"2"x\nc,3\n', 3, "a cell goes on after its closing quote; write a quote inside"),
    ("t.jsonl", '{"text": "a"}\n{"text": \n{"text": "c"}\n', 2, "not valid JSON"),
    ("t.jsonl", '{"text": "a"}\n["b"]\n{"text": "c"}\n', 2, "expected a JSON object, found list"),
    ("t.jsonl", '{"text": "a"}\n{"text": NaN}\n{"text": "c"}\n', 2, "NaN is not a JSON number; write null"),
    ("t.jsonl", '{"text": "a"}\n{"text": "b", "text": ""}\n{"text": "c"}\n', 2, "the key 'text' occurs twice"),
    ("t.jsonl", '{"text": "a"}\n{"text": "\\ud800"}\n{"text": "c"}\n', 2, "lone surrogate"),
]


@pytest.mark.parametrize(("name", "content", "line", "message"), BAD_ROWS)
def test_a_malformed_row_names_its_file_and_line(write, name, content, line, message):
    file = write(name, content)
    with pytest.raises(TableError, match=message) as caught:
        rows_of(file)
    assert (caught.value.path, caught.value.line) == (file, line)


@pytest.mark.parametrize(("name", "content", "line", "message"), BAD_ROWS)
def test_a_malformed_row_stands_among_the_records_and_loses_no_other(write, name, content, line, message):
    records = records_of(write(name, content))
    assert [None if isinstance(record, BadRow) else record.values["text"] for record in records] == ["a", None, "c"]
    assert records[1].error.line == line


@pytest.mark.parametrize(
    ("name", "content", "values"),
    [
        ("t.csv", "text,n\na,1\nb\n", ["b"]),
        ("t.jsonl", '{"text": "a"}\n["b"]\r\n', '["b"]'),
        ("t.jsonl", '{"text": "a"}\n{"text": \n', '{"text": '),
        ("t.csv", 'text,n\na,1\n"b"x,2\n', None),
    ],
)
def test_a_malformed_row_comes_with_what_could_be_read_of_it(write, name, content, values):
    assert records_of(write(name, content))[1].values == values


@pytest.mark.parametrize("name", ["t.csv", "t.txt", "t.jsonl"])
def test_a_byte_that_is_not_utf8_spoils_its_row_alone(write, name):
    cell = b'{"text": "%s"}' if name == "t.jsonl" else b'"%s"'
    head = [b"text"] if name == "t.csv" else []
    file = write(name, b"\n".join([*head, cell % b"a", cell % b"b \xe9", cell % b"c"]) + b"\n")
    records = records_of(file)
    assert [isinstance(record, BadRow) for record in records] == [False, True, False]
    assert records[1].error.line == 2 + len(head)


def test_a_wrong_byte_inside_a_quoted_cell_leaves_no_half_row_behind(write):
    records = records_of(write("t.csv", b'text,n\n"one\n\xff\nthree",1\nb,2\n'))
    assert [isinstance(record, BadRow) for record in records] == [True, False]
    assert records[0].error.line == 3
    assert records[1].values == {"text": "b", "n": "2"}


def test_blank_lines_before_a_broken_row_are_reported_in_their_order(write):
    records = records_of(write("t.csv", 'text,n\n\n\n"b"x,2\nc,3\n'))
    assert [record.error.line for record in records if isinstance(record, BadRow)] == [2, 3, 4]


class Lines(io.BytesIO):
    """A stream of lines, of which it counts how many were read."""

    def __init__(self, lines):
        super().__init__()
        self.lines, self.count = iter(lines), 0

    def readline(self, size=-1):
        self.count += 1
        return next(self.lines, b"")

    def __next__(self):
        self.count += 1
        return next(self.lines)


def test_a_file_of_which_no_line_is_a_record_is_not_read_to_its_end():
    stream = Lines(b"no json\n" for _ in range(10**9))
    with pytest.raises(TableError, match="1: not valid JSON"), open_table(Path("x"), format="jsonl", stream=stream):
        pass


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_table_knows_which_share_of_it_was_read(write, tmp_path, name):
    if name == "t.csv":
        file = write(name, "text\n" + "a\n" * 100_000)
    else:
        pa = pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
        pq = pytest.importorskip("pyarrow.parquet")
        file = tmp_path / name
        pq.write_table(pa.table({"text": ["a"] * 100_000}), file)
    with open_table(file) as table:
        shares = [table.share(count) for count, _ in enumerate(table.records, 1) if count % 25_000 == 0]
    assert shares == pytest.approx([0.25, 0.5, 0.75, 1.0], abs=0.05)


def test_the_error_about_an_open_quote_names_the_lines_that_it_swallowed(write):
    file = write("t.csv", 'text,n\na,1\n"b,2\nc,3\nd,4\n')
    with pytest.raises(TableError, match=r"opens a cell is never closed; lines 3 to 5 are lost in it") as caught:
        rows_of(file)
    assert caught.value.line == 3


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"text,n\na,1\n\xe9,2\n", 3, r"byte 0xe9 at position 0 is not UTF-8; save the file as UTF-8 \(the byte is"),
        ("text,n\na,1\n".encode("utf-16"), 1, "the file is UTF-16"),
        (b"", 1, "the file is empty"),
        (b'"text\n', 1, "malformed header"),
    ],
)
def test_a_file_that_is_no_table_says_why(write, data, line, message):
    with pytest.raises(TableError, match=message) as caught:
        rows_of(write("t.csv", data))
    assert caught.value.line == line


def test_an_empty_jsonl_says_what_a_line_must_be(write):
    with pytest.raises(TableError, match="each line must be a JSON object"):
        rows_of(write("t.jsonl", ""))


def test_the_error_about_a_missing_column_lists_the_existing_ones(write):
    with open_table(write("t.csv", "a,b\n1,2\n")) as table, pytest.raises(TableError, match="are: a, b"):
        table.require("text")


def test_an_unknown_suffix_lists_the_known_ones(tmp_path):
    with pytest.raises(TableError, match=r"unknown suffix '\.data'; use one of \.csv"):
        format_of(tmp_path / "t.data")
    assert format_of(Path("T.NDJSON")) == "jsonl"


def test_a_missing_file_is_an_error_of_the_user(tmp_path):
    with pytest.raises(MtlError, match="cannot be opened: No such file") as caught:
        rows_of(tmp_path / "none.csv")
    assert caught.value.exit_code == 2


def test_a_stream_is_read_under_the_name_it_is_given():
    with pytest.raises(TableError, match=r"^<stdin>, line 2: not valid JSON"):
        rows_of(Path("<stdin>"), format="jsonl", stream=io.BytesIO(b'{"a": 1}\nx\n'))


def test_rows_are_read_one_by_one(write):
    """A table far larger than memory can be read: the reader holds no more than a line."""
    stream = Lines(json.dumps({"text": f"row {n}"}).encode() + b"\n" for n in range(3))
    with open_table(Path("x"), format="jsonl", stream=stream) as table:
        next(table.rows)
        assert stream.count == 1


def test_parquet_gives_python_values_and_row_numbers(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"text": ["a", None], "n": [1, 2], "l": [["x"], []]}), file)
    assert rows_of(file) == [(1, {"text": "a", "n": 1, "l": ["x"]}), (2, {"text": None, "n": 2, "l": []})]


def test_what_is_no_parquet_says_so(write):
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    with pytest.raises(TableError, match="not a parquet file"):
        rows_of(write("t.parquet", b"PAR1 not really"))
