"""Libraries that a library needs and the loader lacks are reported with how to install them."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from mtl_runtime.providers.shared_libraries import (
    cuda_devices,
    explain,
    missing_libraries,
    needed_libraries,
    provider_library,
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs ELF libraries")


@pytest.fixture
def shared() -> Path:
    """A small library of onnxruntime's own, which needs only the C and C++ libraries."""
    onnxruntime = pytest.importorskip("onnxruntime")
    return provider_library(Path(onnxruntime.__file__).parent / "capi", "onnxruntime_providers_shared")


@linux
def test_a_library_whose_needs_are_met_misses_nothing(shared):
    assert "libc.so.6" in needed_libraries(shared)
    assert missing_libraries(shared) == ()


@linux
def test_a_need_that_the_loader_does_not_find_is_missing_until_a_package_brings_it(shared, tmp_path, monkeypatch):
    needy = tmp_path / "libneedy.so"
    needy.write_bytes(shared.read_bytes().replace(b"libc.so.6\0", b"libc9so.6\0"))
    assert missing_libraries(needy) == ("libc9so.6",)
    (tmp_path / "tensorrt_libs").mkdir()
    shutil.copy(shared, tmp_path / "tensorrt_libs" / "libc9so.6")
    monkeypatch.syspath_prepend(tmp_path)
    assert missing_libraries(needy) == ()


def test_a_missing_file_or_one_of_another_format_has_no_needs(tmp_path):
    (tmp_path / "provider.dll").write_bytes(b"MZ" + bytes(100))
    assert needed_libraries(tmp_path / "provider.dll") == ()
    assert needed_libraries(tmp_path / "none.so") == ()


def test_missing_libraries_are_grouped_by_the_product_that_contains_them():
    names = ["libcublas.so.13", "libnvinfer.so.10", "libcurand.so.10", "libnvonnxparser.so.10", "libcuda.so.1"]
    cuda, tensorrt, driver = explain([*names, "libcuda.so.1"]).split("; lib")
    assert cuda == "libcublas.so.13, libcurand.so.10 of CUDA and cuDNN (run `pip install 'mtl-export[gpu]'`)"
    assert tensorrt.startswith("nvinfer.so.10, libnvonnxparser.so.10 of TensorRT (install the version in these names")
    assert driver.startswith("cuda.so.1 of the NVIDIA driver (install it; a container gets the host's with `--gpus")
    assert explain(["libodd.so"]) == "libodd.so of the system (install them)"


@pytest.mark.skipif(Path("/dev/nvidia0").exists() or os.name == "nt", reason="there may be a GPU")
def test_a_machine_without_a_driver_has_no_gpu():
    assert cuda_devices() == 0
