"""Local folders are trained, exported and served where the user has no home and no caches."""

import os
import subprocess
import sys

from tests.export.tiny import project

CONFIG = """[encoder]
model = "encoder"
max_length = 40
[tasks.topic]
[data]
train = "train.csv"
validation = "validation.csv"
[training]
epochs = 1
"""

_RUN = """
from mtl_runtime.cli.app import main
for command in (
    "train config.toml -o checkpoint",
    "export checkpoint -o bundle --variants cpu-fp32",
    "verify bundle",
    "predict bundle test.csv -o answers.csv --prefix predicted.",
):
    assert not main(command.split(), standalone_mode=False), command
"""


def test_every_command_works_without_a_home(tmp_path):
    folder = project(tmp_path, train=64)
    (folder / "config.toml").write_text(CONFIG, "utf-8")
    names = {"PATH", "PYTHONPATH", "OMP_NUM_THREADS", "LD_LIBRARY_PATH"}
    environment = {name: value for name, value in os.environ.items() if name in names}
    argv = [sys.executable, "-W", "ignore", "-c", _RUN]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, cwd=folder, env={**environment, "HOME": "/proc/no/home"}
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "predicted.topic" in (folder / "answers.csv").read_text("utf-8")
