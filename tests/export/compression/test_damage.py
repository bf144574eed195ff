"""A compression that is resumed after a loss, whose inputs change or are in danger, or that another one disturbs."""

import re
import shutil
from functools import partial

import pytest
import torch
from safetensors.torch import load_file, save_file

from mtl_export.bundling.export_bundle import export_bundle
from mtl_export.compression import compress as stages
from mtl_export.compression.compress import compress as run
from mtl_export.compression.work_folder import finished_record
from mtl_export.errors import CheckpointError, ConfigError, ExportError
from mtl_export.folder_marks import lock_run, run_folder_path
from mtl_runtime.errors import MtlError
from tests.export.compression.tiny_teacher import plan_sizes, train_teacher

compress = partial(run, variants=["cpu-fp32"], budget=50.0)


@pytest.fixture(autouse=True)
def one_size(monkeypatch):
    plan_sizes(monkeypatch, 2.0)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return train_teacher(tmp_path_factory.mktemp("damage"), tasks={"sentiment": {}})


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def stopped(teacher):
    """The folder of a compression that was interrupted when only the timing was left."""
    with pytest.MonkeyPatch.context() as patch:
        plan_sizes(patch, 2.0)
        patch.setattr(stages, "measure_points", interrupt)
        with pytest.raises(KeyboardInterrupt):
            compress(teacher.path, teacher.path.with_name("stopped"))
    return run_folder_path(teacher.path.with_name("stopped"))


@pytest.fixture
def target(stopped):
    """An output with a copy of that folder; a checkpoint names its data relative to itself."""
    target = stopped.with_name("again")
    for folder in (target, run_folder_path(target)):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(stopped, run_folder_path(target))
    return target


def weights_in(folder):
    return {path.parent.parent.name: path.read_bytes() for path in folder.glob("*/checkpoint/model.safetensors")}


DAMAGES = {
    "an empty clock": ("seconds.json", ""),
    "a clock that is no number": ("seconds.json", "nan"),
    "layers without steps": ("layers.json", '{"steps": []}'),
    "truncated layers": ("layers.json", '{"ste'),
    "a truncated trial": ("trials/*.json", '{"div'),
    "a bundle without evidence": ("*/bundle/evidence", None),
    "a truncated manifest": ("*/bundle/manifest.json", "{"),
    "a truncated graph": ("*/bundle/*.onnx", ""),
    "a checkpoint without weights": ("[0-9]*/checkpoint/model.safetensors", None),
    "a truncated checkpoint": ("[0-9]*/checkpoint/checkpoint.json", "{"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_made_again_and_is_the_same(teacher, stopped, target, damage):
    pattern, content = DAMAGES[damage]
    damaged = list(run_folder_path(target).glob(pattern))
    assert damaged
    for path in damaged:
        if content is not None:
            path.write_text(content, "utf-8")
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    record = compress(teacher.path, target, resume=True)
    assert weights_in(target) == weights_in(stopped)
    assert {point.model for point in record.points} == {"teacher", *weights_in(stopped)}


def test_without_the_weights_of_a_trial_the_way_out_is_to_start_again(teacher, target):
    for folder in run_folder_path(target).glob("trials/*-[0-9]"):
        shutil.rmtree(folder)
    with pytest.raises(CheckpointError, match=r"the compression cannot go on: .*; start it again with --force") as lost:
        compress(teacher.path, target, resume=True)
    assert not any("--resume" in note for note in lost.value.__notes__)


def test_what_a_killed_process_had_begun_to_write_is_gone_in_the_end(teacher, stopped, target):
    (run_folder_path(target) / "teacher" / ".bundle-new-abcdefgh").mkdir()
    compress(teacher.path, target, resume=True)
    assert {path.name for path in target.glob("*/.*")} == set()


def test_a_finished_compression_that_has_lost_a_bundle_is_not_called_finished(teacher, stopped, target):
    record = compress(teacher.path, target, resume=True)
    shutil.rmtree(target / record.choice.model / "bundle")
    with pytest.raises(CheckpointError, match=r"bundle is missing or damaged; make the students again with --force"):
        finished_record(target, record.inputs)


def test_a_finished_compression_of_other_budgets_is_another_one(teacher, stopped, target):
    compress(teacher.path, target, resume=True)
    file = teacher.path / "checkpoint.json"
    before = file.read_text("utf-8")
    try:
        file.write_text(before.replace('"seed": 0', '"seed": 0 '), "utf-8")
        assert file.read_text("utf-8") != before
        with pytest.raises(CheckpointError, match=r"is finished, and its checkpoint\.json changed since"):
            compress(teacher.path, target, resume=True)
    finally:
        file.write_text(before, "utf-8")


def test_a_teacher_that_is_replaced_meanwhile_ends_the_compression(teacher, tmp_path, monkeypatch):
    own = teacher.path.with_name("replaced")
    shutil.copytree(teacher.path, own, dirs_exist_ok=True)
    make = stages.make_students

    def replace_teacher(*arguments):
        weights = own / "model.safetensors"
        save_file({name: -weight for name, weight in load_file(weights).items()}, weights)
        return make(*arguments)

    monkeypatch.setattr(stages, "make_students", replace_teacher)
    with pytest.raises(CheckpointError, match="replaced has changed since its compression was started"):
        compress(own, own.with_name("of-replaced"))


def test_two_processes_do_not_write_the_same_students(teacher, target):
    with lock_run(target), pytest.raises(MtlError, match=r"another process is writing .*again; wait until it ends"):
        compress(teacher.path, target, resume=True)
    assert run_folder_path(target).is_dir()
    assert not list(target.parent.glob(".again*"))


def test_weights_that_are_no_numbers_are_named_before_anything_is_made(teacher):
    own = teacher.path.with_name("broken")
    shutil.copytree(teacher.path, own, dirs_exist_ok=True)
    weights = load_file(own / "model.safetensors")
    weights[max(weights)].fill_(torch.nan)
    save_file(weights, own / "model.safetensors")
    with pytest.raises(ExportError, match="holds NaN or infinity"):
        compress(own, own.with_name("of-broken"))
    assert not list(own.parent.glob("of-broken*"))


def test_a_learning_rate_at_which_students_diverge_is_named(teacher):
    own = teacher.path.with_name("steep")
    shutil.copytree(teacher.path, own, dirs_exist_ok=True)
    file = own / "checkpoint.json"
    steep = re.sub(
        r'"encoder_learning_rate": [^,]+,', '"encoder_learning_rate": 1e20,', file.read_text("utf-8"), count=1
    )
    file.write_text(steep, "utf-8")
    with pytest.raises(ConfigError, match=r"training diverged before step \d+: .* encoder_learning_rate is 1e\+20"):
        compress(own, own.with_name("of-steep"))


@pytest.mark.parametrize("make", [compress, partial(export_bundle, variants=["cpu-fp32"])], ids=["compress", "export"])
def test_the_data_of_a_teacher_is_never_replaced(tmp_path, make):
    trained = train_teacher(tmp_path, tasks={"sentiment": {}})
    data = tmp_path / "data"
    data.mkdir()
    for name in ("train.csv", "validation.csv"):
        (tmp_path / name).rename(data / name)
    file = trained.path / "checkpoint.json"
    file.write_text(file.read_text("utf-8").replace('"../', '"../data/'), "utf-8")
    with pytest.raises(MtlError, match=r"data holds .*, which is read; name another output"):
        make(trained.path, data, force=True)
    assert (data / "train.csv").is_file()
