"""The doctor reports what runs, and what to do about what does not."""

import sys

import pytest

from mtl_runtime.diagnostics.doctor import diagnose
from mtl_runtime.errors import BundleError
from mtl_runtime.providers.registry import ONNXRUNTIME_PLUGINS, PROVIDERS, installed_wheels


def test_a_healthy_environment_has_no_problem():
    diagnosis = diagnose()
    assert diagnosis.problems == ()
    assert "CPUExecutionProvider" in diagnosis.providers
    assert {"python", "mtl-export", "numpy", "tokenizers", *installed_wheels()} <= diagnosis.versions.keys()
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
    folder = tmp_path / "onnxruntime_qnn-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-qnn\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    diagnosis = diagnose()
    assert diagnosis.versions["onnxruntime-qnn"] == "1.0"
    (problem,) = diagnosis.problems
    assert f"pip uninstall -y {' '.join(installed_wheels())}" in problem
    assert diagnosis.providers == ()


def test_an_onnxruntime_that_cannot_be_imported_is_a_problem_with_its_command(monkeypatch, bundle_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    diagnosis = diagnose(bundle_path)
    assert [trial.works for trial in diagnosis.variants] == [False, False]
    (problem,) = diagnosis.problems  # and nothing is advised that needs onnxruntime
    assert "pip install --force-reinstall" in problem


def test_a_folder_that_is_no_bundle_is_the_users_mistake(tmp_path):
    with pytest.raises(BundleError):
        diagnose(tmp_path)


def test_every_provider_is_either_ready_or_absent_for_a_reason():
    diagnosis = diagnose()
    assert "cpu" not in diagnosis.absent
    assert diagnosis.absent.keys() < PROVIDERS.keys()
    assert all(len(reason) > 20 for reason in diagnosis.absent.values())


def test_a_plugin_is_shown_and_is_no_problem(tmp_path, monkeypatch):
    (name,) = ONNXRUNTIME_PLUGINS
    folder = tmp_path / f"{name.replace('-', '_')}-9.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    diagnosis = diagnose()
    assert diagnosis.versions[name] == "9.0"
    assert diagnosis.problems == ()


def test_a_variant_that_works_reports_where_its_nodes_ran(bundle_path):
    fp32, _ = diagnose(bundle_path).variants
    assert fp32.nodes == {"CPUExecutionProvider": 10}
    assert fp32.detail.endswith("10 nodes on CPUExecutionProvider")
