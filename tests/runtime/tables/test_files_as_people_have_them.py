"""Files as people have them: each gives the right rows, or a line that names the file, the row and the way out."""

import csv
import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.errors import MissingColumnError, TableError
from mtl_runtime.tables.delimited import csv_module
from mtl_runtime.tables.readers import open_table
from mtl_runtime.tables.table import BadRow, format_of
from mtl_runtime.tables.writers import open_writer

COLUMNS = ["text", "mood"]
ROWS = [("soup", "good"), ("bread", "bad")]


def read(path):
    """The (text, mood) of each row; an error of the file or of a row is raised."""
    with open_table(path, columns=COLUMNS) as table:
        for column in COLUMNS:
            table.require(column)
        return [tuple(row.values.get(column) for column in COLUMNS) for row in table.rows]


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


LONG = "x" * 200_000
JSON_LINES = '{"text": "soup", "mood": "good"}\n{"text": "bread", "mood": "bad"}\n'
READ = {
    "csv separated by semicolons": ("a.csv", "text;mood\nsoup;good\nbread;bad\n", ROWS),
    "csv separated by tabs": ("a.csv", "text\tmood\nsoup\tgood\nbread\tbad\n", ROWS),
    "csv separated by bars": ("a.csv", "text|mood\nsoup|good\nbread|bad\n", ROWS),
    "tsv separated by commas": ("a.tsv", "text,mood\nsoup,good\nbread,bad\n", ROWS),
    "semicolons, and commas in a name": ("a.csv", "text;mood;price, EUR\nsoup;good;1,5\nbread;bad;2\n", ROWS),
    "semicolons, and commas in quoted names": ("a.csv", '"text";"mood";"a,b,c"\nsoup;good;1\nbread;bad;2\n', ROWS),
    "commas, and semicolons in a name": ("a.csv", "text,mood,a;b;c;d\nsoup,good,1\nbread,bad,2\n", ROWS),
    "the separator in a first line for Excel": ("a.csv", "sep=;\ntext;mood\nsoup;good\nbread;bad\n", ROWS),
    "an index without a name": ("a.csv", ",text,mood\n0,soup,good\n1,bread,bad\n", ROWS),
    "several columns without names": ("a.csv", "text,mood,,\nsoup,good,,\nbread,bad,,x\n", ROWS),
    "names that occur twice and are not asked for": ("a.csv", "n,text,n,mood\n1,soup,2,good\n1,bread,2,bad\n", ROWS),
    "lines that end with CR": ("a.csv", "text,mood\rsoup,good\rbread,bad\r", ROWS),
    "CR, and LF in a cell": ("a.csv", 'text,mood\r"so\nup",good\r', [("so\nup", "good")]),
    "CR in a tsv": ("a.tsv", "text\tmood\rsoup\tgood\rbread\tbad", ROWS),
    "CR in jsonl": ("a.jsonl", JSON_LINES.replace("\n", "\r"), ROWS),
    "LF after CRLF": ("a.csv", "text,mood\r\nsoup,good\nbread,bad\r\n", ROWS),
    "CRLF in a quoted cell": ("a.csv", 'text,mood\r\n"so\r\nup",good\r\n', [("so\r\nup", "good")]),
    "a byte order mark in csv": ("a.csv", b"\xef\xbb\xbf" + b"text,mood\nsoup,good\nbread,bad\n", ROWS),
    "a byte order mark before a quoted name": ("a.csv", b"\xef\xbb\xbf" + b'"text",mood\nsoup,good\nbread,bad\n', ROWS),
    "a byte order mark in tsv": ("a.tsv", b"\xef\xbb\xbf" + b"text\tmood\nsoup\tgood\nbread\tbad\n", ROWS),
    "a byte order mark in jsonl": ("a.jsonl", b"\xef\xbb\xbf" + JSON_LINES.encode(), ROWS),
    "blank lines around": ("a.csv", "\n\ntext,mood\nsoup,good\nbread,bad\n\n\n", ROWS),
    "a long cell of another column": ("a.csv", f"text,mood,page\nsoup,good,\nbread,bad,{LONG}\n", ROWS),
    "a long text": ("a.csv", f'text,mood\n"{LONG}",good\n', [(LONG, "good")]),
    "many columns": ("a.csv", f"text,mood,{','.join(f'c{n}' for n in range(5000))}\nsoup,good{',' * 5000}\n", ROWS[:1]),
    "a quote inside a cell": (
        "a.csv",
        'text,mood\n5" pipe,good\nso-called "soup",bad\n',
        [('5" pipe', "good"), ('so-called "soup"', "bad")],
    ),
    "a NUL byte in a text": ("a.csv", "text,mood\nso\0up,good\n", [("so\0up", "good")]),
    "tsv with quotes as characters": (
        "a.tsv",
        'text\tmood\n"the plot was dull\tbad\ni liked the soup"\tgood\nwhat "fun"\tgood\n',
        [('"the plot was dull', "bad"), ('i liked the soup"', "good"), ('what "fun"', "good")],
    ),
    "tsv with two lone quotes": (
        "a.tsv",
        'text\tmood\nx\tgood\n"the plot was dull\tbad\ni liked the soup"\tgood\n',
        [("x", "good"), ('"the plot was dull', "bad"), ('i liked the soup"', "good")],
    ),
    "tsv with a quote that is never closed": (
        "a.tsv",
        'text\tmood\n"soup\tgood\nbread\tbad\n',
        [('"soup', "good"), ROWS[1]],
    ),
    "tsv of a tool that quotes a line break": (
        "a.tsv",
        'text\tmood\n"so\nup"\tgood\nbread\tbad\n',
        [("so\nup", "good"), ROWS[1]],
    ),
    "tsv of a tool that quotes a tab": (
        "a.tsv",
        'text\tmood\n"so\tup"\tgood\nbread\tbad\n',
        [("so\tup", "good"), ROWS[1]],
    ),
    "tsv of a tool that doubles quotes": (
        "a.tsv",
        'text\tmood\n"a ""b"" c"\tgood\nbread\tbad\n',
        [('a "b" c', "good"), ROWS[1]],
    ),
    "tsv of a tool that quotes everything": (
        "a.tsv",
        '"text"\t"mood"\n"so\tgood\nup"\t"bad"\n',
        [("so\tgood\nup", "bad")],
    ),
    "jsonl files that were joined, with their marks": (
        "a.jsonl",
        b"\xef\xbb\xbf".join([b"", *(line.encode() for line in JSON_LINES.splitlines(keepends=True))]),
        ROWS,
    ),
    "a record without a text": ("a.jsonl", '{"id": 1}\n' + JSON_LINES, [(None, None), *ROWS]),
}


