"""Jobs over many files: parts, records and manifest, interrupted and resumed anywhere."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_runtime.cluster.engines.engine import EngineOptions
from mtl_runtime.cluster.engines.index import run_here, select_by_index
from mtl_runtime.cluster.job_folder import JobFolder
from mtl_runtime.cluster.manifest import check_output, read_manifest
from mtl_runtime.cluster.worker import Outcome
from mtl_runtime.errors import MissingColumnError, MtlError
from mtl_runtime.tables.readers import open_table
from tests.runtime.cluster.sharded_jobs import (
    HERE,
    TINY_BUNDLE,
    Interrupt,
    contents,
    failing_after,
    make_texts,
    run,
    write_input,
)

FORMATS = ["csv", "jsonl", "parquet", "txt"]


def rows_of(folder, *, columns=("text",)):
    """The rows of all parts, in the order of their names."""
    rows = []
    for path in sorted(folder.glob("part-*")):
        with open_table(path) as table:
            rows += [tuple(row.values[name] for name in columns) for row in table.rows]
    return rows


def problems(folder):
    opened = JobFolder.open(str(folder))
    return [(problem.name, problem.problem) for problem in check_output(opened, read_manifest(opened))]


@pytest.mark.parametrize("target", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("source", FORMATS)
def test_the_parts_hold_each_row_with_its_answers_in_order(classifier, tmp_path, source, target):
    if "parquet" in (source, target):
        pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    texts = make_texts(40)
    if source == "txt":
        texts = [text.replace("\n", " ") for text in texts]
    inputs = [write_input(tmp_path / f"in{n}.{source}", part) for n, part in enumerate((texts[:25], texts[25:]))]
    summary = run(inputs, tmp_path / "out", output_format=target)
    assert summary.is_complete
    assert (summary.rows, summary.bad_rows) == (40, 0)
    assert summary.shards == summary.done >= 4
    written = rows_of(tmp_path / "out", columns=("text", "sentiment"))
    expected = [
        (text, prediction["sentiment"].label) for text, prediction in zip(texts, classifier(texts), strict=True)
    ]
    assert written == expected
    assert problems(tmp_path / "out") == []


def test_a_parquet_keeps_its_schema_and_its_metadata(tmp_path):
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    import pyarrow.parquet as pq

    source = write_input(tmp_path / "in.parquet", make_texts(30))
    run([source], tmp_path / "out")
    before = pq.read_schema(source)
    for part in (tmp_path / "out").glob("part-*"):
        schema = pq.read_schema(part)
        assert [schema.field(name) for name in before.names] == list(before)
        assert schema.metadata[b"note"] == b"kept"
    assert pq.read_table(tmp_path / "out").num_rows == 30


def test_the_parts_of_a_jsonl_have_one_schema_whatever_their_own_first_rows_are(tmp_path):
    pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    import pyarrow.parquet as pq

    rows = [{"text": "good", "score": 0.5}, *({"text": "bad", "score": 1} for _ in range(11))]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run([tmp_path / "in.jsonl"], tmp_path / "out", shard_rows=3, output_format="parquet")
    schemas = {str(pq.read_schema(part)) for part in (tmp_path / "out").glob("part-*")}
    assert len(schemas) == 1
    assert "score: double" in schemas.pop()


def test_the_manifest_tells_rows_and_hash_of_each_part(tmp_path):
    source = write_input(tmp_path / "in.csv", ["good", None, *make_texts(20)])
    run([source], tmp_path / "out", on_bad_row="skip")
    files = contents(tmp_path / "out")
    manifest = json.loads(files["_manifest.json"])
    assert (manifest["rows"], manifest["bad_rows"]) == (21, 1)
    assert [part["name"] for part in manifest["parts"]] == sorted(name for name in files if name.startswith("part-"))
    for part in manifest["parts"]:
        assert part["sha256"] == hashlib.sha256(files[part["name"]]).hexdigest()
        assert part["input"] == str(source)
    assert files["_SUCCESS"].decode().strip() == hashlib.sha256(files["_manifest.json"]).hexdigest()


@settings(max_examples=10, deadline=None)
@given(
    rows=st.integers(1, 40),
    bad=st.sets(st.integers(0, 39), max_size=6),
    runs=st.lists(st.integers(0, 3), max_size=4),
    shard_rows=st.integers(1, 12),
    source=st.sampled_from(["csv", "jsonl"]),
)
def test_any_split_into_interrupted_runs_gives_the_same_bytes(tmp_path_factory, rows, bad, runs, shard_rows, source):
    folder = tmp_path_factory.mktemp("split")
    texts = [None if row in bad else text for row, text in enumerate(make_texts(rows))]
    inputs = [write_input(folder / f"in.{source}", texts)]
    run(inputs, folder / "plain", shard_rows=shard_rows, rejects=str(folder / "plain-rejects"))
    for shards in runs:
        with suppress(Interrupt):
            options = {"engine": failing_after(shards), "rejects": str(folder / "rejects")}
            run(inputs, folder / "out", shard_rows=shard_rows, resume=True, **options)
    run(inputs, folder / "out", shard_rows=shard_rows, resume=True, rejects=str(folder / "rejects"))
    assert contents(folder / "out") == contents(folder / "plain")
    if bad & set(range(rows)):
        assert contents(folder / "rejects") == contents(folder / "plain-rejects")
    assert {path.name for path in (folder / "out").iterdir()} - contents(folder / "out").keys() == {"_mtl"}


def test_what_is_listed_is_never_done_again(tmp_path):
    source = write_input(tmp_path / "in.csv", make_texts(40))
    ran = []

    def counting(task, shards, options):
        ran.extend(shards)
        return (
            failing_after(2).run(task, shards, options) if len(ran) == len(shards) else run_here(task, shards, options)
        )

    with pytest.raises(Interrupt):
        run([source], tmp_path / "out", engine=replace(HERE, run=counting))
    run([source], tmp_path / "out", engine=replace(HERE, run=counting), resume=True)
    assert ran == [0, 1, 2, 3, 4, 5, 3, 4, 5]  # the third was done when the process ended, and is listed
    summary = run([source], tmp_path / "out", engine=replace(HERE, run=counting), resume=True)
    assert len(ran) == 9
    assert summary.finished_before


@pytest.mark.parametrize("damage", [lambda part: part.unlink(), lambda part: part.write_bytes(b"torn")])
def test_a_part_that_was_lost_before_the_job_was_complete_is_computed_again(tmp_path, damage):
    source = write_input(tmp_path / "in.csv", make_texts(40))
    run([source], tmp_path / "plain")
    with pytest.raises(Interrupt):
        run([source], tmp_path / "out", engine=failing_after(3))
    damage(next(iter((tmp_path / "out").glob("part-*"))))
    run([source], tmp_path / "out", resume=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")


def test_a_record_that_is_torn_or_of_another_job_does_not_count(tmp_path):
    source = write_input(tmp_path / "in.csv", make_texts(40))
    run([source], tmp_path / "plain")
    with pytest.raises(Interrupt):
        run([source], tmp_path / "out", engine=failing_after(3))
    first, second, *_ = sorted((tmp_path / "out" / "_mtl" / "done").iterdir())
    first.write_bytes(first.read_bytes()[:-9])
    second.write_text(second.read_text().replace(json.loads(second.read_text())["job"], 64 * "0"))
    run([source], tmp_path / "out", resume=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")


def test_a_check_names_what_is_missing_doubled_or_changed(tmp_path):
    run([write_input(tmp_path / "in.csv", make_texts(40))], tmp_path / "out")
    first, second, third, *_ = sorted((tmp_path / "out").glob("part-*"))
    (tmp_path / "out" / "part-000099-00000000.csv").write_bytes(first.read_bytes())
    first.unlink()
    second.write_bytes(second.read_bytes() + b"\n")
    third.write_bytes(third.read_bytes().replace(b"0", b"1"))
    assert [name for name, _ in problems(tmp_path / "out")] == [
        first.name,
        second.name,
        third.name,
        "part-000099-00000000.csv",
    ]
    assert ["missing" in what or "bytes" in what or "second time" in what for _, what in problems(tmp_path / "out")]


def test_a_manifest_that_was_changed_is_noticed_and_an_unfinished_output_has_none(tmp_path):
    source = write_input(tmp_path / "in.csv", make_texts(40))
    with pytest.raises(Interrupt):
        run([source], tmp_path / "out", engine=failing_after(1))
    with pytest.raises(MtlError, match="is not complete: it has no _SUCCESS; --resume continues the job"):
        problems(tmp_path / "out")
    run([source], tmp_path / "out", resume=True)
    manifest = tmp_path / "out" / "_manifest.json"
    manifest.write_text(manifest.read_text().replace('"rows": 40', '"rows": 41'))
    with pytest.raises(MtlError, match="was changed"):
        problems(tmp_path / "out")


def test_a_shard_that_fails_is_given_up_and_the_rest_goes_on(tmp_path):
    source = write_input(tmp_path / "in.csv", [*make_texts(15), None, *make_texts(14)])
    advice = r"1 of 5 shards failed, 4 are done; shard 2: .*in\.csv, line \d+: .*--resume tries them again"
    with pytest.raises(MtlError, match=advice):
        run([source], tmp_path / "out")
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    assert len(list((tmp_path / "out").glob("part-*"))) == 4
    run([source], tmp_path / "out", resume=True, rejects=str(tmp_path / "rejects"))
    (rejected,) = (tmp_path / "rejects").iterdir()
    assert rejected.name.startswith("part-000002-")
    assert json.loads(rejected.read_text())["line"]
    assert len(rows_of(tmp_path / "out")) == 29


def test_an_error_that_may_pass_is_tried_again_so_often(tmp_path, monkeypatch):
    monkeypatch.setattr("mtl_runtime.cluster.predict_files.time.sleep", lambda seconds: None)
    source = write_input(tmp_path / "in.csv", make_texts(20))
    tries = []

    def unlucky(task, shards, options):
        for outcome in run_here(task, shards, options):
            tries.append(outcome.shard)
            lost = outcome.shard == 1 and tries.count(1) < 3
            yield Outcome.lost(outcome.shard, "the machine is gone") if lost else outcome

    with pytest.raises(MtlError, match="shard 1: the machine is gone"):
        run([source], tmp_path / "out", engine=replace(HERE, run=unlucky), attempts=2)
    tries.clear()
    run([source], tmp_path / "again", engine=replace(HERE, run=unlucky), attempts=3)
    assert tries.count(1) == 3


def test_a_job_that_differs_is_refused_with_the_difference(tmp_path):
    source = write_input(tmp_path / "in.csv", make_texts(40))
    with pytest.raises(Interrupt):
        run([source], tmp_path / "out", engine=failing_after(1))
    with pytest.raises(MtlError, match="was started and not finished; --resume continues it, --force starts over"):
        run([source], tmp_path / "out")
    for changes, difference in (
        ({"tasks": ["sentiment"]}, "tasks is "),
        ({"shard_rows": 8}, "shard_rows is 8 and was 7"),
        ({"output_format": "jsonl"}, 'output_format is "jsonl" and was "csv"'),
        ({"load_options": {"max_batch_tokens": 64}}, "max_batch_tokens is 64"),
    ):
        with pytest.raises(MtlError, match=f"was started as another job: {difference}"):
            run([source], tmp_path / "out", resume=True, **changes)
    other = write_input(tmp_path / "other.csv", make_texts(3))
    with pytest.raises(MtlError, match=r"the inputs are 2 files and were 1, of which .*other\.csv is only in one list"):
        run([source, other], tmp_path / "out", resume=True)
    os.utime(source, ns=(1, 1))
    with pytest.raises(MtlError, match=r"in\.csv was changed"):
        run([source], tmp_path / "out", resume=True)


def test_an_input_that_changes_while_the_job_runs_gives_no_part(tmp_path):
    source = write_input(tmp_path / "in.csv", make_texts(40))

    def changing(task, shards, options):
        for outcome in run_here(task, shards, options):
            yield outcome
            os.utime(source, ns=(1, 1))

    with pytest.raises(MtlError, match="the file was changed after the job was planned; start over with --force"):
        run([source], tmp_path / "out", engine=replace(HERE, run=changing))
    assert len(list((tmp_path / "out").glob("part-*"))) == 1


def test_force_replaces_a_job_and_leaves_other_files_alone(tmp_path):
    source = write_input(tmp_path / "in.csv", make_texts(40))
    run([source], tmp_path / "out")
    with pytest.raises(MtlError, match="exists already; name another output, or replace it with --force"):
        run([source], tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    before = {path.name for path in (tmp_path / "out").glob("part-*")}
    run([source], tmp_path / "out", overwrite=True, shard_rows=11)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    assert not before & {path.name for path in (tmp_path / "out").glob("part-*")}
    assert len(rows_of(tmp_path / "out")) == 40


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_is_no_job_is_left_as_it_is(tmp_path, force):
    source = write_input(tmp_path / "in.csv", make_texts(4))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "part-000000-00000000.csv").write_text("somebody's")
    with pytest.raises(MtlError, match=r"exists already and holds part-000000-00000000\.csv; name another output"):
        run([source], tmp_path / "out", overwrite=force)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["part-000000-00000000.csv"]


def test_a_job_that_cannot_start_leaves_nothing(tmp_path):
    source = write_input(tmp_path / "in.csv", make_texts(4))
    with pytest.raises(MissingColumnError):
        run([source], tmp_path / "out", column="body")
    assert not any((tmp_path / "out").iterdir())
    with pytest.raises(MtlError, match="there is no such file, or nothing in it"):
        run([tmp_path / "absent.csv"], tmp_path / "out")
    with pytest.raises(MtlError, match="the same file twice among the inputs; name it once"):
        run([source, tmp_path / "*.csv"], tmp_path / "out")
    run([source], tmp_path / "out")
    with pytest.raises(MtlError, match="is an input and lies in the output"):
        run([next((tmp_path / "out").glob("part-*"))], tmp_path / "out", resume=True)


def test_folders_and_patterns_are_read_in_order_and_marks_of_engines_left_out(tmp_path):
    texts = make_texts(12)
    for number, name in enumerate(("b/2.csv", "b/1.csv", "a.csv", "b/deep/3.csv", "b/_SUCCESS", "b/_temporary/4.csv")):
        write_input(tmp_path / "in" / name, texts[2 * number : 2 * number + 2])
    run([tmp_path / "in"], tmp_path / "out")
    assert [text for (text,) in rows_of(tmp_path / "out")] == [*texts[4:6], *texts[2:4], *texts[:2], *texts[6:8]]
    run([tmp_path / "in" / "b" / "*.csv"], tmp_path / "pattern")
    assert [text for (text,) in rows_of(tmp_path / "pattern")] == [*texts[2:4], *texts[:2]]


def test_a_worker_with_another_bundle_or_other_packages_stops_the_job(tmp_path, monkeypatch):
    source = write_input(tmp_path / "in.csv", make_texts(20))
    other = shutil.copytree(TINY_BUNDLE.with_name("tiny_bundle_version_1"), tmp_path / "other")

    def elsewhere(task, shards, options):
        return run_here(replace(task, bundle=str(other)), shards, options)

    with pytest.raises(MtlError, match="is not the one of the job; copy the same bundle to all machines"):
        run([source], tmp_path / "out", engine=replace(HERE, run=elsewhere))
    monkeypatch.setattr("mtl_runtime.cluster.worker.deciding_versions", lambda: {"numpy": "0.1"})
    with pytest.raises(MtlError, match=r"is absent on .* and .* where the job was started; install the same version"):
        run([source], tmp_path / "out", resume=True)


def test_processes_of_an_array_share_the_shards_and_the_last_one_completes_the_job(tmp_path, monkeypatch):
    source = write_input(tmp_path / "in.csv", make_texts(50))
    run([source], tmp_path / "plain")
    array = replace(HERE, select=select_by_index)
    for index in (2, 0, 1):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
        summary = run([source], tmp_path / "out", engine=array, options=EngineOptions(where="3"))
        assert summary.is_complete == (index == 1)
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")
    assert run([source], tmp_path / "out", engine=array, options=EngineOptions(where="3")).finished_before


def test_progress_tells_rows_and_share(tmp_path):
    calls = []
    source = write_input(tmp_path / "in.csv", make_texts(40))
    run([source], tmp_path / "out", progress=lambda rows, share: calls.append((rows, share)))
    assert calls[0] == (0, 0.0)
    assert calls[-1][0] == 40
    assert calls[-1][1] > 0.99
    assert calls == sorted(calls)


def test_the_records_tell_where_and_when_a_part_was_made(tmp_path):
    started = time.time()
    run([write_input(tmp_path / "in.csv", make_texts(9))], tmp_path / "out")
    folder = JobFolder.open(str(tmp_path / "out"))
    done = folder.read_done(folder.read_job())
    assert sorted(done) == [0, 1]
    assert all(started <= record.finished <= time.time() for record in done.values())
    assert all(record.machine and record.host and record.seconds > 0 for record in done.values())


def test_the_example_of_one_machine_runs_as_it_stands(tmp_path):
    example = Path(__file__).parents[3] / "examples" / "scale" / "local_job.py"
    write_input(tmp_path / "in" / "a.csv", make_texts(20))
    command = [sys.executable, example, TINY_BUNDLE, tmp_path / "in", tmp_path / "out"]
    for _ in range(2):  # the second one has nothing left to do
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
        assert shown.stdout == f"20 rows in 1 parts of {tmp_path / 'out'}\n", shown.stderr
    assert "predicted.sentiment" in rows_with_names(tmp_path / "out")


def rows_with_names(folder):
    (part,) = folder.glob("part-*")
    return json.loads(part.read_text().splitlines()[0])
