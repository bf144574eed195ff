"""The doctor reports what runs, and what to do about what does not."""

import sys

import pytest

from mtl_runtime.diagnostics.doctor import diagnose
from mtl_runtime.errors import BundleError
from mtl_runtime.providers.registry import ONNXRUNTIME_PLUGINS, PROVIDERS, installed_wheels
from tests.runtime.measured_bundle import add_evidence


def test_a_healthy_environment_has_no_problem():
    diagnosis = diagnose()
    assert diagnosis.problems == ()
    assert "CPUExecutionProvider" in diagnosis.providers
    assert {"python", "mtl-export", "numpy", "tokenizers", *installed_wheels()} <= diagnosis.versions.keys()
    assert diagnosis.machine.cores_allowed >= 1


def test_the_variants_of_a_healthy_bundle_work(measured_bundle):
    diagnosis = diagnose(measured_bundle)
    assert [(trial.variant, trial.works) for trial in diagnosis.variants] == [
        ("cpu-fp32", True),
        ("cpu-int8", True),
    ]
    assert diagnosis.problems == ()


def test_a_damaged_variant_is_a_problem_with_its_command(bundle_copy):
    add_evidence(bundle_copy, {"cpu-fp32": 1.0, "cpu-int8": 0.9})
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


def test_it_shows_how_far_each_variant_is_from_its_golden_answers(moved_bundle, other_kernels, user_cache):
    agreeing = diagnose(moved_bundle)
    assert [trial.self_test.holds for trial in agreeing.variants] == [True, True]
    assert agreeing.problems == ()
    other_kernels(6.0)
    fp32, int8 = (trial.self_test for trial in diagnose(moved_bundle).variants)
    assert (fp32.holds, int8.holds) == (True, False)
    assert int8.tasks["sentiment"].largest == pytest.approx(6.0, abs=1e-4)
    assert int8.tasks["sentiment"].flips == 1
    assert int8.tasks["stars"].largest < 1e-4
    assert not user_cache.exists()  # it looks, and decides nothing for later


def test_a_fallback_is_a_problem_with_its_reason_and_command(moved_bundle, other_kernels):
    other_kernels(6.0)
    (problem,) = diagnose(moved_bundle).problems
    assert problem.startswith("cpu-fp32 runs by fallback; ")
    assert "its golden answers do not hold here (sentiment: " in problem
    assert f"`mtl verify {moved_bundle}`" in problem


def test_a_bundle_without_golden_answers_has_no_differences_to_show(version_1_copy):
    add_evidence(version_1_copy, {"cpu-fp32": 1.0, "cpu-int8": 2.5})
    diagnosis = diagnose(version_1_copy)
    assert [trial.self_test for trial in diagnosis.variants] == [None, None]
    assert diagnosis.problems == ()
