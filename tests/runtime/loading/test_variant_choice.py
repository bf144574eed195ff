"""Which variant runs where nobody named one."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle, write_manifest
from mtl_runtime.bundle.manifest import VariantSpec
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.evidence.files import read_evidence
from mtl_runtime.evidence.schema import Estimate, Evidence, VariantEvidence
from mtl_runtime.evidence.self_tests import SelfTest
from mtl_runtime.gate.verify import verify
from mtl_runtime.gate.write_evidence import write_evidence
from mtl_runtime.loading import plan
from mtl_runtime.loading.plan import plan_load
from mtl_runtime.loading.variant_choice import KnownEvidence, choose_variant
from mtl_runtime.providers import session
from mtl_runtime.providers.execution_config import ExecutionConfig
from tests.runtime.measured_bundle import ELSEWHERE, add_evidence

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


def chosen(
    *found,
    missing=(),
    golden=("cpu-fp32", "cpu-int8", "cpu-avx2-int8"),
    self_tests=None,
    trust="golden",
    bundle=None,
    saturates=False,
):
    """The choice on a machine without the providers ``missing``, where the variants ``golden`` have golden answers."""
    bundle = bundle or {"cpu-fp32": 0, "cpu-int8": 0} | {name: 0 for each in found for name in each.variants}
    known = replace(KnownEvidence.of(found, HERE, onnxruntime="1.0"), self_tests=self_tests or {})
    specs = {
        name: VariantSpec(
            graph="model.onnx",
            provider=name.partition("-")[0],
            provider_options={},
            sums_fit_16_bits="avx2" in name,
            golden_answers="golden.json" if name in golden else None,
        )
        for name in bundle
    }
    return choose_variant(
        known,
        specs,
        onnxruntime="1.0",
        trust=trust,
        saturates=saturates,
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


def lossy(**options):
    return replace(variant(**options), exceeds_teacher_budget=True)


@pytest.mark.parametrize("machine", [HERE, ELSEWHERE])
def test_a_students_variant_over_its_teachers_budget_is_not_taken(machine):
    measured = [
        evidence(cpu_fp32=variant(), cpu_int8=variant(speed=3.0)),
        evidence(machine=machine, cpu_fp32=variant(), cpu_int8=lossy(speed=3.0)),
    ]
    choice = chosen(*measured)
    assert choice.variant == "cpu-fp32"
    assert "more is lost than the teacher's budget allows: cpu-int8" in choice.reason


def test_a_student_that_is_over_the_budget_in_every_form_runs_in_its_fastest_and_says_so():
    choice = chosen(evidence(cpu_fp32=lossy(), cpu_int8=lossy(speed=3.0)))
    assert choice.variant == "cpu-int8"
    assert "it loses more than its teacher's budget allows" in choice.reason


def test_a_student_whose_fp32_is_over_the_budget_runs_in_a_variant_inside_it():
    forms = {"cpu_fp32": lossy(), "cpu_int8": variant(speed=0.9), "openvino_int8": lossy(speed=4.0)}
    choice = chosen(evidence(**forms))
    assert choice.variant == "cpu-int8"
    assert "more is lost than the teacher's budget allows: openvino-int8" in choice.reason
    alone = chosen(evidence(**forms), missing=("cpu",))
    assert alone.variant == "cpu-fp32"
    assert "it loses more than its teacher's budget allows" in alone.reason


def test_a_variant_that_failed_once_on_this_kind_of_machine_is_out():
    good, bad = evidence(cpu_int8=variant(speed=3.0)), evidence(cpu_int8=variant("failed"))
    for order in ((good, bad), (bad, good)):
        choice = chosen(*order)
        assert choice.variant == "cpu-fp32"


MOVES = [
    {"machine": replace(HERE, cpu="another processor")},
    {"machine": replace(HERE, cpu_flags=("avx2",))},
    {"machine": replace(HERE, gpus=("NVIDIA Abacus",))},
    {"version": "0.9"},
]


def self_test(problem=None, name="cpu-int8"):
    return {name: SelfTest(variant=name, onnxruntime="1.0", machine=HERE, problem=problem)}


@pytest.mark.parametrize("elsewhere", MOVES)
def test_a_variant_verified_elsewhere_is_tested_before_it_runs(elsewhere):
    choice = chosen(evidence(cpu_int8=variant(speed=3.0), **elsewhere))
    assert (choice.variant, choice.needs_self_test, choice.fallback) == ("cpu-int8", True, None)


@pytest.mark.parametrize("elsewhere", MOVES)
def test_a_variant_verified_elsewhere_runs_where_its_golden_answers_hold(elsewhere):
    found = evidence(cpu_int8=variant(speed=3.0), **elsewhere)
    choice = chosen(found, self_tests=self_test())
    assert (choice.variant, choice.needs_self_test, choice.fallback) == ("cpu-int8", False, None)
    where = f"verified on {found.machine.cpu} with onnxruntime {found.made_with['onnxruntime']}"
    assert choice.reason == f"{where}, 3.00x cpu-fp32 there; its golden answers hold here"


@pytest.mark.parametrize("elsewhere", MOVES)
def test_a_variant_whose_golden_answers_do_not_hold_is_a_fallback_with_the_reason(elsewhere):
    problem = "its golden answers do not hold here (sentiment: 2 answers differ, ties aside)"
    choice = chosen(evidence(cpu_int8=variant(speed=3.0), **elsewhere), self_tests=self_test(problem))
    assert (choice.variant, choice.needs_self_test) == ("cpu-fp32", False)
    assert problem in choice.fallback
    assert choice.fallback in choice.reason
    assert "`mtl verify`" in choice.fallback


@pytest.mark.parametrize("elsewhere", MOVES)
def test_exact_trust_takes_evidence_of_this_machine_alone_and_says_what_it_costs(elsewhere):
    choice = chosen(evidence(cpu_int8=variant(speed=3.0), **elsewhere), self_tests=self_test(), trust="exact")
    assert choice.variant == "cpu-fp32"
    assert "3.00x cpu-fp32 there" in choice.fallback
    assert 'trust="exact"' in choice.fallback


def test_a_variant_without_golden_answers_is_not_trusted_elsewhere():
    elsewhere = evidence(cpu_int8=variant(speed=3.0), version="0.9")
    choice = chosen(elsewhere, golden=())
    assert choice.variant == "cpu-fp32"
    assert "the bundle holds no golden answers of it" in choice.fallback


def test_the_next_fastest_follows_one_whose_golden_answers_do_not_hold():
    elsewhere = evidence(openvino_bf16=variant(speed=4.0), cpu_int8=variant(speed=3.0), version="0.9")
    outcomes = self_test("it differs", "openvino-bf16") | self_test()
    choice = chosen(elsewhere, golden=BUNDLE, self_tests=outcomes)
    assert choice.variant == "cpu-int8"
    assert "openvino-bf16 (verified on" in choice.fallback


def test_evidence_of_this_machine_comes_before_golden_answers():
    here, elsewhere = evidence(cpu_int8=variant("failed")), evidence(cpu_int8=variant(speed=9.0), version="0.9")
    for order in ((here, elsewhere), (elsewhere, here)):
        choice = chosen(*order, self_tests=self_test())
        assert (choice.variant, choice.fallback) == ("cpu-fp32", None)


def test_speeds_of_this_machine_count_and_those_of_others_only_for_what_it_did_not_measure():
    here = evidence(cpu_fp32=variant(speed=1.0), cpu_int8=variant(speed=2.0))
    elsewhere = evidence(cpu_int8=variant(speed=9.0), openvino_bf16=variant(speed=3.0), version="0.9")
    choice = chosen(here, elsewhere, golden=BUNDLE, self_tests=self_test(None, "openvino-bf16"))
    assert (choice.variant, "3.00x" in choice.reason) == ("openvino-bf16", True)
    assert "2.00x" in chosen(here, elsewhere, missing=["openvino", "cuda"]).reason


def test_of_several_other_machines_the_one_with_this_processor_says_how_fast_a_variant_is():
    upgrade = evidence(cpu_int8=variant(speed=2.0), version="0.9", at="2025-01-01")
    stranger = evidence(cpu_int8=variant(speed=5.0), machine=MOVES[0]["machine"], at="2026-06-01")
    for order in ((upgrade, stranger), (stranger, upgrade)):
        assert "2.00x" in chosen(*order, self_tests=self_test()).reason


def test_a_slower_variant_that_is_not_trusted_is_no_fallback():
    elsewhere = evidence(cpu_int8=variant(speed=0.8), version="0.9")
    choice = chosen(elsewhere, trust="exact")
    assert (choice.variant, choice.fallback) == ("cpu-fp32", None)


def test_a_variant_that_was_measured_nowhere_is_a_fallback_only_if_it_could_run_here():
    everything = chosen(golden=BUNDLE, bundle=BUNDLE)
    assert everything.variant == "cpu-fp32"
    assert all(name in everything.fallback for name in BUNDLE[1:])
    without_wheels = chosen(missing=["openvino", "cuda"], bundle=BUNDLE)
    assert "cpu-int8 (it was not measured anywhere)" in without_wheels.fallback
    assert "cuda" not in without_wheels.fallback
    assert chosen(bundle=("cpu-fp32", "cuda-fp16"), missing=["cuda"]).fallback is None


def test_a_bundle_with_one_variant_has_no_fallback():
    assert chosen(bundle=["cpu-fp32"]).fallback is None
    assert chosen(evidence(cpu_fp32=variant(speed=1.0)), bundle=["cpu-fp32"]).fallback is None


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


WITH_VNNI = replace(HERE, cpu="a processor with VNNI", cpu_flags=("avx2", "avx512_vnni"))
WITHOUT_VNNI = replace(HERE, cpu="a processor without VNNI", cpu_flags=("avx2", "fma"))
HOLDS = {name: SelfTest(variant=name, onnxruntime="1.0", machine=HERE) for name in ("cpu-int8", "cpu-avx2-int8")}


def test_weights_of_7_bits_run_where_the_fast_kernels_saturate_and_those_of_8_bits_elsewhere():
    exported = evidence(machine=WITH_VNNI, cpu_fp32=variant(), cpu_int8=variant(speed=2.6), cpu_avx2_int8=variant())
    for saturates, expected in ((True, "cpu-avx2-int8"), (False, "cpu-int8")):
        choice = chosen(exported, saturates=saturates, self_tests=HOLDS)
        assert choice.variant == expected
        assert choice.fallback is None
    untested = chosen(exported, saturates=True)
    assert (untested.variant, untested.needs_self_test) == ("cpu-avx2-int8", True)
    assert "made for processors like this one" in untested.reason


def test_a_speed_on_another_kind_of_processor_does_not_decide_between_7_and_8_bits():
    slow = evidence(machine=WITHOUT_VNNI, cpu_int8=variant(speed=1.3), cpu_avx2_int8=variant(speed=1.6))
    fast = evidence(machine=WITH_VNNI, cpu_int8=variant(speed=2.6), cpu_avx2_int8=variant())
    for order in ((slow, fast), (fast, slow)):
        assert chosen(*order, saturates=True, self_tests=HOLDS).variant == "cpu-avx2-int8"
        assert chosen(*order, saturates=False, self_tests=HOLDS).variant == "cpu-int8"


@pytest.mark.parametrize(("eight", "expected"), [(1.7, "cpu-int8"), (1.3, "cpu-avx2-int8")])
def test_what_was_timed_on_this_machine_decides_between_7_and_8_bits(eight, expected):
    timed_here = evidence(cpu_int8=variant(speed=eight), cpu_avx2_int8=variant(speed=1.6))
    assert chosen(timed_here, saturates=True).variant == expected


def test_8_bits_run_where_those_of_7_bits_do_not_hold_and_32_bit_sums_are_asked_for():
    exported = evidence(machine=WITH_VNNI, cpu_int8=variant(speed=2.6), cpu_avx2_int8=variant())
    broken = {**HOLDS, "cpu-avx2-int8": replace(HOLDS["cpu-avx2-int8"], problem="its golden answers do not hold here")}
    choice = chosen(exported, saturates=True, self_tests=broken)
    assert choice.variant == "cpu-int8"
    assert "cpu-avx2-int8" in choice.fallback


@pytest.mark.parametrize("saturates", [True, False])
def test_7_bits_alone_replace_fp32_on_the_processors_that_they_are_made_for_only(saturates):
    verified_here = evidence(cpu_fp32=variant(), cpu_avx2_int8=variant())
    assert chosen(verified_here, saturates=saturates).variant == ("cpu-avx2-int8" if saturates else "cpu-fp32")


def with_seven_bits(path):
    """The bundle in ``path`` with its int8 graph in both forms, of which this machine knows nothing."""
    manifest = Bundle.open(path).manifest
    seven = replace(manifest.variants["cpu-int8"], sums_fit_16_bits=True)
    write_manifest(path, replace(manifest, variants={**manifest.variants, "cpu-avx2-int8": seven}))
    add_evidence(path, {"cpu-fp32": 1.0, "cpu-int8": 2.5, "cpu-avx2-int8": 2.4}, machine=ELSEWHERE)
    return path


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("avx2", "fma"), "cpu-avx2-int8"),
        (("avx2", "fma", "avx512f"), "cpu-avx2-int8"),
        ((), "cpu-avx2-int8"),
        (("avx2", "fma", "avx_vnni"), "cpu-int8"),
        (("avx2", "fma", "avx512f", "avx512_vnni"), "cpu-int8"),
    ],
)
def test_the_processors_flags_decide_between_7_and_8_bits(bundle_copy, user_cache, monkeypatch, flags, expected):
    machine = replace(HERE, architecture="x86_64", cpu_flags=flags)
    for module in (plan, session):
        monkeypatch.setattr(module, "machine_facts", lambda: machine)
    info = load(with_seven_bits(bundle_copy)).info
    assert (info.variant, info.fallback) == (expected, None)


def test_arm_needs_no_7_bits(bundle_copy, user_cache, monkeypatch):
    monkeypatch.setattr(plan, "machine_facts", lambda: replace(HERE, architecture="aarch64", cpu_flags=("asimddp",)))
    assert load(with_seven_bits(bundle_copy)).info.variant == "cpu-int8"
