"""Data files to examples: labels of every kind, missing ones, and one clear error for each bad input."""

import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_export.config import TaskConfig
from mtl_export.data.examples import (
    Examples,
    SkippedRow,
    SourceFiles,
    check_not_empty,
    read_examples,
)
from mtl_export.errors import DataError
from mtl_runtime.errors import TableError

TONE = TaskConfig(labels=("negative", "neutral", "positive"))
TAGS = TaskConfig(kind="multi_label", labels=("film", "food", "music"))
STARS = TaskConfig(kind="regression")
FORMATS = ["csv", "tsv", "jsonl", "parquet"]


def write(folder, format, records, name="data"):
    """Write ``records`` (dicts with the same keys) in ``format``; None is an absent cell."""
    path = folder / f"{name}.{format}"
    if format == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    elif format == "jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    else:
        mark = {"csv": ",", "tsv": "\t"}[format]
        lines = [list(records[0]), *(["" if cell is None else str(cell) for cell in row.values()] for row in records)]
        path.write_text("".join(mark.join(cells) + "\n" for cells in lines), "utf-8")
    return path


def read(path, bad_rows="error", *, text="text", **tasks):
    return read_examples([SourceFiles(text=text, files=(str(path),), tasks=tuple(tasks))], tasks, bad_rows=bad_rows)


def error_of(path, **tasks):
    with pytest.raises(TableError) as caught:
        read(path, **tasks)
    error = caught.value
    assert error.path == path
    assert str(error).startswith(str(path))
    return error


def label_of(tmp_path, task, value):
    """The label that one jsonl cell gives."""
    path = write(tmp_path, "jsonl", [{"text": "x", "task": value}])
    return read(path, task=task).rows[0].labels.get("task", "missing")


@pytest.mark.parametrize("format", FORMATS)
def test_rows_keep_order_text_labels_and_place(tmp_path, format):
    records = [
        {"text": "a good film", "tone": "positive", "tags": "film", "stars": "4.5"},
        {"text": "dull, dull" if format != "csv" else "dull dull", "tone": "negative", "tags": "|", "stars": "1"},
    ]
    examples = read(write(tmp_path, format, records), tone=TONE, tags=TAGS, stars=STARS)
    assert [row.text for row in examples.rows] == [record["text"] for record in records]
    assert [row.labels for row in examples.rows] == [
        {"tone": "positive", "tags": ("film",), "stars": 4.5},
        {"tone": "negative", "tags": (), "stars": 1.0},
    ]
    first = 1 if format in ("jsonl", "parquet") else 2
    assert [row.line for row in examples.rows] == [first, first + 1]
    assert examples.skipped == ()
    assert examples.files == (str(tmp_path / f"data.{format}"),)


def test_sources_are_read_in_order_with_their_own_columns_and_tasks(tmp_path):
    first = write(tmp_path, "csv", [{"text": "a", "tone": "positive"}], "first")
    second = write(tmp_path, "jsonl", [{"body": "b", "rating": 3}], "second")
    third = write(tmp_path, "tsv", [{"body": "c", "rating": 2}], "third")
    tasks = {"tone": TONE, "stars": TaskConfig(kind="regression", column="rating")}
    examples = read_examples(
        [
            SourceFiles(text="text", files=(str(first),), tasks=("tone",)),
            SourceFiles(text="body", files=(str(second), str(third)), tasks=("stars",)),
        ],
        tasks,
    )
    assert [(row.text, row.source, dict(row.labels)) for row in examples.rows] == [
        ("a", 0, {"tone": "positive"}),
        ("b", 1, {"stars": 3.0}),
        ("c", 1, {"stars": 2.0}),
    ]
    assert examples.files == (str(first), str(second), str(third))


@pytest.mark.parametrize("format", FORMATS)
def test_a_missing_text_column_lists_the_columns(tmp_path, format):
    error = error_of(write(tmp_path, format, [{"body": "a", "tone": "positive"}]), tone=TONE)
    assert error.problem == "there is no column 'text'; the columns are: body, tone"
    assert error.line == 1


@pytest.mark.parametrize("format", FORMATS)
def test_a_missing_label_column_lists_the_columns(tmp_path, format):
    error = error_of(write(tmp_path, format, [{"text": "a", "ton": "positive"}]), tone=TONE)
    assert error.problem == "there is no column 'tone' (did you mean 'ton'?); the columns are: text, ton"
    assert error.line == 1


def test_a_missing_label_column_is_named_by_the_configs_column(tmp_path):
    error = error_of(write(tmp_path, "csv", [{"text": "a", "tone": "x"}]), tone=TaskConfig(column="mood"))
    assert "no column 'mood'" in error.problem


