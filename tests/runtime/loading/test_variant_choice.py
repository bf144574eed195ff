"""Which variant runs where nobody named one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import VariantSpec
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.evidence.files import evidence_folder, read_evidence
from mtl_runtime.evidence.schema import Estimate, Evidence, VariantEvidence
from mtl_runtime.gate.verify import verify
from mtl_runtime.gate.write_evidence import write_evidence
from mtl_runtime.loading.plan import plan_load
from mtl_runtime.loading.variant_choice import KnownEvidence, choose_variant
from mtl_runtime.providers.execution_config import ExecutionConfig

HERE = machine_facts()
BUNDLE = ("cpu-fp32", "cpu-int8", "openvino-bf16", "cuda-fp16")


def variant(status="verified", speed=None):
    ratio = None if speed is None else Estimate(median=speed, low=speed, high=speed, n=9)
    return VariantEvidence(status=status, provider="cpu", threads=1, tasks={}, speed=ratio)


def evidence(*, machine=HERE, version="1.0", at="2026-01-01", **variants):
    return Evidence(
        schema_version=1,
        bundle_digest="",
        measured_at=at,
        machine=machine,
        made_with={"onnxruntime": version},
        reference="PyTorch",
        data={},
        variants={name.replace("_", "-"): each for name, each in variants.items()},
    )


def chosen(*found, missing=(), golden=("cpu-fp32", "cpu-int8"), self_tests=None, trust="golden", bundle=BUNDLE):
    """The choice on a machine without the providers ``missing``, where the variants ``golden`` have golden answers."""
    known = replace(KnownEvidence.sort(found, HERE, onnxruntime="1.0"), self_tests=self_tests or {})
    specs = {
        name: VariantSpec(
            graph="model.onnx",
            provider=name.partition("-")[0],
            provider_options={},
            golden_answers="golden.json" if name in golden else None,
        )
        for name in bundle
    }
    return choose_variant(
        known,
        specs,
        onnxruntime="1.0",
        trust=trust,
        problem=lambda provider: "no wheel" if provider in missing else None,
        is_installed=lambda provider: provider not in missing,
    )


def test_the_fastest_verified_variant_is_taken_and_its_speed_told():
    choice = chosen(
        evidence(cpu_fp32=variant(speed=1.0), cpu_int8=variant(speed=2.5), openvino_bf16=variant(speed=2.0))
    )
    assert choice.variant == "cpu-int8"
    assert "2.50x cpu-fp32" in choice.reason


@pytest.mark.parametrize("status", ["failed", "emulated", "unverified"])
def test_only_verified_variants_are_taken(status):
    assert chosen(evidence(cpu_fp32=variant(speed=1.0), cpu_int8=variant(status, 9.0))).variant == "cpu-fp32"


def test_a_variant_that_failed_once_on_this_kind_of_machine_is_out():
    good, bad = evidence(cpu_int8=variant(speed=3.0)), evidence(cpu_int8=variant("failed"))
    for order in ((good, bad), (bad, good)):
        choice = chosen(*order)
        assert choice.variant == "cpu-fp32"


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"machine": replace(HERE, cpu="another processor")},
        {"machine": replace(HERE, cpu_flags=("avx2",))},
        {"version": "0.9"},
    ],
)
def test_evidence_of_another_processor_or_onnxruntime_does_not_count(elsewhere):
    choice = chosen(evidence(cpu_int8=variant(speed=3.0), **elsewhere))
    assert choice.variant == "cpu-fp32"
    assert "no variant was measured on a machine like this one" in choice.reason


def test_the_number_of_cores_decides_which_speed_is_believed():
    own = evidence(cpu_int8=variant(speed=2.0), openvino_bf16=variant(speed=3.0))
    larger = replace(HERE, cores_allowed=HERE.cores_allowed + 8)
    other = evidence(machine=larger, at="2027-01-01", cpu_int8=variant(speed=9.0))
    assert chosen(own, other).variant == chosen(other, own).variant == "openvino-bf16"


def test_a_faster_variant_whose_provider_is_missing_is_passed_over_and_named():
    choice = chosen(evidence(cpu_int8=variant(speed=2.0), openvino_bf16=variant(speed=3.0)), missing=["openvino"])
    assert choice.variant == "cpu-int8"
    assert "openvino-bf16 (no wheel)" in choice.reason


def test_load_takes_what_verify_has_measured_and_says_so(bundle_copy):
    assert load(bundle_copy).info.variant == "cpu-fp32"
    verify(bundle_copy)
    info = load(bundle_copy).info
    assert "verified on this kind of machine" in info.reason
    assert info.variant in ("cpu-fp32", "cpu-int8")


def test_evidence_of_a_read_only_bundle_lies_in_the_users_cache_and_is_read_from_there(
    bundle_copy, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("mtl_runtime.evidence.files.os.access", lambda *_: False)
    report = verify(bundle_copy)
    assert str(tmp_path / "cache") in report.page
    assert not (bundle_copy / "evidence").exists()
    assert "verified on this kind of machine" in load(bundle_copy).info.reason


def test_a_broken_evidence_file_keeps_no_bundle_from_loading(bundle_copy):
    (bundle_copy / "evidence").mkdir()
    (bundle_copy / "evidence" / "broken.json").write_text("{")
    info = load(bundle_copy).info
    assert info.variant == "cpu-fp32"
    assert "evidence cannot be read" in info.reason


def test_evidence_of_another_schema_is_passed_over(bundle_copy):
    (bundle_copy / "evidence").mkdir()
    (bundle_copy / "evidence" / "newer.json").write_text('{"schema_version": 99}')
    assert "no variant was measured" in load(bundle_copy).info.reason


def test_a_variant_that_is_slower_than_cpu_fp32_is_not_taken_even_where_that_was_not_measured():
    assert chosen(evidence(cpu_int8=variant(speed=0.5))).variant == "cpu-fp32"


def test_evidence_of_another_gpu_does_not_count():
    elsewhere = replace(HERE, gpus=("NVIDIA Abacus",))
    assert chosen(evidence(machine=elsewhere, cuda_fp16=variant(speed=9.0))).variant == "cpu-fp32"


def test_a_user_without_a_home_loads_from_the_bundle_alone(bundle_copy, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("mtl_runtime.core.user_cache.Path.home", homeless)
    assert load(bundle_copy).info.variant == "cpu-fp32"
    assert verify(bundle_copy).passed


def test_a_folder_among_the_evidence_keeps_no_bundle_from_loading(bundle_copy):
    (bundle_copy / "evidence" / "folder.json").mkdir(parents=True)
    assert load(bundle_copy).info.variant == "cpu-fp32"


def test_a_partial_verify_keeps_what_is_known_of_other_variants(bundle_copy):
    verify(bundle_copy)
    verify(bundle_copy, variants=["cpu-fp32"])
    (found,) = read_evidence(Bundle.open(bundle_copy))
    assert set(found.variants) == {"cpu-fp32", "cpu-int8"}


def test_many_verifies_at_once_leave_whole_files(bundle_copy):
    report = verify(bundle_copy)
    folder = bundle_copy / "evidence"
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda _: write_evidence(report.evidence, folder, title="t"), range(40)):
            pass
    assert sorted(file.suffix for file in folder.iterdir()) == [".html", ".json"]
    assert read_evidence(Bundle.open(bundle_copy)) == [report.evidence]


def test_load_asks_the_evidence_once(bundle_copy, monkeypatch):
    verify(bundle_copy)
    reads = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: reads.append(path) or read(path))
    assert "verified on this kind of machine" in load(bundle_copy).info.reason
    evidence_files = list((bundle_copy / "evidence").glob("*.json"))
    assert [path for path in reads if path.parent.name == "evidence"] == evidence_files


def test_variant_and_execution_come_out_of_one_plan(bundle_copy):
    verify(bundle_copy)
    plan = plan_load(Bundle.open(bundle_copy), variant="cpu-int8", threads=2, workers=1, max_batch_tokens=99)
    assert (plan.variant, plan.execution) == (
        "cpu-int8",
        ExecutionConfig(workers=1, threads=2, max_batch_tokens=99),
    )
    assert plan.reason.startswith("asked for; 1 x 2 threads, batches of 99 tokens")


def test_evidence_goes_into_the_bundle_where_it_can(bundle_copy):
    assert evidence_folder(Bundle.open(bundle_copy)) == bundle_copy / "evidence"
