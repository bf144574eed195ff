"""The doctor tells what runs, and what to do about what does not."""

import sys

import pytest

from mtl_runtime.doctor import diagnose
from mtl_runtime.errors import BundleError


def test_a_healthy_environment_has_no_problem():
    diagnosis = diagnose()
    assert diagnosis.problems == ()
    assert "CPUExecutionProvider" in diagnosis.providers
    assert {"python", "mtl-export", "numpy", "tokenizers", "onnxruntime"} <= diagnosis.versions.keys()
    assert diagnosis.machine.cores_allowed >= 1


def test_the_variants_of_a_healthy_bundle_work(bundle_path):
    diagnosis = diagnose(bundle_path)
    assert [(trial.variant, trial.works) for trial in diagnosis.variants] == [
        ("cpu-fp32", True),
        ("cpu-int8", True),
    ]
    assert diagnosis.problems == ()


def test_a_damaged_variant_is_a_problem_with_its_command(bundle_copy):
    (bundle_copy / "model.int8.onnx").write_bytes(b"")
    diagnosis = diagnose(bundle_copy)
    assert [trial.works for trial in diagnosis.variants] == [True, False]
    (problem,) = diagnosis.problems
    assert "variant cpu-int8" in problem
    assert "mtl verify" in problem


def test_two_wheels_are_a_problem_with_its_commands(tmp_path, monkeypatch):
    folder = tmp_path / "onnxruntime_gpu-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    diagnosis = diagnose()
    assert diagnosis.versions["onnxruntime-gpu"] == "1.0"
    (problem,) = diagnosis.problems
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in problem
    assert diagnosis.providers == ()


def test_an_onnxruntime_that_cannot_be_imported_is_a_problem_with_its_command(monkeypatch, bundle_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    diagnosis = diagnose(bundle_path)
    assert [trial.works for trial in diagnosis.variants] == [False, False]
    assert "pip install --force-reinstall" in diagnosis.problems[0]


def test_a_folder_that_is_no_bundle_is_the_users_mistake(tmp_path):
    with pytest.raises(BundleError):
        diagnose(tmp_path)
