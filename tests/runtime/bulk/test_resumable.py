"""A bulk job that was interrupted, wherever, ends in the bytes of one that was not."""

import random
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_runtime.bulk.work_folder import work_folder_path
from mtl_runtime.tables.row_chunks import ChunkLimits
from tests.runtime.bulk.bulk_jobs import POSIX, Interrupt, interrupted_after, make_source, predict, whole, with_run

FORMATS = ["csv", "tsv", "jsonl", "parquet"]


@pytest.mark.parametrize("target_format", FORMATS)
@pytest.mark.parametrize("source_format", FORMATS)
def test_a_job_that_was_interrupted_ends_in_the_bytes_of_one_that_was_not(
    classifier, tmp_path, source_format, target_format
):
    if "parquet" in (source_format, target_format):
        pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    source = make_source(tmp_path / f"in.{source_format}", bad=(0, 5, 6, 29))
    plain, resumed = tmp_path / f"plain.{target_format}", tmp_path / f"resumed.{target_format}"
    expected = predict(whole(classifier), source, plain, rejects=tmp_path / "plain.bad")
    for chunks in (1, 0, 3):
        with pytest.raises(Interrupt):
            predict(interrupted_after(classifier, chunks), source, resumed, rejects=tmp_path / "bad", resume=True)
        assert not resumed.exists()
        assert not (tmp_path / "bad").exists()
    summary = predict(whole(classifier), source, resumed, rejects=tmp_path / "bad", resume=True)
    assert resumed.read_bytes() == plain.read_bytes()
    assert (tmp_path / "bad").read_bytes() == (tmp_path / "plain.bad").read_bytes()
    assert (summary.rows, summary.truncated, summary.bad_rows.count) == (26, expected.truncated, 4)
    assert list(map(str, summary.bad_rows.first)) == list(map(str, expected.bad_rows.first))
    assert not work_folder_path(resumed).exists()


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 30),
    bad=st.sets(st.integers(0, 29), max_size=12),
    runs=st.lists(st.integers(0, 4), max_size=4),
    chunk=st.integers(1, 9),
)
def test_any_split_into_interrupted_runs_gives_the_same_bytes(classifier, tmp_path_factory, rows, bad, runs, chunk):
    folder = tmp_path_factory.mktemp("split")
    source = make_source(folder / "in.csv", rows=rows, bad=tuple(bad))
    options = {"limits": ChunkLimits(rows=chunk), "rejects": folder / "bad"}
    predict(whole(classifier), source, folder / "plain.csv", **{**options, "rejects": folder / "plain.bad"})
    for chunks in runs:
        if (folder / "out.csv").exists():
            break
        with suppress(Interrupt):
            predict(interrupted_after(classifier, chunks), source, folder / "out.csv", resume=True, **options)
    if not (folder / "out.csv").exists():
        predict(whole(classifier), source, folder / "out.csv", resume=True, **options)
    assert (folder / "out.csv").read_bytes() == (folder / "plain.csv").read_bytes()
    assert (folder / "bad").read_bytes() == (folder / "plain.bad").read_bytes()


@settings(max_examples=40, deadline=None)
@given(file=st.sampled_from(["ledger.jsonl", "output", "rejects"]), share=st.floats(0, 1), junk=st.binary(max_size=9))
def test_whatever_a_disk_lost_of_the_work_is_computed_again(classifier, tmp_path_factory, file, share, junk):
    folder = tmp_path_factory.mktemp("lost")
    source = make_source(folder / "in.csv", bad=(1, 9, 17))
    predict(whole(classifier), source, folder / "plain.csv", on_bad_row="skip")
    with pytest.raises(Interrupt):
        predict(interrupted_after(classifier, 5), source, folder / "out.csv", on_bad_row="skip")
    damaged = work_folder_path(folder / "out.csv") / file
    data = damaged.read_bytes()
    start = data.find(b"\n") + 1 if file == "ledger.jsonl" else 0  # without its first line it is no job
    damaged.write_bytes(data[: start + round(share * (len(data) - start))] + junk)
    predict(whole(classifier), source, folder / "out.csv", on_bad_row="skip", resume=True)
    assert (folder / "out.csv").read_bytes() == (folder / "plain.csv").read_bytes()


def test_finished_rows_are_not_classified_again(classifier, tmp_path):
    source = make_source(tmp_path / "in.csv", rows=40)
    with pytest.raises(Interrupt):
        predict(interrupted_after(classifier, 7), source, tmp_path / "out.csv")
    seen = []

    def run(batch, outputs):
        seen.append(len(batch.input_ids))
        return classifier.run_batch(batch, outputs)

    predict(with_run(whole(classifier), run), source, tmp_path / "out.csv", resume=True)
    assert sum(seen) == 40 - 7 * 4