@pytest.mark.parametrize("format", FORMATS)
def test_an_unknown_label_names_file_line_and_column_and_the_nearest_label(tmp_path, format):
    records = [{"text": "a", "tone": "positive"}, {"text": "b", "tone": "postive"}]
    error = error_of(write(tmp_path, format, records), tone=TONE)
    line = 2 if format in ("jsonl", "parquet") else 3
    assert (error.line, error.column) == (line, "tone")
    assert error.problem == "unknown label 'postive'; did you mean 'positive'?"
    assert f"line {line}, column 'tone'" in str(error)


def test_an_unknown_label_like_no_other_lists_the_labels(tmp_path):
    error = error_of(write(tmp_path, "csv", [{"text": "a", "tone": "xyz"}]), tone=TONE)
    assert error.problem == "unknown label 'xyz'; the labels are: negative, neutral, positive"


def test_an_unknown_label_inside_a_multi_label_cell_is_found(tmp_path):
    error = error_of(write(tmp_path, "csv", [{"text": "a", "tags": "film|fod"}]), tags=TAGS)
    assert error.problem == "unknown label 'fod'; did you mean 'food'?"
    assert (error.line, error.column) == (2, "tags")


def test_any_label_is_taken_where_the_config_names_none(tmp_path):
    path = write(tmp_path, "csv", [{"text": "a", "tone": "odd"}, {"text": "b", "tone": "even"}])
    assert [row.labels["tone"] for row in read(path, tone=TaskConfig()).rows] == ["odd", "even"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("text", ["", "   ", "\u200b"])
def test_an_empty_or_blank_text_is_a_text_as_it_is_in_the_runtime(tmp_path, format, text):
    records = [{"text": "a", "tone": "positive"}, {"text": text, "tone": "positive"}]
    assert [row.text for row in read(write(tmp_path, format, records), tone=TONE).rows] == ["a", text]


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_a_missing_text_names_its_place(tmp_path, format):
    error = error_of(write(tmp_path, format, [{"text": "a", "tone": "x"}, {"text": None, "tone": "x"}]))
    assert (error.problem, error.line, error.column) == ("the text is missing", 2, "text")


def test_a_text_that_is_no_text_names_its_place(tmp_path):
    error = error_of(write(tmp_path, "jsonl", [{"text": "a"}, {"text": 7}]))
    assert (error.problem, error.line, error.column) == ("expected a str, found int", 2, "text")


def test_a_text_over_the_limit_is_cut_between_two_characters_and_one_line_says_how_many_were(tmp_path, caplog):
    path = write(tmp_path, "jsonl", [{"text": "a"}, {"text": "ab" * 40_000}, {"text": "a" + "é" * 40_000}])
    with caplog.at_level("INFO", "mtl_runtime"):
        texts = [row.text for row in read(path).rows]
    assert [len(text.encode()) for text in texts] == [1, 65_536, 65_535]
    assert texts[2] == "a" + "é" * 32_767
    line = f"{path}: 2 texts are longer than 65536 bytes and read up to there, the first in line 2"
    assert [record.message for record in caplog.records if record.levelname == "INFO"] == [line]


@pytest.mark.parametrize(("format", "mark"), [("csv", ","), ("tsv", "\t")])
@pytest.mark.parametrize("cells", [["b"], ["b", "positive", "more"]])
def test_a_ragged_row_names_its_line(tmp_path, format, mark, cells):
    path = tmp_path / f"data.{format}"
    path.write_text(f"text{mark}tone\na{mark}positive\n{mark.join(cells)}\n")
    error = error_of(path, tone=TONE)
    assert error.problem.startswith(f"the row has {len(cells)} cells, the header has 2")
    assert error.line == 3


def test_a_line_that_is_no_json_object_names_its_line(tmp_path):
    path = tmp_path / "data.jsonl"
    for line in ('{"text": "b"', '["b"]', "NaN", '{"text": NaN}'):
        path.write_text(f'{{"text": "a"}}\n{line}\n')
        assert error_of(path).line == 2


@pytest.mark.parametrize("format", ["csv", "tsv", "jsonl"])
def test_a_wrong_encoding_names_the_line_even_where_bad_rows_are_skipped(tmp_path, format):
    path = write(tmp_path, format, [{"text": "a", "tone": "positive"}, {"text": "cafe", "tone": "positive"}])
    path.write_bytes(path.read_bytes().replace(b"cafe", b"caf\xe9"))
    error = error_of(path, tone=TONE)
    assert error.line == (2 if format == "jsonl" else 3)
    assert "is not UTF-8; save the file as UTF-8" in error.problem
    with pytest.raises(TableError, match="UTF-8"):
        read(path, "skip", tone=TONE)


def test_utf_16_and_a_damaged_parquet_file_are_named(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("text,tone\na,positive\n", "utf-16")
    assert "UTF-16" in error_of(path, tone=TONE).problem
    path = tmp_path / "data.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    assert "not a parquet file" in error_of(path, tone=TONE).problem


def test_a_missing_file_an_empty_file_a_lone_header_and_an_unknown_suffix_are_named(tmp_path):
    assert "cannot be opened" in error_of(tmp_path / "no.csv").problem
    (tmp_path / "empty.csv").touch()
    assert "the file is empty" in error_of(tmp_path / "empty.csv").problem
    (tmp_path / "header.csv").write_text("text,tone\n")
    assert error_of(tmp_path / "header.csv", tone=TONE).problem == "the file has no rows"
    (tmp_path / "data.xlsx").touch()
    assert "unknown suffix '.xlsx'" in error_of(tmp_path / "data.xlsx").problem


@pytest.mark.parametrize("format", ["csv", "tsv"])
@pytest.mark.parametrize("cell", ["", "  "])
def test_an_empty_or_blank_cell_is_a_missing_label_of_every_kind(tmp_path, format, cell):
    records = [{"text": "a", "tone": cell, "tags": cell, "stars": cell}]
    assert read(write(tmp_path, format, records), tone=TONE, tags=TAGS, stars=STARS).rows[0].labels == {}


def test_null_an_absent_key_and_an_empty_string_are_missing_labels_in_jsonl(tmp_path):
    records = [
        {"text": "a"},
        {"text": "b", "tone": None, "tags": None, "stars": None},
        {"text": "c", "tone": "", "tags": "", "stars": ""},
        {"text": "d", "tone": "neutral", "tags": [], "stars": 0},
    ]
    rows = read(write(tmp_path, "jsonl", records), tone=TONE, tags=TAGS, stars=STARS).rows
    assert [dict(row.labels) for row in rows] == [{}, {}, {}, {"tone": "neutral", "tags": (), "stars": 0.0}]


def test_null_and_nan_are_missing_labels_in_parquet(tmp_path):
    columns = {
        "text": ["a", "b", "c"],
        "tone": ["positive", None, "neutral"],
        "tags": pa.array([["film"], None, []], pa.list_(pa.string())),
        "stars": [1.5, math.nan, None],
        "empty": pa.array([math.nan] * 3),
    }
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table(columns), path)
    rows = read(path, tone=TONE, tags=TAGS, stars=STARS, empty=TONE).rows
    assert [dict(row.labels) for row in rows] == [
        {"tone": "positive", "tags": ("film",), "stars": 1.5},
        {},
        {"tone": "neutral", "tags": ()},
    ]


@pytest.mark.parametrize(
    ("value", "label"), [("a", "a"), (" a ", "a"), (0, "0"), (-7, "-7"), (2.0, "2"), (True, "true"), (False, "false")]
)
def test_a_single_label_is_a_word_a_whole_number_or_a_bool(tmp_path, value, label):
    assert label_of(tmp_path, TaskConfig(), value) == label


def test_whole_numbers_and_bools_of_parquet_are_labels(tmp_path):
    path = write(tmp_path, "parquet", [{"text": "a", "n": 3, "b": True}, {"text": "b", "n": 10, "b": False}])
    rows = read(path, n=TaskConfig(labels=("3", "10")), b=TaskConfig(labels=("true", "false"))).rows
    assert [dict(row.labels) for row in rows] == [{"n": "3", "b": "true"}, {"n": "10", "b": "false"}]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            1.5,
            'a label is a word or a whole number, found 1.5; read numbers with kind = "regression", or write them as',
        ),
        (["a"], "found the list ['a'], and a single_label task has one label for each text; read lists with kind = "),
        ({"a": 1}, "a label is a word or a whole number, found {'a': 1}"),
    ],
)
def test_a_single_label_of_another_type_is_an_error(tmp_path, value, problem):
    error = error_of(write(tmp_path, "jsonl", [{"text": "x", "task": value}]), task=TaskConfig())
    assert error.problem.startswith(problem)
    assert (error.line, error.column) == (1, "task")


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        ("film", ("film",)),
        ("film|food", ("film", "food")),
        (" film | food ", ("film", "food")),
        ("food|film|food", ("food", "film")),
        ("film|", ("film",)),
        ("|", ()),
        (" | ", ()),
        ([], ()),
        (["film", "food"], ("film", "food")),
        ("", "missing"),
        (None, "missing"),
    ],
)
def test_a_multi_label_cell_holds_any_number_of_labels(tmp_path, value, labels):
    assert label_of(tmp_path, TAGS, value) == labels


