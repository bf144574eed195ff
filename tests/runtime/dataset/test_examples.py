"""Labelled files become examples; what was read is logged, but no text of it."""

import logging
import os

import pytest

from mtl_runtime.dataset.examples import find_columns, iter_labelled_file, read_labelled_file, warn_of_twin_columns
from mtl_runtime.dataset.label_cells import LabelColumn
from mtl_runtime.errors import EncodingError, TableError

TASKS = {"tone": LabelColumn(column="tone", kind="single_label", labels=("good", "bad"))}


@pytest.fixture
def write(tmp_path):
    def write_bytes(data):
        file = tmp_path / "data.csv"
        file.write_bytes(data)
        return file

    return write_bytes


def test_each_row_becomes_an_example_with_the_labels_it_has(write):
    file = write(b"text,tone\nfine soup,good\nno label,\n")
    first, second = read_labelled_file(file, text="text", tasks=TASKS, source=3)
    assert (first.text, first.labels, first.source, first.path, first.line) == (
        "fine soup",
        {"tone": "good"},
        3,
        str(file),
        2,
    )
    assert (second.labels, second.line) == ({}, 3)


BAD_ROWS = [
    (
        b"text,tone\nfine,good\nsoup,badd\nlast,bad\n",
        "line 3, column 'tone': unknown label 'badd'; did you mean 'bad'?",
    ),
    (b"text,tone\nfine,good\nsoup\nlast,bad\n", "line 3: the row has 1 cells"),
]


@pytest.mark.parametrize(("data", "message"), BAD_ROWS)
def test_a_bad_row_is_an_error_or_is_skipped_by_the_callers_choice(write, data, message):
    file = write(data)
    with pytest.raises(TableError) as caught:
        read_labelled_file(file, text="text", tasks=TASKS)
    assert message in str(caught.value)
    errors = []
    examples = list(iter_labelled_file(file, text="text", tasks=TASKS, on_bad=errors.append))
    assert [example.text for example in examples] == ["fine", "last"]
    assert [str(error) for error in errors] == [str(caught.value)]


def test_bytes_that_are_not_utf8_are_an_error_whatever_the_caller_chose(write):
    file = write(b"text,tone\nfine,good\ncaf\xe9,bad\n")
    with pytest.raises(EncodingError, match="line 3: byte 0xe9"):
        list(iter_labelled_file(file, text="text", tasks=TASKS, on_bad=lambda _error: None))


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"text,tone\n", "the file has no rows"), (b"text,mood\nfine,good\n", "there is no column 'tone'")],
)
def test_a_file_without_rows_or_without_a_column_is_an_error(write, data, message):
    with pytest.raises(TableError, match=message):
        read_labelled_file(write(data), text="text", tasks=TASKS)


def test_a_file_separated_by_semicolons_has_the_same_columns_for_whoever_reads_it(write):
    file = write(b"text;tone;price, EUR\nfine;good;1,5\n")
    assert find_columns(file, trained=()) == ("text", {"text", "tone", "price, EUR"})
    assert [example.labels for example in read_labelled_file(file, text="text", tasks=TASKS)] == [{"tone": "good"}]


def test_the_columns_of_a_jsonl_are_those_of_its_good_rows(tmp_path):
    file = tmp_path / "data.jsonl"
    file.write_text('{"id": 1}\nno json\n{"text": "fine", "tone": "good"}\n')
    assert find_columns(file, trained=["sentence"]) == ("text", {"id", "text", "tone"})


def test_a_file_whose_rows_are_all_malformed_has_rows(write):
    errors = []
    file = write(b"text,tone\n1,fine,good\n2,soup,bad\n")
    assert list(iter_labelled_file(file, text="text", tasks=TASKS, on_bad=errors.append)) == []
    assert [error.line for error in errors] == [2, 3]


def test_the_number_of_rows_is_logged_and_no_text(write, caplog):
    caplog.set_level(logging.DEBUG, "mtl_runtime")
    file = write(b"text,tone\nfine soup,good\nawful soup,bad\n")
    read_labelled_file(file, text="text", tasks=TASKS)
    assert ("mtl_runtime.dataset.examples", logging.DEBUG, f"read 2 rows of {file}") in caplog.record_tuples
    assert "soup" not in caplog.text


@pytest.mark.parametrize(
    ("bad", "more"), [(1, ""), (2, " (and 1 more bad row)"), (1200, " (and at least 1,000 more bad rows)")]
)
def test_the_error_about_a_bad_row_says_how_many_more_there_are(write, bad, more):
    file = write(b"text,tone\nfine,good\n" + b"soup,salty\n" * bad)
    with pytest.raises(TableError) as caught:
        read_labelled_file(file, text="text", tasks=TASKS)
    assert str(caught.value).startswith(f"{file}, line 3, column 'tone': unknown label 'salty'; ")
    assert str(caught.value).endswith(f"the labels are: good, bad{more}")


def test_a_key_that_looks_like_one_that_is_read_is_named_with_its_first_line(tmp_path, caplog):
    file = tmp_path / "data.jsonl"
    file.write_text('{"text": "fine", "tone": "good"}\n' + '{"text": "soup", "Tone": "bad"}\n' * 2)
    rows = read_labelled_file(file, text="text", tasks=TASKS)
    assert [row.labels for row in rows] == [{"tone": "good"}, {}, {}]
    assert caplog.messages == [f"{file}, line 2: the key 'Tone' is not read, 'tone' is; write it alike in all records"]


def test_a_task_whose_column_is_spelled_otherwise_is_named(tmp_path, caplog):
    warn_of_twin_columns(tmp_path / "data.csv", ["tone", "topic", "stars"], {"tone", "text", "Topic"})
    assert caplog.messages == [
        f"{tmp_path / 'data.csv'}: labels are read from a column 'topic', and there is only 'Topic', which is not read"
    ]


def test_a_pipe_is_refused_where_a_file_is_read_twice(tmp_path):
    os.mkfifo(tmp_path / "data.csv")
    with pytest.raises(
        TableError, match=r"data\.csv: this is a pipe or a device, which can be read only once; save it"
    ):
        find_columns(tmp_path / "data.csv", trained=())
