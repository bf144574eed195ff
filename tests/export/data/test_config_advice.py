"""The error about a data file of a training run says which key of the config helps, and how many rows are bad."""

import pytest

from mtl_export.config import SourceConfig, TaskConfig
from mtl_export.data.splits import read_splits
from mtl_runtime.dataset import examples
from mtl_runtime.errors import MissingColumnError, TableError

TASKS = {"topic": TaskConfig(labels=("film", "food"))}


def error_of(folder, content, *, sources=1, tasks=TASKS, bad_rows="error", **options):
    (folder / "data.csv").write_text(content, "utf-8")
    source = SourceConfig(**{"train": (str(folder / "data.csv"),), "holdout": 0.5, **options})
    with pytest.raises(TableError) as caught:
        read_splits([source] * sources, tasks, bad_rows=bad_rows)
    return str(caught.value)


def test_a_missing_text_column_names_the_key_with_the_similar_column(tmp_path):
    message = error_of(tmp_path, "Text,topic\na,film\nb,food\n")
    assert message.endswith('the columns are: Text, topic; name the texts\' column with text = "Text" in [data]')


def test_a_missing_text_column_like_no_other_leaves_the_name_open(tmp_path):
    assert error_of(tmp_path, "body,topic\na,film\n").endswith('text = "..." in [data]')


def test_a_missing_label_column_names_the_key_of_its_task(tmp_path):
    message = error_of(tmp_path, "text,Topic\na,film\nb,food\n")
    assert message.endswith('; name it with column = "Topic" in [tasks.topic]')
    tasks = {"topic": TaskConfig(column="subject")}
    assert error_of(tmp_path, "text,subjects\na,film\n", tasks=tasks).endswith('column = "subjects" in [tasks.topic]')


def test_with_several_sources_a_missing_label_column_may_be_on_purpose(tmp_path):
    message = error_of(tmp_path, "text,tone\na,film\n", sources=2)
    assert message.endswith(
        'column = "..." in [tasks.topic], or the tasks that the file has with tasks = [...] in [[data.sources]]'
    )


def test_a_missing_column_stays_an_error_of_its_kind(tmp_path):
    (tmp_path / "data.csv").write_text("body\na\n")
    with pytest.raises(MissingColumnError, match="no column 'text'"):
        read_splits([SourceConfig(train=(str(tmp_path / "data.csv"),), holdout=0.5)], TASKS)


@pytest.mark.parametrize(
    ("bad", "end"),
    [
        (1, '(bad_rows = "skip" in [data] leaves it out)'),
        (2, '(and 1 more bad row; bad_rows = "skip" in [data] leaves them out)'),
        (13, '(and 12 more bad rows; bad_rows = "skip" in [data] leaves them out)'),
    ],
)
def test_the_error_about_the_first_bad_row_counts_the_others(tmp_path, bad, end):
    rows = "a,film\n" + "b,foood\n" * bad + "c,food\n"
    message = error_of(tmp_path, f"text,topic\n{rows}")
    assert message.endswith(f"line 3, column 'topic': unknown label 'foood'; did you mean 'food'? {end}")


def test_counting_ends_after_a_thousand_bad_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "_MOST_COUNTED", 5)
    assert "(and at least 5 more bad rows; " in error_of(tmp_path, "text,topic\n" + "b,x\n" * 20)


def test_a_file_whose_rows_are_all_malformed_is_not_called_empty(tmp_path):
    message = error_of(tmp_path, "text,topic\n1,a,film\n2,b,food\n")
    assert "line 2: the row has 3 cells, the header has 2" in message
    assert "and 1 more bad row" in message


def test_the_first_record_of_a_jsonl_may_lack_the_text(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"id": 1}\n{"text": "a", "topic": "film"}\n{"text": "b", "topic": "film"}\n')
    source = SourceConfig(train=(str(path),), holdout=0.5)
    with pytest.raises(TableError, match="line 1, column 'text': the text is"):
        read_splits([source], TASKS)
    splits = read_splits([source], TASKS, bad_rows="skip")
    assert [row.line for row in splits["train"].skipped] == [1]
    assert sum(len(split.rows) for split in splits.values()) == 2