@pytest.mark.parametrize("case", READ)
def test_the_rows_are_right(write, case):
    name, content, rows = READ[case]
    assert read(write(name, content)) == rows


JSON_ARRAY = '[{"text": "soup", "mood": "good"}, {"text": "bread", "mood": "bad"}]'
REFUSED = {
    "a text column in another case": (
        "a.csv",
        "Text,mood\nsoup,good\n",
        1,
        "no column 'text' \\(did you mean 'Text'\\?\\); the columns are: Text, mood",
    ),
    "a space in the header": ("a.csv", "text, mood\nsoup,good\n", 1, "no column 'mood' \\(did you mean ' mood'\\?\\)"),
    "no header": ("a.csv", "I liked the soup very much,good\nbread,bad\n", 1, "is line 1 a row of data?"),
    "no header but numbers": ("a.csv", "soup,1\nbread,0\n", 1, "is line 1 a row of data?"),
    "a comment": ("a.csv", "# made by me\ntext,mood\nsoup,good\n", 1, "is line 1 a comment?"),
    "no such column in semicolons": ("a.csv", "body;label\nsoup;good\n", 1, "the columns are: body, label"),
    "hundreds of columns": ("a.csv", ",".join(f"c{n}" for n in range(500)) + "\n", 1, "c9 and 490 more"),
    "a name asked for that occurs twice": (
        "a.csv",
        "text,mood,text\na,b,c\n",
        1,
        "several columns are named 'text': 1, 3; rename all but one",
    ),
    "separators at the end of the rows alone": (
        "a.csv",
        "text,mood\nsoup,good,,\n",
        2,
        "4 cells, the header has 2; .* end the header with as many",
    ),
    "a cell too many": ("a.csv", "text,mood\nsoup, bread,good\n", 2, "3 cells, .* quote cells that hold a delimiter"),
    "R's names of rows": (
        "a.tsv",
        '"text"\t"mood"\n"1"\t"soup"\t"good"\n',
        2,
        "3 cells, the header has 2; quote cells",
    ),
    "a tab too many": ("a.tsv", "text\tmood\nsoup\tbread\tgood\n", 2, "3 cells, .* save the file as csv or jsonl"),
    "a quote left open": (
        "a.csv",
        'text,mood\nsoup,good\n"bread,bad\nx,good\n',
        3,
        "never closed; lines 3 to 4 are lost in it",
    ),
    "a quoted cell that goes on": ("a.csv", 'text,mood\n"soup" here,good\n', 2, "a quote inside a quoted cell twice"),
    "CR after LF": ("a.csv", "text,mood\nsoup,good\rbread,bad\r", 2, "end all lines the same way"),
    "rows that quotes may join in a tool's tsv": (
        "a.tsv",
        'text\tmood\n"a ""b"" c"\tgood\n"so\tbad\nup"\tgood\n',
        3,
        "lines 3 to 4 are one row if quotes enclose cells, and 2 if they do not; save the file as csv or jsonl",
    ),
    "csv files that were joined": (
        "a.csv",
        "text,mood\nsoup,good\ntext,mood\nbread,bad\n",
        3,
        "the line repeats the header, as where several files were joined; delete it",
    ),
    "csv files that were joined, with their marks": (
        "a.csv",
        "\ufefftext;mood\r\nsoup;good\r\n\ufefftext;mood\r\nbread;bad\r\n",
        3,
        "the line repeats the header",
    ),
    "tsv files that were joined, with quotes": (
        "a.tsv",
        '"text"\t"mood"\nsoup\tgood\n"text"\t"mood"\n',
        3,
        "repeats the",
    ),
    "another Unicode form of a name": (
        "a.csv",
        "t\uff45xt,mood\nsoup,good\n",
        1,
        r"no column 'text' \(did you mean 't\\uff45xt'\?\)",
    ),
    "two byte order marks": ("a.csv", "\ufeff\ufefftext,mood\nsoup,good\n", 1, r"did you mean '\\ufefftext'\?"),
    "jsonl that is called csv": ("a.csv", JSON_LINES, 1, "is this JSON\\? name it .jsonl if each line is an object"),
    "a JSON array that is called csv": ("a.csv", '[{"text": 1}]\n', 1, "is this JSON\\?"),
    "another separator": ("a.csv", "text~mood\nsoup~good\n", 1, "a single name; commas, semicolons, tabs or | stand"),
    "columns of fixed width": ("a.csv", "text     mood\nsoup     good\n", 1, "a single name; commas, semicolons, tabs"),
    "a page of the web": ("a.csv", "<!DOCTYPE html><html>\n", 1, "a single name; commas, semicolons, tabs"),
    "UTF-16 of no Latin letters": (
        "a.csv",
        "\u0442,\u0444\n".encode("utf-16-le"),
        1,
        "control characters: .* is it UTF-8",
    ),
    "UTF-32 without a mark": ("a.csv", "text,mood\n".encode("utf-32-le"), 1, "control characters: .* is it UTF-8"),
    "a database": ("a.csv", b"SQLite format 3\0\x10\0", None, "an SQLite database; export the table as csv"),
    "a PDF": ("a.csv", b"%PDF-1.7\n", None, "a PDF; save its table as csv"),
    "a pickle": ("a.csv", b"\x80\x04\x95\x10\0", None, "a pickle, which is never read"),
    "UTF-16": ("a.csv", "text,mood\nsoup,good\n".encode("utf-16"), 1, "the file is UTF-16; save it as UTF-8"),
    "UTF-16 in jsonl": ("a.jsonl", JSON_LINES.encode("utf-16"), 1, "the file is UTF-16; save it as UTF-8"),
    "UTF-16 without a mark": (
        "a.csv",
        "text,mood\n".encode("utf-16-le"),
        1,
        "UTF-16 without a byte order mark; save it",
    ),
    "UTF-16, most significant byte first": ("a.csv", "text,mood\n".encode("utf-16-be"), 1, "UTF-16 without a byte"),
    "Windows-1252": (
        "a.csv",
        "text,mood\nsoup,good\ncaf\xe9,bad\n".encode("cp1252"),
        3,
        r"byte 0xe9 at position 3 is not UTF-8; save the file as UTF-8 \(the byte is 'é' in Windows-1252\)",
    ),
    "Windows-1252 in a name": ("a.csv", "text,mood,caf\xe9\n".encode("cp1252"), 1, "save the file as UTF-8"),
    "a workbook": ("a.csv", b"PK\x03\x04\x14\0\6\0", None, "an Excel workbook or a zip archive; save the sheet as csv"),
    "an old workbook": ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1", None, "an Excel workbook; save the sheet as csv"),
    "gzip": ("a.jsonl", b"\x1f\x8b\x08\0", None, "compressed with gzip; unpack it first"),
    "parquet": ("a.csv", b"PAR1\x15\x04", None, "a parquet file; give it the suffix .parquet"),
    "a pointer": ("a.csv", "version https://git-lfs.github.com/spec/v1\n", None, "`git lfs pull`"),
    "an empty file": ("a.csv", "", 1, "the file is empty; its first line must name the columns"),
    "blank lines alone": ("a.csv", "\n\n", 1, "the file is empty; its first line must name the columns"),
    "a JSON array": ("a.jsonl", JSON_ARRAY, 1, r"a JSON array, .* `jq -c '.\[\]' data.json > data.jsonl`"),
    "a JSON array in lines": ("a.jsonl", JSON_ARRAY.replace(", {", ",\n{").replace("[", "[\n"), 1, "a JSON array"),
    "pretty-printed JSON": ("a.jsonl", '{\n  "text": "soup",\n  "mood": "good"\n}\n', 1, "several lines, .* `jq -c"),
    "no record has a text": (
        "a.jsonl",
        '{"id": 1, "mood": "good"}\n{"id": 2}\n',
        1,
        "no column 'text'; the columns are: id, mood",
    ),
    "a key twice": (
        "a.jsonl",
        '{"text": "a", "mood": "b", "text": "c"}\n' + JSON_LINES,
        1,
        "the key 'text' occurs twice",
    ),
    "NaN": ("a.jsonl", '{"text": NaN}\n' + JSON_LINES, 1, "NaN is not a JSON number; write null"),
    "half a record": ("a.jsonl", JSON_LINES + '{"text": "x', 3, "not valid JSON: .* at character 10"),
    "Python's notation": ("a.jsonl", JSON_LINES + "{'text': 'x'}\n", 3, "not valid JSON: .* at character 2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_error_names_the_file_the_line_and_the_way_out(write, case):
    name, content, line, message = REFUSED[case]
    path = write(name, content)
    with pytest.raises(TableError, match=message) as caught:
        read(path)
    assert (caught.value.path, caught.value.line) == (path, line)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.xlsx", "save the sheet as csv in UTF-8"),
        ("a.csv.gz", "unpack it first"),
        ("a.json", "name it .jsonl if each line is an object"),
        ("a", "use one of .csv, .tsv, .jsonl"),
    ],
)
def test_an_unknown_suffix_says_what_to_do(tmp_path, name, advice):
    with pytest.raises(TableError, match=advice):
        format_of(tmp_path / name)


