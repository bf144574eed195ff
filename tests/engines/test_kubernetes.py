"""The manifest of an Indexed Job is valid; its command and the Slurm script, run as processes, do the whole job."""

import os
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from mtl_runtime.tables.row_chunks import ChunkLimits
from tests.runtime.cluster.sharded_jobs import TINY_BUNDLE, contents, make_texts, run, write_input

FOLDER = Path(__file__).parents[2] / "deploy" / "batch"
MANIFEST = yaml.safe_load((FOLDER / "kubernetes-job.yaml").read_text("utf-8"))
SLURM = FOLDER / "slurm-array.sh"
CONTAINER = MANIFEST["spec"]["template"]["spec"]["containers"][0]


@pytest.fixture
def mtl_on_path(tmp_path):
    """The environment of a process that finds ``mtl``."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "mtl"
    program.write_text(f"#!{sys.executable}\nfrom mtl_runtime.cli.start import main\nmain()\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}


@pytest.fixture
def source(tmp_path):
    source = write_input(tmp_path / "in" / "in.jsonl", make_texts(40))
    run([source], tmp_path / "plain", shard_rows=None, limits=ChunkLimits(), on_bad_row="skip")
    return source


@pytest.mark.parametrize("version", ["1.33", "1.35", "1.37"])
def test_the_manifest_is_valid(version):
    kubernetes_validate.validate(MANIFEST, version, strict=True)


def test_a_manifest_with_a_mistake_would_not_be(tmp_path):
    wrong = {**MANIFEST, "spec": {**MANIFEST["spec"], "completionsMode": "Indexed"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


def test_the_numbers_that_must_agree_agree():
    spec = MANIFEST["spec"]
    arguments = CONTAINER["args"]
    assert f"--on=index:{spec['completions']}" in arguments
    assert spec["parallelism"] <= spec["completions"]
    assert f"--threads={CONTAINER['resources']['requests']['cpu']}" in arguments
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == {
        volume["name"] for volume in spec["template"]["spec"]["volumes"]
    }


def local(argument, tmp_path):
    """An argument of the manifest, on this machine with four pods."""
    replacements = {
        "/bundle": str(TINY_BUNDLE),
        "s3://my-bucket/reviews": str(tmp_path / "in"),
        "--output=s3://my-bucket/answers": f"--output={tmp_path / 'out'}",
        "--on=index:16": "--on=index:4",
        "--threads=2": "--threads=1",
    }
    return replacements.get(argument, argument)


def test_the_pods_of_the_manifest_do_the_job(mtl_on_path, source, tmp_path):
    command = [*CONTAINER["command"], *(local(argument, tmp_path) for argument in CONTAINER["args"]), "--shard-rows=5"]
    pods = [subprocess.Popen(command, env={**mtl_on_path, "JOB_COMPLETION_INDEX": str(number)}) for number in range(4)]
    assert [pod.wait() for pod in pods] == [0, 0, 0, 0]
    run([source], tmp_path / "expected", shard_rows=5, limits=ChunkLimits())
    assert parts(tmp_path / "out") == parts(tmp_path / "expected")
    assert (tmp_path / "out" / "_SUCCESS").exists()


def test_the_tasks_of_the_slurm_script_do_the_job(mtl_on_path, source, tmp_path):
    script = SLURM.read_text("utf-8")
    assert "#SBATCH --array=0-15" in script
    places = {"BUNDLE": str(TINY_BUNDLE), "INPUTS": str(tmp_path / "in"), "OUTPUT": str(tmp_path / "out")}
    slurm = {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_CPUS_PER_TASK": "1"}
    tasks = [
        subprocess.Popen([SLURM], env={**mtl_on_path, **places, **slurm, "SLURM_ARRAY_TASK_ID": str(number)})
        for number in range(2)
    ]
    assert [task.wait() for task in tasks] == [0, 0]
    assert parts(tmp_path / "out") == parts(tmp_path / "plain")


def parts(folder):
    """The parts' bytes; their names depend on where the bundle's settings came from."""
    return [data for name, data in contents(folder).items() if name.startswith("part-")]
