"""Exactly one onnxruntime wheel, or a message that holds the command; what each provider is given."""

import json
from pathlib import Path

import pytest

from mtl_runtime.errors import MissingPackageError
from mtl_runtime.providers.registry import ONNXRUNTIME_PLUGINS, PROVIDERS, check_one_wheel, installed_wheels
from mtl_runtime.providers.session import available_providers, onnxruntime_version


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

    folder = tmp_path / "onnxruntime_qnn-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-qnn\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed_wheels()["onnxruntime-qnn"] == "1.0"
    with pytest.raises(MissingPackageError, match="overwrite each other's files"):
        load(bundle_path)


def test_this_environment_has_one_wheel_with_the_cpu_provider():
    assert len(installed_wheels()) == 1
    assert "CPUExecutionProvider" in available_providers()
    assert onnxruntime_version() in installed_wheels().values()


def encode(provider, options, threads=3, runs=2):
    row = PROVIDERS[provider]
    return row.encode({**row.defaults, **options}, threads, runs)


def test_a_plugin_is_no_second_onnxruntime(tmp_path, monkeypatch):
    assert "onnxruntime-ep-openvino" in ONNXRUNTIME_PLUGINS
    folder = tmp_path / "onnxruntime_ep_openvino-9.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-ep-openvino\nVersion: 9.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert len(installed_wheels()) == 1
    check_one_wheel()


@pytest.mark.parametrize("row", PROVIDERS.values(), ids=PROVIDERS)
def test_every_provider_names_its_wheel_its_extra_and_rows_that_exist(row):
    assert row.wheel.startswith("onnxruntime")
    assert row.extra in ("cpu", "gpu", "openvino")
    assert set(row.fallback_providers) <= PROVIDERS.keys()


def test_openvino_gets_a_stream_for_each_run_and_the_threads_of_all():
    config = json.loads(encode("openvino", {})["load_config"])
    assert config == {"CPU": {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "2", "INFERENCE_NUM_THREADS": "6"}}


def test_a_variants_options_win_over_the_defaults_but_not_over_the_threads():
    options = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": "64"}
    config = json.loads(encode("openvino", options)["load_config"])["CPU"]
    assert (config["INFERENCE_PRECISION_HINT"], config["INFERENCE_NUM_THREADS"]) == ("bf16", "6")


def test_cuda_runs_without_tf32_unless_the_variant_wants_it():
    assert encode("cuda", {}) == {"use_tf32": "0"}
    assert encode("cuda", {"use_tf32": "1"}) == {"use_tf32": "1"}


def test_tensorrt_gets_the_variants_options_as_they_are():
    options = {"trt_fp16_enable": "1", "trt_profile_min_shapes": "input_ids:1x1,attention_mask:1x1"}
    assert encode("tensorrt", options).items() >= options.items()


def test_tensorrts_engines_go_to_the_users_cache_and_not_to_the_current_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Path(encode("tensorrt", {})["trt_engine_cache_path"]).name == "tensorrt"
    assert encode("tensorrt", {"trt_engine_cache_path": "elsewhere"})["trt_engine_cache_path"] == "elsewhere"