def test_a_folder_is_named_as_one(tmp_path):
    with pytest.raises(TableError, match="this is a folder; name a file"):
        format_of(tmp_path)


def test_another_separator_is_logged(write, caplog):
    caplog.set_level(logging.INFO, "mtl_runtime")
    path = write("a.csv", "text;mood\nsoup;good\n")
    read(path)
    assert f"{path} is separated by semicolons" in caplog.messages


@pytest.mark.parametrize("case", ["csv", "tsv"])
def test_rows_that_could_be_one_or_two_are_named(write, caplog, case):
    mark = {"csv": ",", "tsv": "\t"}[case]
    path = write(f"a.{case}", f'text{mark}mood\n"the plot was dull{mark}bad\ni liked the soup"{mark}good\n')
    assert len(read(path)) == {"csv": 1, "tsv": 2}[case]
    (warning,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert warning.getMessage().startswith(f"{path}, lines 2 to 3: read as ")


def test_cells_with_line_breaks_are_no_reason_for_a_warning(write, caplog):
    content = 'text,mood\n"one, two\nthree",good\n"a text\nof, many, commas\nin, lines",bad\n'
    assert len(read(write("a.csv", content))) == 2
    assert [record for record in caplog.records if record.levelno == logging.WARNING] == []


def test_the_limit_of_the_process_for_csv_cells_stays(write):
    assert len(read(write("a.csv", f"text,mood\n{LONG},good\n"))) == 1
    assert csv.field_size_limit() == 131_072


def test_a_cell_beyond_all_limits_is_a_bad_row(write, monkeypatch):
    module = csv_module.csv_module()
    before = module.field_size_limit(1000)
    try:
        path = write("a.csv", f'text,mood\nsoup,good\n"{"x" * 2000}",bad\nbread,bad\n')
        with open_table(path) as table:
            records = list(table.records)
    finally:
        module.field_size_limit(before)
    assert [isinstance(record, BadRow) for record in records] == [False, True, False]
    assert "is a quote left open?" in str(records[1].error)


def test_a_missing_column_knows_the_similar_one(write):
    with pytest.raises(MissingColumnError) as caught:
        read(write("a.csv", "text,MOOD\nsoup,good\n"))
    assert (caught.value.name, caught.value.similar) == ("mood", "MOOD")


def test_advice_is_added_to_the_message_and_not_to_the_problem(write):
    with pytest.raises(MissingColumnError) as caught:
        read(write("a.csv", "body,mood\nsoup,good\n"))
    advised = caught.value.with_advice("; use another")
    assert str(advised) == f"{caught.value}; use another"
    assert (advised.problem, advised.name, advised.line) == (caught.value.problem, "text", 1)


def test_a_bad_first_record_of_a_jsonl_loses_no_other(write):
    with open_table(write("a.jsonl", "no json\n" + JSON_LINES), columns=COLUMNS) as table:
        assert [isinstance(record, BadRow) for record in table.records] == [True, False, False]
        assert table.columns == ("text", "mood")


@pytest.fixture
def write_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")

    def write_columns(arrays, names):
        pq.write_table(pa.table(arrays, names=names), tmp_path / "a.parquet")
        return tmp_path / "a.parquet"

    return pa, write_columns


@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary"])
def test_parquet_reads_any_type_of_text_and_lists_of_labels(write_parquet, kind):
    pa, write_columns = write_parquet
    texts = pa.array(["soup", None, "soup"])
    texts = texts.dictionary_encode() if kind == "dictionary" else texts.cast(kind)
    moods = pa.array([["good", "warm"], [], None], pa.list_(pa.string()))
    assert read(write_columns([texts, moods], COLUMNS)) == [("soup", ["good", "warm"]), (None, []), ("soup", None)]


def test_parquet_with_a_name_twice_says_which(write_parquet):
    pa, write_columns = write_parquet
    path = write_columns([pa.array(["a"])] * 3, ["text", "mood", "text"])
    with pytest.raises(TableError, match="several columns are named 'text'; rename all but one"):
        read(path)


def copy_table(path, format="csv"):
    stream = io.BytesIO()
    with open_table(path, columns=COLUMNS) as table, open_writer(stream, format, source=table, added={}) as copy:
        copy(list(table.rows))
    return stream.getvalue().decode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", ",text,mood,,n,n\n0,soup,good,,1,2\n"),
        ("a.csv", "text;mood\nsoup;good\n"),
        ("a.csv", 'text;mood\n"a; b";"so\nup"\n'),
        ("a.csv", 'text\tmood\nsoup\t"a\tb"\n'),
    ],
)
def test_a_csv_made_from_a_csv_keeps_its_header_and_its_separator(write, name, content):
    assert copy_table(write(name, content)) == content