@pytest.mark.parametrize("value", [3, True, 1.5, {"film": 1}, ["film", None], ["film", 1.5], [""], ["film|food"]])
def test_a_multi_label_cell_of_another_shape_is_an_error(tmp_path, value):
    error = error_of(write(tmp_path, "jsonl", [{"text": "x", "task": value}]), task=TaskConfig(kind="multi_label"))
    assert (error.line, error.column) == (1, "task")


words = st.text(st.characters(codec="utf-8", exclude_characters="|", categories=["L", "N", "P"]), min_size=1)


@given(st.lists(words, unique=True, max_size=5))
def test_a_joined_cell_and_a_list_say_the_same(tmp_path_factory, labels):
    folder = tmp_path_factory.mktemp("cells")
    task = TaskConfig(kind="multi_label")
    joined = label_of(folder, task, "|".join(labels) or "|")
    assert joined == label_of(folder, task, labels) == tuple(labels)


@pytest.mark.parametrize(("value", "number"), [("4.5", 4.5), (" 4 ", 4.0), (3, 3.0), (-1e-3, -1e-3), ("1e3", 1000.0)])
def test_a_regression_cell_is_a_number(tmp_path, value, number):
    assert label_of(tmp_path, STARS, value) == number


@pytest.mark.parametrize("value", ["four", "4,5", True, [4], "inf", "-inf", "nan", "1e39", 10**400, 1e39])
def test_a_regression_cell_that_is_no_finite_number_is_an_error(tmp_path, value):
    error = error_of(write(tmp_path, "jsonl", [{"text": "x", "task": value}]), task=STARS)
    assert error.problem.startswith(f"expected a finite number, found {repr(value)[:77]}")
    assert (error.line, error.column) == (1, "task")


