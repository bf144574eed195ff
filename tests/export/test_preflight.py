"""Mistakes that a command shows at once: an error that says what to do, before torch is imported."""

import json
import os
import subprocess
import sys

import pytest

from mtl_export.graphs.recipes import RECIPES
from mtl_export.variant_names import VARIANTS
from tests.runtime.conftest import TINY_BUNDLE

CONFIG = """[encoder]
model = "encoder"
[tasks.topic]
[data]
train = "train.csv"
holdout = 0.1
"""

_RUN = """
import json, sys
from mtl_runtime.cli.app import main
try:
    main(sys.argv[1:], prog_name="mtl")
except SystemExit as ended:
    heavy = [name for name in ("torch", "transformers", "onnx", "onnx_ir") if name in sys.modules]
    print(json.dumps({"code": ended.code, "heavy": heavy}))
"""


@pytest.fixture
def folder(tmp_path):
    """A config, its data, folders that look like an encoder and a checkpoint, and an output that is there already."""
    (tmp_path / "config.toml").write_text(CONFIG, "utf-8")
    (tmp_path / "broken.toml").write_text("[encoder\n", "utf-8")
    (tmp_path / "no_data.toml").write_text(CONFIG.replace("train.csv", "none.csv"), "utf-8")
    (tmp_path / "excel.toml").write_text(CONFIG.replace("train.csv", "train.xlsx"), "utf-8")
    (tmp_path / "pipe.toml").write_text(CONFIG.replace("train.csv", "pipe.csv"), "utf-8")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "no_encoder.toml").write_text(CONFIG.replace('"encoder"', '"./none"'), "utf-8")
    (tmp_path / "inside.toml").write_text(CONFIG.replace("train.csv", "there/train.csv"), "utf-8")
    (tmp_path / "encoder_inside.toml").write_text(CONFIG.replace('"encoder"', '"./there/encoder"'), "utf-8")
    (tmp_path / "headless.toml").write_text(CONFIG[CONFIG.index("[tasks") :], "utf-8")
    for name in ("train.csv", "train.xlsx"):
        (tmp_path / name).write_text("text,topic\ngood film,film\nbad soup,food\n", "utf-8")
    for name, file in (
        ("encoder", "config.json"),
        ("checkpoint", "checkpoint.json"),
        ("there", "file"),
        ("again.run", "run.json"),
        ("made.run", "compression.json"),
        ("kept.run", "notes.txt"),
        ("empty", ""),
    ):
        (tmp_path / name).mkdir()
        if file:
            (tmp_path / name / file).write_text("{}", "utf-8")
    (tmp_path / "there" / "train.csv").write_text("text,topic\ngood film,film\nbad soup,food\n", "utf-8")
    for name, file in (("encoder", "config.json"), ("checkpoint", "checkpoint.json")):
        (tmp_path / "there" / name).mkdir()
        (tmp_path / "there" / name / file).write_text("{}", "utf-8")
    (tmp_path / "made.run" / "student").mkdir()
    (tmp_path / "made.run" / "student" / "checkpoint.json").write_text("{}", "utf-8")
    (tmp_path / "bundle").symlink_to(TINY_BUNDLE)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train none.toml -o new", "none.toml cannot be read: No such file or directory"),
        ("train broken.toml -o new", "broken.toml is not valid TOML"),
        (
            "train checkpoint -o new",
            "checkpoint is a folder; give a config file (TOML), and a checkpoint to start from",
        ),
        ("train train.csv -o new", "train.csv is a data file; give a config file (TOML) that names it"),
        ("train config.toml -o there", "there exists already; name another output, or replace it with --force"),
        ("train config.toml -o again", "again.run holds an unfinished run; continue it with --resume"),
        ("train config.toml -o new --resume --force", "--resume continues a run and --force starts it over"),
        ("train config.toml -o new --from empty", "empty holds no checkpoint.json, so it is not a checkpoint"),
        ("train config.toml -o new --from none", "none is not a folder; give the folder that `mtl train` wrote"),
        ("train config.toml -o new --from bundle", "bundle is a bundle, not a checkpoint"),
        ("train no_data.toml -o new", "none.csv cannot be read: No such file or directory"),
        ("train excel.toml -o new", "train.xlsx: unknown suffix"),
        ("train pipe.toml -o new", "pipe.csv: this is a pipe or a device, which can be read only once; save it"),
        ("export checkpoint -o new --data pipe.csv", "pipe.csv: this is a pipe or a device"),
        ("train no_encoder.toml -o new", "none does not exist; check [encoder] model"),
        ("train headless.toml -o new", "the config has no [encoder]"),
        ("export none -o new", "none is not a folder; give the folder that `mtl train` wrote"),
        ("export empty -o new", "empty holds no checkpoint.json, so it is not a checkpoint"),
        ("export bundle -o new", "bundle is a bundle, not a checkpoint; give the folder that `mtl train` wrote"),
        ("train config.toml -o . --force", ". is no name of a folder to write; name another output"),
        ("train inside.toml -o there --force", "train.csv, which is read; name another output"),
        ("train encoder_inside.toml -o there --force", "encoder, which is read; name another output"),
        (
            "train config.toml -o there --from there/checkpoint --force",
            "checkpoint, which is read; name another output",
        ),
        ("export checkpoint -o checkpoint --force", "checkpoint is what is read; name another output"),
        ("export checkpoint -o checkpoint", "checkpoint is what is read; name another output"),
        ("export checkpoint -o . --force", ". is no name of a folder to write; name another output"),
        ("compress checkpoint -o checkpoint --force", "checkpoint is what is read; name another output"),
        ("compress checkpoint -o checkpoint", "checkpoint is what is read; name another output"),
        ("compress made.run/student -o made --force", "student, which is read; name another output"),
        (
            "compress checkpoint -o kept --force",
            "kept.run is where an unfinished run would be, and holds something else",
        ),
        ("train config.toml -o kept --force", "kept.run is where an unfinished run would be, and holds something"),
        ("export checkpoint -o there --reference there/checkpoint --force", "checkpoint, which is read; name another"),
        ("compress checkpoint -o new --column body", "--column is that of --texts; give both or neither"),
        ("export again.run -o new", "again.run is an unfinished run; run `mtl train` with --resume"),
        ("export checkpoint -o there", "there exists already; name another output, or replace it with --force"),
        ("export checkpoint -o new --variants cpu-int4", "unknown variant 'cpu-int4'; known: cpu-fp32, cpu-int8"),
        ("export checkpoint -o new --variants cpu-fp16", "variant cpu-fp16: onnxruntime's CPU provider computes fp16"),
        ("export checkpoint -o new --data none.csv", "data file none.csv cannot be read"),
        ("export checkpoint -o new --calibration none.csv", "data file none.csv cannot be read"),
        ("export checkpoint -o new --gate none.toml", "none.toml cannot be read"),
        ("export checkpoint -o new --gate config.toml", "config.toml has no section [gate]"),
        (
            "predict checkpoint --text good",
            "checkpoint is a checkpoint, not a bundle; export it: mtl export",
        ),
        ("verify checkpoint", "checkpoint is a checkpoint, not a bundle; export it"),
    ],
)
def test_a_mistake_is_one_line_before_anything_heavy_is_imported(folder, command, message):
    argv = [sys.executable, "-c", _RUN, *command.split()]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=folder, env={**os.environ})
    assert json.loads(done.stdout) == {"code": 2, "heavy": []}
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert not (folder / "new").exists()


def test_the_names_of_variants_are_those_that_have_a_recipe():
    assert set(VARIANTS) == RECIPES.keys()