def test_a_table_of_another_format_has_commas_or_tabs_and_names_for_all_columns(write):
    path = write("a.csv", ";text;mood;mood\n0;soup;good;bad\n")
    assert copy_table(path, "tsv") == "\ttext\tmood\tmood\n0\tsoup\tgood\tbad\n"
    assert copy_table(path, "jsonl") == '{"column 1": "0", "text": "soup", "mood": "good", "column 4": "bad"}\n'
    assert copy_table(write("a.tsv", "text\tmood\nsoup\tgood\n"), "csv") == "text,mood\nsoup,good\n"


cells = st.text(st.sampled_from('ab ,;\t\n"'), max_size=6)


def warnings_of(read_file):
    """What ``read_file`` returns, and the warnings meanwhile; for tests of many examples, where caplog keeps all."""
    warnings = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = warnings.append
    logger = logging.getLogger("mtl_runtime.tables.delimited.cells")
    logger.addHandler(handler)
    try:
        return read_file(), warnings
    finally:
        logger.removeHandler(handler)


def records_of(path):
    with open_table(path, columns=COLUMNS) as table:
        return list(table.records)


@given(st.lists(st.tuples(cells, cells), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_each_row_of_a_tsv_with_quotes_around_some_cells_is_right_or_named(tmp_path_factory, rows, end):
    """As pandas and Excel write it: a row is right, or is refused, or is one of the lines that a warning names."""
    path = tmp_path_factory.mktemp("tsv") / "a.tsv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter="\t", lineterminator=end).writerows([COLUMNS, *rows])
    records, warnings = warnings_of(lambda: records_of(path))
    bad = [record.error for record in records if isinstance(record, BadRow)]
    assert all("are one row if quotes enclose cells" in error.problem for error in bad)
    if not bad and not warnings:
        assert [tuple(record.values.values()) for record in records] == rows


@given(st.lists(st.tuples(*[st.text(st.sampled_from('ab "'), min_size=1, max_size=6)] * 2), max_size=6))
def test_a_tsv_written_without_quotes_loses_no_row_in_silence(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("tsv") / "a.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in [COLUMNS, *rows]), "utf-8")
    records, warnings = warnings_of(lambda: records_of(path))
    assert len(records) == len(rows) or warnings or any(isinstance(record, BadRow) for record in records)
