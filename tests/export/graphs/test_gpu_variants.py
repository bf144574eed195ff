"""Variants for CUDA and TensorRT on a real GPU: made, gated there, and run by name. Skipped where there is none."""

import pytest

from mtl_export.bundling.export_bundle import export_bundle
from mtl_export.config import Config
from mtl_export.training import train
from mtl_runtime import load
from mtl_runtime.providers.session import provider_problem
from tests.export.tiny import CONFIG, SMALL_LOGITS, project


def on(provider):
    problem = provider_problem(provider)
    return pytest.mark.skipif(problem is not None, reason=f"no {provider} here: {problem}")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("gpu"))
    training = {**CONFIG["training"], **SMALL_LOGITS, "epochs": 4}
    train(Config.from_dict({**CONFIG, "training": training}, folder=folder), folder / "checkpoint")
    return folder / "checkpoint"


def exported(checkpoint, folder, variant):
    bundle = export_bundle(checkpoint, folder / "bundle", variants=[variant])
    return bundle, bundle.evidence.variants[variant]


@on("cuda")
@pytest.mark.parametrize("variant", ["cuda-fp32", "cuda-fp16", "cuda-bf16"])
def test_a_cuda_variant_is_verified_on_the_gpu_with_every_layers_attention_fused(checkpoint, tmp_path, variant):
    bundle, measured = exported(checkpoint, tmp_path, variant)
    assert measured.status == "verified", measured.problems
    assert measured.provider == "cuda"
    assert measured.operators["MultiHeadAttention"] == 2
    assert load(bundle.bundle.path, variant=variant)("a good film")["sentiment"].label


@on("tensorrt")
def test_the_tensorrt_variant_is_verified_on_the_gpu(checkpoint, tmp_path):
    _, measured = exported(checkpoint, tmp_path, "tensorrt-fp16")
    assert measured.status == "verified", measured.problems
    assert measured.provider == "tensorrt"


@pytest.mark.skipif(provider_problem("cuda") is None, reason="CUDA is here, so nothing is emulated")
@pytest.mark.parametrize(
    ("variant", "status"),
    [
        ("cuda-fp16", "emulated"),
        ("cuda-fp32", "emulated"),
        ("cuda-bf16", "unverified"),
        ("tensorrt-fp16", "unverified"),
    ],
)
def test_without_a_gpu_its_variants_are_made_and_never_called_verified(checkpoint, tmp_path, variant, status):
    bundle, measured = exported(checkpoint, tmp_path, variant)
    assert measured.status == status
    assert measured.speed is None
    assert any("pip install 'mtl-export[gpu]'" in problem for problem in measured.problems)
    assert load(bundle.bundle.path).info.variant == "cpu-fp32"
    assert bundle.bundle.manifest.variants[variant].provider in ("cuda", "tensorrt")