def test_skipping_bad_rows_keeps_the_good_ones_and_lists_the_others_with_their_reasons(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("text,tone,stars\na,positive,1\nb,postive,2\nc,neutral\n,neutral,3\nd,neutral,many\ne,,4\n")
    examples = read(path, "skip", tone=TONE, stars=STARS)
    assert [(row.text, row.line) for row in examples.rows] == [("a", 2), ("", 5), ("e", 7)]
    assert examples.skipped == (
        SkippedRow(path=str(path), line=3, reason="column 'tone': unknown label 'postive'; did you mean 'positive'?"),
        SkippedRow(
            path=str(path), line=4, reason="the row has 2 cells, the header has 3; quote cells that hold a delimiter"
        ),
        SkippedRow(path=str(path), line=6, reason="column 'stars': expected a finite number, found 'many'"),
    )


def test_skipping_bad_rows_works_in_jsonl_and_parquet_too(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "a", "tone": "positive"}\n{"text": \n{"text": null, "tone": "neutral"}\n')
    examples = read(path, "skip", tone=TONE)
    assert (len(examples.rows), [row.line for row in examples.skipped]) == (1, [2, 3])
    path = write(tmp_path, "parquet", [{"text": "a", "tone": "positive"}, {"text": "b", "tone": "x"}])
    examples = read(path, "skip", tone=TONE)
    assert (len(examples.rows), [row.line for row in examples.skipped]) == (1, [2])


def test_a_missing_column_is_an_error_even_where_bad_rows_are_skipped(tmp_path):
    with pytest.raises(TableError, match="there is no column 'tone'"):
        read(write(tmp_path, "jsonl", [{"text": "a"}]), "skip", tone=TONE)


def test_a_split_of_which_every_row_was_skipped_is_refused(tmp_path):
    examples = read(write(tmp_path, "csv", [{"text": "a", "tone": "x"}, {"text": "b", "tone": "y"}]), "skip", tone=TONE)
    with pytest.raises(DataError) as caught:
        check_not_empty(examples, "training")
    assert str(caught.value) == (
        f"the training split has no usable row: all of its 2 rows were skipped; {tmp_path / 'data.csv'}, line 2: "
        "column 'tone': unknown label 'x'; the labels are: negative, neutral, positive"
    )
    with pytest.raises(DataError, match="the validation split has no rows"):
        check_not_empty(Examples(rows=(), skipped=(), files=("train.csv",)), "validation")
    check_not_empty(Examples(rows=read(write(tmp_path, "csv", [{"text": "a"}])).rows, skipped=(), files=()), "training")


def test_a_file_is_read_without_any_task(tmp_path):
    assert read(write(tmp_path, "csv", [{"text": "a", "tone": "x"}])).rows[0].labels == {}
