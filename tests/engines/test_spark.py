"""Jobs on Spark, and a DataFrame that gets its answers as a further step."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from mtl_runtime import load
from mtl_runtime.cluster.engines.table import ENGINES
from mtl_runtime.cluster.spark_frames import classify
from mtl_runtime.errors import MtlError, UnknownTaskError
from mtl_runtime.tables.row_chunks import ChunkLimits
from tests.engines.descendants import find_descendants, kill_process
from tests.runtime.cluster.sharded_jobs import TINY_BUNDLE, contents, make_texts, run, write_input
from tests.runtime.cluster.test_kills import mtl

SPARK = ENGINES["spark"]
SECONDS_FOR_A_JOB = 300


@pytest.fixture(scope="module")
def workers():
    """Python workers are this environment's Python."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        yield


@pytest.fixture(scope="module")
def session(workers):
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    opened = builder.config("spark.python.worker.reuse", "true").getOrCreate()
    opened.sparkContext.setLogLevel("OFF")
    yield opened
    opened.stop()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    texts = make_texts(120)
    write_input(folder / "a.parquet", texts[:70], group_rows=5)
    write_input(folder / "b.jsonl", texts[70:])
    return folder


def test_parts_are_those_of_one_process(session, inputs, tmp_path):
    run([inputs], tmp_path / "plain", shard_rows=5)
    summary = run([inputs], tmp_path / "out", engine=SPARK, shard_rows=5)
    assert (summary.is_complete, summary.rows) == (True, 120)
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")


def test_a_shard_that_fails_is_given_up_and_the_rest_goes_on(session, tmp_path):
    source = write_input(tmp_path / "in.csv", [*make_texts(15), None, *make_texts(14)])
    with pytest.raises(MtlError, match=r"1 of 5 shards failed, 4 are done; shard 2: .*in\.csv, line"):
        run([source], tmp_path / "out", engine=SPARK)
    assert run([source], tmp_path / "out", engine=SPARK, resume=True, on_bad_row="skip").is_complete


def python_workers():
    """Children of Spark's daemon, which Spark would start again."""
    started = [one for one in find_descendants(os.getpid()) if "pyspark.daemon" in one.command]
    daemons = {one.process.pid for one in started}
    return [one.process for one in started if one.parent in daemons]


def test_a_job_that_spark_gives_up_keeps_what_is_done(session, tmp_path):
    """As where an executor is lost too often; here each try of a task is its last."""
    source = write_input(tmp_path / "in.jsonl", make_texts(400))  # shards enough that workers die before all are done
    run([source], tmp_path / "plain", shard_rows=1)
    killed = []

    def kill_python_workers(task, shards, options):
        def kill_once_parts_are_done():
            give_up = time.monotonic() + 60
            while time.monotonic() < give_up and len(list((tmp_path / "out").glob("part-*"))) < 4:
                time.sleep(0.02)
            while time.monotonic() < give_up and not killed:
                killed.extend(process.pid for process in python_workers() if kill_process(process))

        if not killed:
            threading.Thread(target=kill_once_parts_are_done).start()
        yield from SPARK.run(task, shards, options)

    run([source], tmp_path / "out", engine=type(SPARK)(run=kill_python_workers), shard_rows=1, attempts=5)
    assert killed
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")


def test_a_driver_that_is_killed_is_resumed(inputs, tmp_path, kills, monkeypatch):
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)  # the command takes its own Python for workers on this machine
    run([inputs], tmp_path / "plain", shard_rows=5, limits=ChunkLimits())
    job = ["predict", TINY_BUNDLE, inputs, "-o", tmp_path / "out", "--on", "spark:local[2]", "--shard-rows", "5"]
    draw = random.Random(5)
    for number in range(1, kills + 1):
        driver = mtl(*job, "--resume")
        give_up = time.monotonic() + 120
        while (
            driver.poll() is None
            and time.monotonic() < give_up
            and len(list((tmp_path / "out").glob("part-*"))) < 4 * number
        ):
            time.sleep(0.05)
        time.sleep(draw.random())
        os.kill(driver.pid, signal.SIGKILL)
        driver.communicate()
    driver = mtl(*job, "--resume")
    _, errors = driver.communicate(timeout=SECONDS_FOR_A_JOB)
    assert driver.returncode == 0, errors
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")


def test_a_frame_gets_the_librarys_answers_and_null_for_null(session):
    texts = [*make_texts(40), None, ""]
    frame = session.createDataFrame([(number, text) for number, text in enumerate(texts)], "id long, message string")
    answered = classify(frame.repartition(3), TINY_BUNDLE, "message", probabilities=True)
    assert answered.columns[:4] == ["id", "message", "sentiment", "sentiment.probability"]
    rows = {row["id"]: row for row in answered.collect()}
    predictions = iter(load(TINY_BUNDLE, threads=1)([text for text in texts if text is not None]))
    for number, text in enumerate(texts):
        if text is None:
            assert rows[number]["sentiment"] is rows[number]["stars"] is None
            continue
        prediction = next(predictions)
        assert rows[number]["sentiment"] == prediction["sentiment"].label
        assert rows[number]["sentiment.probability"] == pytest.approx(prediction["sentiment"].probability, abs=1e-5)
        assert rows[number]["topics"] == prediction["topics"].value


def test_a_frame_gets_the_tasks_that_are_asked_for(session):
    frame = session.createDataFrame([("good",)], "text string")
    assert classify(frame, TINY_BUNDLE, tasks=["stars"], prefix="p.").columns == ["text", "p.stars"]
    with pytest.raises(UnknownTaskError):
        classify(frame, TINY_BUNDLE, tasks=["nothing"])
    with pytest.raises(MtlError, match="has no column 'body'"):
        classify(frame, TINY_BUNDLE, "body")
    with pytest.raises(MtlError, match="would overwrite the columns stars; give them a prefix"):
        classify(frame.withColumnRenamed("text", "stars"), TINY_BUNDLE, "stars", tasks=["stars"])


def test_the_example_counts_answers(workers, tmp_path):
    """In a process of its own: it ends its session."""
    example = Path(__file__).parents[2] / "examples" / "scale" / "spark_frame.py"
    source = write_input(tmp_path / "in.csv", make_texts(20))
    shown = subprocess.run([sys.executable, example, TINY_BUNDLE, source], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "predicted.sentiment|count" in shown.stdout.replace(" ", "")