@POSIX
@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_a_kill_before_any_step_loses_and_repeats_nothing(bundle_path, tmp_path, name):
    source = make_source(tmp_path / name, rows=10, bad=(2, 7))
    script = "tests.runtime.bulk.kill_at_every_step"
    argv = [sys.executable, "-m", script, bundle_path, source, tmp_path / f"out{source.suffix}", tmp_path / "bad"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


@POSIX
def test_kills_at_random_moments_end_in_the_same_bytes(bundle_path, classifier, tmp_path):
    source = make_source(tmp_path / "in.csv", rows=6000, bad=(100, 3000))
    predict(classifier, source, tmp_path / "plain.csv", on_bad_row="skip", limits=ChunkLimits(rows=16))
    code = (
        "import sys; from pathlib import Path; from mtl_runtime import load\n"
        "from mtl_runtime.tables.row_chunks import ChunkLimits\n"
        "from mtl_runtime.bulk.predict_file import predict_file; bundle, source, target = map(Path, sys.argv[1:])\n"
        "classifier = load(bundle, threads=1)\n"
        "predict_file(classifier, source, target, on_bad_row='skip', resume=True, limits=ChunkLimits(rows=16))\n"
    )
    argv = [sys.executable, "-c", code, bundle_path, source, tmp_path / "out.csv"]
    journal = work_folder_path(tmp_path / "out.csv") / "ledger.jsonl"
    draw = random.Random(1)
    kills = 0
    for _ in range(5):
        before = journal.stat().st_size if journal.exists() else 0
        with subprocess.Popen(argv) as process:
            while process.poll() is None and (not journal.exists() or journal.stat().st_size <= before):
                time.sleep(0.001)
            time.sleep(draw.uniform(0, 0.02))
            process.kill()
        kills += process.returncode == -signal.SIGKILL
    assert kills == 5, "the job is too short to be killed five times"
    subprocess.run(argv, check=True)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()


@POSIX
def test_a_full_disk_is_an_error_and_finished_chunks_are_kept(bundle_path, classifier, tmp_path):
    source = make_source(tmp_path / "in.csv", rows=40)
    code = (
        "import sys, resource; from pathlib import Path; from mtl_runtime import load\n"
        "from mtl_runtime.tables.row_chunks import ChunkLimits\n"
        "from mtl_runtime.bulk.predict_file import predict_file\n"
        "bundle, source, target = map(Path, sys.argv[1:]); classifier = load(bundle, threads=1)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2500, 2500))\n"
        "predict_file(classifier, source, target, limits=ChunkLimits(rows=4))\n"
    )
    argv = [sys.executable, "-c", code, bundle_path, source, tmp_path / "out.csv"]
    full = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert re.search(r"out\.csv cannot be written: File too large\n\d+ rows are done and kept", full.stderr)
    assert (work_folder_path(tmp_path / "out.csv") / "output").stat().st_size == 2500  # half a chunk is there
    predict(classifier, source, tmp_path / "out.csv", resume=True)
    predict(classifier, source, tmp_path / "plain.csv")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()


def test_a_finished_output_whose_folder_was_not_removed_is_only_tidied_up(classifier, tmp_path, monkeypatch):
    source = make_source(tmp_path / "same.csv", bad=(3,))
    monkeypatch.setattr("mtl_runtime.bulk.work_folder.remove_folder", lambda _folder, _after_unlock: None)
    options = {"on_bad_row": "skip", "tasks": ["stars"]}
    first = predict(classifier, source, source, overwrite=True, **options)
    answers = source.read_bytes()
    monkeypatch.undo()
    assert work_folder_path(source).exists()

    def run(batch, outputs):
        raise AssertionError("nothing is left to be classified")

    again = predict(with_run(classifier, run), source, source, resume=True, **options)
    assert source.read_bytes() == answers
    assert (again.rows, again.bad_rows.count) == (first.rows, first.bad_rows.count) == (29, 1)
    assert not work_folder_path(source).exists()


def test_csv_to_parquet_keeps_the_schema_of_its_first_rows_through_an_interruption(classifier, tmp_path):
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    source, target = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    source.write_text("".join(f'{{"text": "good {n}", "x": {n if n < 4 else n + 0.5}}}\n' for n in range(3)))
    with source.open("a") as stream:
        stream.write("".join(f'{{"text": "bad {n}", "x": null}}\n' for n in range(13)))
    with pytest.raises(Interrupt):
        predict(interrupted_after(classifier, 1), source, target)
    predict(whole(classifier), source, target, resume=True)
    assert str(pq.read_schema(target).field("x").type) == "int64"
    assert pq.read_table(target)["x"].to_pylist() == [0, 1, 2, *[None] * 13]


def test_first_rows_that_are_all_bad_decide_no_parquet_schema(classifier, tmp_path):
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    source, target = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    source.write_text('{"text": null, "x": 1}\n' * 4 + '{"text": "good", "x": 1}\n')
    predict(classifier, source, target, on_bad_row="skip")
    assert pq.read_table(target)["x"].to_pylist() == [1]


def test_memory_does_not_grow_with_the_rows(classifier, tmp_path):
    def peak(rows):
        source = make_source(tmp_path / f"{rows}.csv", rows=rows, bad=tuple(range(0, rows, 3)))
        tracemalloc.start()
        predict(
            classifier,
            source,
            tmp_path / f"out{rows}.csv",
            on_bad_row="skip",
            tasks=["stars"],
            limits=ChunkLimits(rows=50),
        )
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(200)  # what is loaded once
    assert peak(4000) < 1.3 * peak(1000)
