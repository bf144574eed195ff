"""What a bulk job refuses to mix with another, and what becomes of its bad rows."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mtl_runtime import load
from mtl_runtime.bulk import work_files
from mtl_runtime.bulk.journal import read_header
from mtl_runtime.bulk.predict_file import predict_file
from mtl_runtime.bulk.work_files import WorkFiles
from mtl_runtime.bulk.work_folder import read_job, work_folder_path
from mtl_runtime.core.file_lock import exclusive_lock
from mtl_runtime.errors import MtlError, TableError
from mtl_runtime.tables.row_chunks import ChunkLimits
from tests.runtime.bulk.bulk_jobs import Interrupt, interrupted_after, make_source, predict, whole, with_info


@pytest.fixture
def unfinished(classifier, tmp_path):
    """A job that was interrupted after two chunks: its source and its target."""
    source, target = make_source(tmp_path / "in.csv"), tmp_path / "out.csv"
    with pytest.raises(Interrupt):
        predict(interrupted_after(classifier, 2), source, target)
    return source, target


def test_an_unfinished_job_is_neither_repeated_nor_discarded_unless_asked_to(classifier, unfinished):
    source, target = unfinished
    with pytest.raises(MtlError, match="was started and not finished; --resume continues it, --force starts over"):
        predict(whole(classifier), source, target)
    assert read_job(target) is not None
    assert predict(whole(classifier), source, target, overwrite=True).rows == 30
    assert not work_folder_path(target).exists()


OTHER_JOBS = [
    ({"tasks": ["stars"]}, r'tasks is \["stars"\] and was \["sentiment", "topics", "stars"\]'),
    ({"probabilities": True}, "probabilities is true and was false"),
    ({"prefix": "x."}, 'prefix is "x." and was ""'),
    ({"output_format": "jsonl"}, 'output_format is "jsonl" and was "csv"'),
    ({"limits": ChunkLimits(rows=5)}, "chunk_rows is 5 and was 4"),
]


@pytest.mark.parametrize(("options", "message"), OTHER_JOBS)
def test_another_job_is_refused_and_the_difference_named(classifier, unfinished, options, message):
    source, target = unfinished
    journal = (work_folder_path(target) / "ledger.jsonl").read_bytes()
    with pytest.raises(MtlError, match=f"was started as another job: {message}; .* --force"):
        predict(whole(classifier), source, target, resume=True, **options)
    assert (work_folder_path(target) / "ledger.jsonl").read_bytes() == journal


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("variant", "cpu-int8", 'variant is "cpu-int8" and was "cpu-fp32"'),
        ("max_batch_tokens", 7, "max_batch_tokens is 7 and was 1000000"),
        ("workers", 3, "workers is 3 and was 1"),
        ("threads", 2, "threads is 2 and was 1"),
        ("digest", "0" * 64, "bundle is"),
    ],
)
def test_a_classifier_that_runs_differently_is_another_job(classifier, unfinished, field, value, message):
    with pytest.raises(MtlError, match=message):
        predict(with_info(whole(classifier), **{field: value}), *unfinished, resume=True)


def test_a_changed_input_is_another_job_and_a_copy_is_not(classifier, unfinished, tmp_path):
    source, target = unfinished
    copy = tmp_path / "copy.csv"
    copy.write_bytes(source.read_bytes())
    with source.open("a") as stream:
        stream.write("31,good\n")
    with pytest.raises(MtlError, match="the input is another file, or was changed"):
        predict(whole(classifier), source, target, resume=True)
    assert predict(whole(classifier), copy, target, resume=True).rows == 30


def test_an_input_that_changes_while_it_is_read_gives_no_output(classifier, tmp_path):
    source, target = make_source(tmp_path / "in.csv"), tmp_path / "out.csv"

    def append(rows, share):
        with source.open("a") as stream:
            stream.write("31,good\n")

    with pytest.raises(MtlError, match="was changed while it was read; start over with --force"):
        predict(classifier, source, target, progress=append)
    assert not target.exists()


def test_the_policy_for_bad_rows_may_change_between_runs(classifier, tmp_path):
    source, target = make_source(tmp_path / "in.csv", bad=(17, 18)), tmp_path / "out.csv"
    with pytest.raises(TableError, match="line 19: the row has 1 cells") as caught:
        predict(classifier, source, target)
    assert "16 rows are done and kept; --resume continues" in caught.value.__notes__[0]
    summary = predict(classifier, source, target, resume=True, rejects=tmp_path / "bad.jsonl")
    assert (summary.rows, summary.bad_rows.count) == (28, 2)
    predict(classifier, source, tmp_path / "plain.csv", on_bad_row="skip")
    assert target.read_bytes() == (tmp_path / "plain.csv").read_bytes()


@pytest.mark.parametrize(
    ("bad", "end"),
    [
        ((2,), "(--on-bad-row skip, or --rejects FILE, leaves it out)"),
        ((2, 3, 9, 29), "(and 3 more bad rows; --on-bad-row skip, or --rejects FILE, leaves them out)"),
    ],
)
def test_the_error_about_a_bad_row_counts_those_after_it(classifier, tmp_path, bad, end):
    source = make_source(tmp_path / "in.csv", bad=bad)
    with pytest.raises(TableError, match="line 4: the row has 1 cells") as caught:
        predict(classifier, source, tmp_path / "out.csv")
    assert str(caught.value).endswith(end)


def test_of_a_stream_the_bad_rows_that_were_read_are_counted(classifier, tmp_path):
    stream = io.BytesIO(make_source(tmp_path / "in.csv", bad=(0, 3, 9)).read_bytes())
    with pytest.raises(TableError, match=r"line 2: .* \(and at least 1 more bad row; --on-bad-row skip"):
        predict(classifier, stream, tmp_path / "out.csv", input_format="csv")


def test_bad_rows_that_were_left_out_stop_a_run_that_refuses_them(classifier, tmp_path):
    source, target = make_source(tmp_path / "in.csv", bad=(1,)), tmp_path / "out.csv"
    with pytest.raises(Interrupt):
        predict(interrupted_after(classifier, 2), source, target, on_bad_row="skip")
    with pytest.raises(TableError, match=r"line 3: the row has 1 cells.* \(--on-bad-row skip, .* leaves it out\)"):
        predict(whole(classifier), source, target, resume=True)


@pytest.mark.parametrize("target", ["out.jsonl", "out.csv"])
def test_a_first_record_without_a_text_is_one_bad_row(classifier, tmp_path, target):
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": 1}\n{"id": 2, "text": "good"}\n{"id": 3, "text": "bad"}\n')
    with pytest.raises(TableError, match="line 1, column 'text': the text is missing"):
        predict(classifier, source, tmp_path / target)
    summary = predict(classifier, source, tmp_path / target, on_bad_row="skip")
    assert (summary.rows, summary.bad_rows.count) == (2, 1)


@pytest.mark.parametrize("stream", [False, True])
def test_bad_rows_go_to_the_rejects_file_with_their_reason(classifier, tmp_path, stream):
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "good", "n": 1}\n{"text": null, "n": 2}\nno json\n{"text": 5}\n{"text": "bad"}\n')
    target, rejects = tmp_path / "out.jsonl", tmp_path / "bad.jsonl"
    table = io.BytesIO(source.read_bytes()) if stream else source
    summary = predict_file(classifier, table, target, input_format="jsonl", rejects=rejects)
    assert (summary.rows, summary.bad_rows.count) == (2, 3)
    rejected = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(bad["line"], bad["column"], bad["row"]) for bad in rejected] == [
        (2, "text", {"text": None, "n": 2}),
        (3, None, "no json"),
        (4, "text", {"text": 5}),
    ]
    assert [bad["reason"].partition(":")[0] for bad in rejected] == [
        "the text is missing",
        "not valid JSON",
        "expected a str, found int",
    ]


def test_a_row_that_is_not_utf8_is_rejected_alone(classifier, tmp_path):
    source = tmp_path / "in.csv"
    source.write_bytes(b"text\ngood\ncaf\xe9\nbad\n")
    with pytest.raises(TableError, match="line 3: byte 0xe9 at position 3 is not UTF-8"):
        predict(classifier, source, tmp_path / "out.csv")
    assert predict(classifier, source, tmp_path / "out.csv", rejects=tmp_path / "bad.jsonl").rows == 2
    (bad,) = map(json.loads, (tmp_path / "bad.jsonl").read_text().splitlines())
    assert (bad["line"], bad["row"]) == (3, None)


@pytest.mark.parametrize("stream", [False, True])
def test_a_rejects_file_is_whole_or_absent_and_replaces_none(classifier, tmp_path, stream):
    source, rejects = make_source(tmp_path / "in.csv", bad=(2,)), tmp_path / "bad.jsonl"
    table = io.BytesIO(source.read_bytes()) if stream else source
    rejects.write_text("precious")
    with pytest.raises(MtlError, match=r"bad\.jsonl exists already; give --force"):
        predict(classifier, table, tmp_path / "out.csv", input_format="csv", rejects=rejects)
    assert rejects.read_text() == "precious"
    assert sorted(tmp_path.iterdir()) == [rejects, source]
    with pytest.raises(MtlError, match="which is the input or the output"):
        predict(classifier, source, tmp_path / "out.csv", rejects=source)


def test_without_bad_rows_the_rejects_file_is_empty(classifier, tmp_path):
    predict(classifier, make_source(tmp_path / "in.csv"), tmp_path / "out.csv", rejects=tmp_path / "bad.jsonl")
    assert (tmp_path / "bad.jsonl").read_bytes() == b""


def test_of_two_processes_that_write_one_output_the_second_is_refused(bundle_path, classifier, tmp_path):
    source, target = make_source(tmp_path / "in.csv", rows=8), tmp_path / "out.csv"
    refused = []

    def try_again(_rows, _share):
        code = (
            "import sys; from pathlib import Path; from mtl_runtime import load\n"
            "from mtl_runtime.bulk.predict_file import predict_file; bundle, source, target = map(Path, sys.argv[1:])\n"
            "predict_file(load(bundle, threads=1), source, target, overwrite=True)\n"
        )
        argv = [sys.executable, "-c", code, bundle_path, source, target]
        refused.append(subprocess.run(argv, capture_output=True, text=True, check=False))

    predict(classifier, source, target, limits=ChunkLimits(rows=8), progress=try_again)
    assert [run.returncode for run in refused] == [1, 1]
    assert all(f"another process is writing {target}" in run.stderr for run in refused)
    assert len(target.read_text().splitlines()) == 9


def test_where_an_open_lock_keeps_the_work_folder_in_place_it_is_removed_after_unlocking(
    classifier, tmp_path, monkeypatch
):
    source, target = make_source(tmp_path / "in.csv"), tmp_path / "out.csv"
    rename = Path.rename

    def rename_unless_locked(self, new):
        with exclusive_lock(WorkFiles.of(target).lock, what=str(target)):
            pass
        return rename(self, new)

    monkeypatch.setattr(work_files, "_CAN_RENAME_WITH_OPEN_FILES", False)
    monkeypatch.setattr(Path, "rename", rename_unless_locked)
    assert predict(classifier, source, target).rows == 30
    assert sorted(tmp_path.iterdir()) == [source, target]


def test_a_work_folder_that_another_process_locked_before_it_was_removed_is_left_to_that_process(
    classifier, tmp_path, monkeypatch
):
    source, target = make_source(tmp_path / "in.csv"), tmp_path / "out.csv"

    def refuse(self, new):
        raise PermissionError(13, "in use")

    monkeypatch.setattr(work_files, "_CAN_RENAME_WITH_OPEN_FILES", False)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        assert predict(classifier, source, target).rows == 30
    assert work_folder_path(target).exists()
    assert predict(classifier, source, target, resume=True).rows == 30
    assert sorted(tmp_path.iterdir()) == [source, target]


def test_a_journal_of_another_version_is_refused(classifier, unfinished):
    source, target = unfinished
    journal = work_folder_path(target) / "ledger.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"schema_version": 1', b'"schema_version": 2'))
    with pytest.raises(MtlError, match="has schema version 2, this mtl-export reads 1; start over with --force"):
        predict(classifier, source, target, resume=True)
    journal.write_bytes(b"{}}\n")
    with pytest.raises(MtlError, match=r"cannot be read .* start over with --force"):
        predict(classifier, source, target, resume=True)


def test_the_journal_records_what_decides_the_bits(bundle_path, tmp_path):
    classifier = load(bundle_path, threads=4, workers=2, max_batch_tokens=10**6, long_text="windows")
    with pytest.raises(Interrupt):
        predict(interrupted_after(classifier, 1), make_source(tmp_path / "in.csv"), tmp_path / "out.csv")
    job = read_job(tmp_path / "out.csv")
    assert (job.variant, job.max_batch_tokens, job.workers, job.threads) == ("cpu-fp32", 10**6, 2, 2)
    assert job.load_arguments.items() >= {"threads": 4, "workers": 2, "long_text": "windows"}.items()
    assert classifier.info.onnxruntime in job.versions.values()
    assert read_header(work_folder_path(tmp_path / "out.csv") / "ledger.jsonl").job == job


def test_a_stream_cannot_be_resumed(classifier, tmp_path):
    with pytest.raises(MtlError, match="only a job from a file to a file can be resumed"):
        predict_file(classifier, io.BytesIO(b"good\n"), tmp_path / "out.csv", resume=True)


def test_an_output_that_is_no_file_is_refused_before_anything_is_done(classifier, tmp_path):
    source = make_source(tmp_path / "in.csv")
    with pytest.raises(MtlError, match="is not a regular file that could be replaced"):
        predict(classifier, source, tmp_path, overwrite=True, output_format="csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_read_once_like_stdin(classifier, tmp_path):
    pipe = tmp_path / "in.csv"
    os.mkfifo(pipe)
    with subprocess.Popen([sys.executable, "-c", f"open({str(pipe)!r}, 'w').write('text\\ngood\\n')"]):
        assert predict(classifier, pipe, tmp_path / "out.csv").rows == 1


def test_the_error_about_a_text_that_is_too_long_names_its_line(bundle_path, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("n,text\n0,good\n1\n2,bad\n" + f"3,{'good ' * 50}\n", "utf-8")
    strict = load(bundle_path, threads=1, long_text="error")
    with pytest.raises(TableError, match=r"in\.csv, line 5, column 'text': has more than the 16 tokens"):
        predict(strict, source, tmp_path / "out.csv", on_bad_row="skip")


def test_another_aggregate_or_limit_is_another_job(bundle_path, tmp_path):
    source, target = make_source(tmp_path / "in.csv"), tmp_path / "out.csv"
    windowed = load(bundle_path, threads=1, long_text="windows", max_batch_tokens=10**6)
    with pytest.raises(Interrupt):
        predict(interrupted_after(windowed, 1), source, target)
    wishes = {"threads": 1, "long_text": "windows", "max_batch_tokens": 10**6}
    for wish, message in (
        ({"aggregate": {"stars": "max"}}, r"aggregate\[stars\] is max and was mean"),
        ({"max_text_bytes": 60}, "max_text_bytes is 60 and was 65536"),
    ):
        with pytest.raises(MtlError, match=message):
            predict(load(bundle_path, **wishes, **wish), source, target, resume=True)
