"""CUDA and TensorRT: with a GPU they give the CPU's answers, without one every entry point raises an error."""

import json
import os
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.diagnostics.doctor import diagnose
from mtl_runtime.diagnostics.node_placement import count_providers, running_nodes
from mtl_runtime.errors import ProviderError
from mtl_runtime.gate.verify import verify
from mtl_runtime.providers.registry import installed_wheels
from mtl_runtime.providers.session import provider_problem
from mtl_runtime.providers.shared_libraries import cuda_devices
from mtl_runtime.providers.variant_session import open_session

MTL = Path(sysconfig.get_path("scripts")) / ("mtl.exe" if os.name == "nt" else "mtl")
GPU = ("cuda-fp32", "tensorrt-fp32")
TEXTS = ["the soup was good", "", "awful match!", "great goal and a great price", "bank " * 40] * 5
# What the error says for each installed wheel on a machine without a GPU.
WORDS = {
    "onnxruntime": ("onnxruntime-gpu has it", "pip uninstall -y onnxruntime", "pip install 'mtl-export[gpu]'"),
    "onnxruntime-gpu": ("cannot be loaded", "libcuda.so.1 of the NVIDIA driver", "or use a cpu variant"),
}
(WHEEL,) = installed_wheels()
without_gpu = pytest.mark.skipif(cuda_devices() > 0, reason="there is a GPU")


def on(provider):
    problem = provider_problem(provider)
    return pytest.mark.skipif(problem is not None, reason=str(problem))


def mtl(*argv):
    return subprocess.run([MTL, *map(str, argv)], capture_output=True, text=True, check=False)


def says_what_to_do(variant, message):
    provider = {"cuda-fp32": "CUDAExecutionProvider", "tensorrt-fp32": "TensorrtExecutionProvider"}[variant]
    return all(word in message for word in (provider, *WORDS[WHEEL]))


@without_gpu
@pytest.mark.parametrize("variant", GPU)
def test_load_raises_and_writes_nothing(providers_bundle, variant, capfd):
    with pytest.raises(ProviderError) as caught:
        load(providers_bundle, variant=variant)
    assert says_what_to_do(variant, str(caught.value)), caught.value
    assert capfd.readouterr() == ("", "")


@without_gpu
@pytest.mark.parametrize("variant", GPU)
def test_predict_ends_with_one_line(providers_bundle, variant):
    done = mtl("predict", providers_bundle, "--variant", variant, "--text", "good")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert says_what_to_do(variant, done.stderr), done.stderr


@without_gpu
@pytest.mark.parametrize("variant", GPU)
def test_verify_fails_the_variant_that_was_asked_for(providers_bundle, variant):
    done = mtl("verify", providers_bundle, "--variant", variant, "--json")
    assert done.returncode == 1
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == ["checking"]  # the stage
    (failed,) = (check for check in json.loads(done.stdout)["checks"] if check["passed"] is False)
    assert failed["name"] == f"{variant}: opens"
    assert says_what_to_do(variant, failed["detail"]), failed["detail"]


@without_gpu
def test_the_doctor_says_why_and_reports_no_problem_with_the_environment(providers_bundle):
    done = mtl("doctor", providers_bundle, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    diagnosis = json.loads(done.stdout)
    trials = {trial["variant"]: trial for trial in diagnosis["variants"]}
    for variant in GPU:
        assert not trials[variant]["works"]
        assert says_what_to_do(variant, trials[variant]["detail"])
        assert diagnosis["absent"][variant.partition("-")[0]] == trials[variant]["detail"]
    assert trials["cpu-fp32"]["works"]
    assert trials["cpu-fp32"]["nodes"] == {"CPUExecutionProvider": 10}


def test_the_cpu_variant_runs_on_any_wheel(providers_bundle):
    report = verify(providers_bundle, variants=["cpu-fp32"])
    assert all(check.passed for check in report.checks)


@on("cuda")
def test_cuda_gives_the_cpus_answers(classifier, providers_bundle):
    cuda = load(providers_bundle, variant="cuda-fp32")
    expected = classifier.logits(TEXTS)
    for task, rows in cuda.logits(TEXTS).items():
        np.testing.assert_allclose(rows, expected[task], atol=1e-4)
    np.testing.assert_allclose(cuda.embed(TEXTS), classifier.embed(TEXTS), atol=1e-4)


@on("cuda")
def test_inputs_and_outputs_on_cuda_are_the_cpus(providers_bundle):
    bundle = Bundle.open(providers_bundle)
    cuda, cpu = (open_session(bundle, f"{name}-fp32", threads=1) for name in ("cuda", "cpu"))
    assert (cuda.inputs, cuda.outputs, cuda.metadata) == (cpu.inputs, cpu.outputs, cpu.metadata)


@on("cuda")
def test_the_golden_texts_hold_on_cuda_and_most_nodes_run_there(providers_bundle):
    assert verify(providers_bundle, variants=["cuda-fp32"]).passed
    nodes = count_providers(running_nodes(Bundle.open(providers_bundle), "cuda-fp32", text="good"))
    assert next(iter(nodes)) == "CUDAExecutionProvider"
    (trial,) = (trial for trial in diagnose(providers_bundle).variants if trial.variant == "cuda-fp32")
    assert trial.works


@on("tensorrt")
def test_tensorrt_opens_and_answers(classifier, providers_bundle):
    tensorrt = load(providers_bundle, variant="tensorrt-fp32")
    expected = classifier.logits(TEXTS[:5])
    for task, rows in tensorrt.logits(TEXTS[:5]).items():
        np.testing.assert_allclose(rows, expected[task], atol=1e-2)  # it may use TF32
