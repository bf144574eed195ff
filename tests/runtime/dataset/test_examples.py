"""Labelled files become examples; what was read is logged, but no text of it."""

import logging

import pytest

from mtl_runtime.dataset.examples import find_columns, read_labelled_file
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
        list(read_labelled_file(file, text="text", tasks=TASKS))
    assert message in str(caught.value)
    errors = []
    examples = list(read_labelled_file(file, text="text", tasks=TASKS, on_bad=errors.append))
    assert [example.text for example in examples] == ["fine", "last"]
    assert [str(error) for error in errors] == [str(caught.value)]


def test_bytes_that_are_not_utf8_are_an_error_whatever_the_caller_chose(write):
    file = write(b"text,tone\nfine,good\ncaf\xe9,bad\n")
    with pytest.raises(EncodingError, match="line 3: byte 0xe9"):
        list(read_labelled_file(file, text="text", tasks=TASKS, on_bad=lambda _error: None))


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"text,tone\n", "the file has no rows"), (b"text,mood\nfine,good\n", "there is no column 'tone'")],
)
def test_a_file_without_rows_or_without_a_column_is_an_error(write, data, message):
    with pytest.raises(TableError, match=message):
        list(read_labelled_file(write(data), text="text", tasks=TASKS))


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
    assert list(read_labelled_file(file, text="text", tasks=TASKS, on_bad=errors.append)) == []
    assert [error.line for error in errors] == [2, 3]


def test_the_number_of_rows_is_logged_and_no_text(write, caplog):
    caplog.set_level(logging.DEBUG, "mtl_runtime")
    file = write(b"text,tone\nfine soup,good\nawful soup,bad\n")
    list(read_labelled_file(file, text="text", tasks=TASKS))
    assert ("mtl_runtime.dataset.examples", logging.DEBUG, f"read 2 rows of {file}") in caplog.record_tuples
    assert "soup" not in caplog.text
