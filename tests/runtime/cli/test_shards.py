"""`mtl predict --on ENGINE`, `--status` and `--check`, as somebody types them."""

import json

import pytest
from click.testing import CliRunner

from mtl_runtime.cli.app import main
from tests.runtime.cluster.sharded_jobs import TINY_BUNDLE, make_texts, write_input


@pytest.fixture
def mtl():
    """``mtl("predict", ...)`` in this process."""
    return lambda *argv: CliRunner().invoke(main, [str(argument) for argument in argv])


@pytest.fixture
def source(tmp_path):
    return write_input(tmp_path / "in.csv", [*make_texts(15), None, *make_texts(14)])


def test_a_job_tells_how_much_is_done_and_its_status_the_same(mtl, source, tmp_path):
    job = ["predict", TINY_BUNDLE, source, "-o", tmp_path / "out", "--on", "local", "--processes", 1, "--shard-rows", 7]
    result = mtl(*job)
    assert result.exit_code == 2
    assert "error: 1 of 5 shards failed, 4 are done; shard 2: " in result.stderr
    assert "--status" in result.stderr
    shown = mtl("predict", "--status", tmp_path / "out").stdout
    assert "not complete" in shown
    assert "4 of 5" in shown
    assert "the row has 1 cells" in shown
    as_json = json.loads(mtl("predict", "--status", tmp_path / "out", "--json").stdout)
    assert (as_json["done"], as_json["waiting"], len(as_json["failed"])) == (4, 0, 1)
    assert mtl("predict", "--check", tmp_path / "out").exit_code == 2
    result = mtl(*job, "--resume", "--rejects", tmp_path / "rejects")
    assert result.exit_code == 0, result.stderr
    assert "29 rows in 5 of 5 parts, 1 bad rows left out" in result.stderr
    assert len(list((tmp_path / "rejects").iterdir())) == 1
    shown = mtl("predict", "--status", tmp_path / "out").stdout
    assert shown.startswith("complete")
    assert "0:00:00" in shown
    again = json.loads(mtl(*job, "--resume", "--json").stdout)
    assert again == {
        "output": str(tmp_path / "out"),
        "rows": 29,
        "truncated": again["truncated"],
        "bad_rows": 1,
        "shards": 5,
        "done": 5,
        "is_complete": True,
    }


def test_a_check_fails_with_the_parts_that_differ(mtl, source, tmp_path):
    job = ["predict", TINY_BUNDLE, source, "-o", tmp_path / "out", "--on", "local", "--on-bad-row", "skip"]
    assert mtl(*job).exit_code == 0
    assert "1 parts with 29 rows are as they were written" in mtl("predict", "--check", tmp_path / "out").stdout
    (part,) = (tmp_path / "out").glob("part-*")
    part.write_text("other")
    result = mtl("predict", "--check", tmp_path / "out")
    assert result.exit_code == 1
    assert part.name in result.stdout
    assert "error: 1 files of" in result.stderr
    as_json = mtl("predict", "--check", tmp_path / "out", "--json")
    assert [problem["name"] for problem in json.loads(as_json.stdout)["problems"]] == [part.name]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--on", "nomad"], "there is no engine 'nomad'; there are: local, index, ray, spark"),
        (["--on", "local:3"], "local runs on this machine; write --on local, and --processes for their number"),
        (["--on", "local", "--shard-rows", str(2**63)], "is not in the range"),
        (["--on", "index"], "neither JOB_COMPLETION_INDEX (Kubernetes) nor SLURM_ARRAY_TASK_ID (Slurm) is set"),
        (["--on", "local", "--resume", "--force"], "choose one"),
    ],
)
def test_a_mistake_in_the_command_is_one_line(mtl, source, tmp_path, argv, message):
    result = mtl("predict", TINY_BUNDLE, source, "-o", tmp_path / "out", *argv)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(("engine", "package"), [("ray:head:6379", "ray"), ("spark", "pyspark")])
def test_an_engine_that_is_not_installed_is_named_before_a_job_is_written(
    mtl, source, tmp_path, monkeypatch, engine, package
):
    monkeypatch.setattr("mtl_runtime.cluster.engines.table.find_spec", lambda _: None)
    result = mtl("predict", TINY_BUNDLE, source, "-o", tmp_path / "out", "--on", engine)
    name = engine.partition(":")[0]
    assert f"--on {name} needs {package}; run `pip install 'mtl-export[{name}]'`" in result.stderr
    assert not (tmp_path / "out").exists()


def test_kubernetes_must_be_told_the_number_of_processes(mtl, source, tmp_path, monkeypatch):
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "3")
    job = ["predict", TINY_BUNDLE, source, "-o", tmp_path / "out", "--on"]
    assert "write --on index:COMPLETIONS" in mtl(*job, "index").stderr
    assert "process 3 (the first is 0) of 3 cannot be" in mtl(*job, "index:3").stderr
