"""A job that is resumed although an earlier run finished it: nothing is left to do, or the output is of another job."""

import pytest

from mtl_runtime.bulk.work_folder import work_folder_path
from mtl_runtime.errors import MtlError
from tests.runtime.bulk.bulk_jobs import Interrupt, interrupted_after, make_source, predict, whole

FORMATS = ["csv", "tsv", "jsonl", "parquet"]


@pytest.mark.parametrize("target_format", FORMATS)
@pytest.mark.parametrize("source_format", FORMATS)
def test_a_finished_job_answers_nothing_again(classifier, tmp_path, source_format, target_format):
    if "parquet" in (source_format, target_format):
        pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    source, target = make_source(tmp_path / f"in.{source_format}", bad=(0, 7)), tmp_path / f"out.{target_format}"
    first = predict(whole(classifier), source, target, on_bad_row="skip", resume=True)
    written = target.read_bytes()
    again = predict(interrupted_after(classifier, -2), source, target, on_bad_row="skip", resume=True)
    assert (again.rows, again.bad_rows.count, again.finished_before) == (28, 2, True)
    assert list(map(str, again.bad_rows.first)) == list(map(str, first.bad_rows.first))
    assert not first.finished_before
    assert target.read_bytes() == written
    assert not work_folder_path(target).exists()


def test_texts_with_every_kind_of_quoting_are_recognized(classifier, tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text(
        r'{"text": "a \"b\",\tc\nd\r\ne"}' + "\n" + '{"text": ""}\n' + r'{"text": " é \\ "}' + "\n", "utf-8"
    )
    for target in (tmp_path / "out.csv", tmp_path / "out.tsv", tmp_path / "out.jsonl"):
        predict(classifier, source, target)
        assert predict(classifier, source, target, resume=True).finished_before


def append_a_row(source, target):
    source.write_text(source.read_text() + "30,good\n")


def remove_the_last_answer(source, target):
    target.write_text("".join(target.read_text().splitlines(keepends=True)[:-1]))


def change_a_text(source, target):
    source.write_text(source.read_text().replace("good", "awful", 1))


def empty_the_output(source, target):
    target.write_bytes(b"")


def replace_by_the_input(source, target):
    target.write_bytes(source.read_bytes())


@pytest.mark.parametrize(
    "change", [append_a_row, remove_the_last_answer, change_a_text, empty_the_output, replace_by_the_input]
)
def test_an_output_of_another_input_is_refused_and_stays(classifier, tmp_path, change):
    source, target = make_source(tmp_path / "in.csv"), tmp_path / "out.csv"
    predict(classifier, source, target)
    change(source, target)
    before = target.read_bytes()
    with pytest.raises(MtlError, match="has other texts or columns than this job; give --force"):
        predict(classifier, source, target, resume=True)
    assert target.read_bytes() == before


def test_an_output_without_the_columns_that_are_asked_for_is_refused(classifier, tmp_path):
    source, target = make_source(tmp_path / "in.csv"), tmp_path / "out.csv"
    predict(classifier, source, target, tasks=["sentiment"])
    assert predict(classifier, source, target, tasks=["sentiment"], resume=True).finished_before
    with pytest.raises(MtlError, match="other texts or columns"):
        predict(classifier, source, target, resume=True)


def test_unfinished_work_next_to_an_output_is_finished_first(classifier, tmp_path):
    source, target = make_source(tmp_path / "in.csv"), tmp_path / "out.csv"
    predict(classifier, source, target)
    with pytest.raises(Interrupt):
        predict(interrupted_after(classifier, 2), source, target, overwrite=True)
    resumed = predict(whole(classifier), source, target, resume=True)
    assert (resumed.rows, resumed.finished_before) == (30, False)
