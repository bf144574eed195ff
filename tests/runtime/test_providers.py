"""Exactly one onnxruntime wheel, or a message that holds the command."""

import pytest

from mtl_runtime.errors import MissingPackageError
from mtl_runtime.providers import check_one_wheel, installed_wheels
from mtl_runtime.session import available_providers, onnxruntime_version


def test_no_wheel_says_which_extra_to_install():
    with pytest.raises(MissingPackageError, match=r"run `pip install 'mtl-export\[cpu\]'`"):
        check_one_wheel({})


def test_two_wheels_say_which_to_uninstall():
    with pytest.raises(MissingPackageError, match=r"pip uninstall -y onnxruntime onnxruntime-gpu`"):
        check_one_wheel({"onnxruntime": "1.30", "onnxruntime-gpu": "1.30"})


def test_one_wheel_is_fine():
    check_one_wheel({"onnxruntime-gpu": "1.30"})


def test_two_wheels_found_by_their_metadata_stop_a_load(tmp_path, monkeypatch, bundle_path):
    from mtl_runtime import load

    folder = tmp_path / "onnxruntime_gpu-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed_wheels()["onnxruntime-gpu"] == "1.0"
    with pytest.raises(MissingPackageError, match="overwrite each other's files"):
        load(bundle_path)


def test_this_environment_has_one_wheel_with_the_cpu_provider():
    assert len(installed_wheels()) == 1
    assert "CPUExecutionProvider" in available_providers()
    assert onnxruntime_version() in installed_wheels().values()
