"""A bundle that was verified on another machine, or with another onnxruntime: what runs here, and who is told."""

import json
import logging
import pickle  # noqa: TID251 - that classifiers can be pickled is a promise
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import IntegrityError
from mtl_runtime.evidence.self_tests import AnswerDifference, SelfTest, read_self_tests, remember_self_test
from mtl_runtime.gate.verify import verify
from mtl_runtime.loading import load as load_module
from mtl_runtime.loading.self_test import run_self_test
from mtl_runtime.providers.session import onnxruntime_version
from tests.runtime.measured_bundle import ELSEWHERE, add_evidence

FASTER = {"cpu-fp32": 1.0, "cpu-int8": 2.5}
MOVES = {"another machine": {"machine": ELSEWHERE}, "another onnxruntime": {"onnxruntime": "1.31.0"}}


@pytest.fixture(params=MOVES.values(), ids=MOVES)
def moved(request, bundle_copy, user_cache):
    """A bundle on which cpu-int8 is the fastest, but not measured on this machine with this onnxruntime."""
    add_evidence(bundle_copy, FASTER, **request.param)
    return bundle_copy


@pytest.fixture
def tests_run(monkeypatch):
    """The variants whose self-test has run, in order."""
    variants = []

    def run(classifier, bundle):
        variants.append(classifier.info.variant)
        return run_self_test(classifier, bundle)

    monkeypatch.setattr(load_module, "run_self_test", run)
    return variants


def test_the_first_load_tests_the_fastest_variant_and_later_ones_remember(moved, tests_run, user_cache, caplog):
    info = load(moved).info
    assert (info.variant, info.fallback) == ("cpu-int8", None)
    assert "its golden answers hold here" in info.reason
    assert "2.50x cpu-fp32 there" in info.reason
    assert len(list((user_cache / "self-tests").rglob("cpu-int8-*.json"))) == 1
    assert load(moved).info == info
    assert tests_run == ["cpu-int8"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_the_classifier_of_the_first_load_answers_as_later_ones_do(moved):
    texts = ["good soup", "", "the bank " * 30]
    first, second = (load(moved, long_text="windows", max_text_bytes=300) for _ in range(2))
    assert first.settings == second.settings
    assert [p.to_dict() for p in first(texts)] == [p.to_dict() for p in second(texts)]


def test_a_limit_on_the_callers_texts_is_none_on_the_golden_ones(moved):
    assert load(moved, max_text_bytes=1, long_text="error").info.variant == "cpu-int8"


def test_another_answer_to_a_golden_text_makes_it_fall_back_and_says_so_once(moved, other_kernels, tests_run, caplog):
    other_kernels(6.0)
    info = load(moved).info
    assert info.variant == "cpu-fp32"
    assert "its golden answers do not hold here (sentiment:" in info.fallback
    assert info.fallback in info.reason
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.name == "mtl_runtime.loading.load"
    assert warning.getMessage() == f"cpu-fp32 runs by fallback; {info.fallback}"
    assert load(moved).info == info
    assert tests_run == ["cpu-int8"]


def test_rounding_on_other_kernels_is_no_other_answer(moved, other_kernels):
    other_kernels(5e-5)
    assert load(moved).info.variant == "cpu-int8"


def test_exact_trust_runs_no_self_test(moved, tests_run):
    info = load(moved, trust="exact").info
    assert (info.variant, tests_run) == ("cpu-fp32", [])
    assert 'trust="exact"' in info.fallback


def test_trust_of_another_kind_is_refused(moved):
    with pytest.raises(ValueError, match="trust is 'blind'; it must be one of golden, exact"):
        load(moved, trust="blind")


def test_a_bundle_of_format_version_1_is_served_as_before_and_says_what_it_lacks(version_1_copy, tests_run):
    add_evidence(version_1_copy, FASTER, machine=ELSEWHERE)
    info = load(version_1_copy).info
    assert (info.variant, tests_run) == ("cpu-fp32", [])
    assert "the bundle holds no golden answers of it" in info.fallback
    add_evidence(version_1_copy, FASTER)
    assert load(version_1_copy).info.variant == "cpu-int8"
    assert verify(version_1_copy).passed


def test_evidence_of_this_machine_needs_no_self_test(bundle_copy, tests_run, user_cache):
    add_evidence(bundle_copy, FASTER, machine=ELSEWHERE)
    add_evidence(bundle_copy, FASTER)
    assert "verified on this kind of machine" in load(bundle_copy).info.reason
    assert tests_run == []
    assert not user_cache.exists()


def test_a_variant_that_failed_on_this_machine_stays_out_whatever_it_answers(moved, tests_run):
    add_evidence(moved, {"cpu-fp32": 1.0, "cpu-int8": None})
    info = load(moved).info
    assert (info.variant, info.fallback, tests_run) == ("cpu-fp32", None, [])


def test_a_variant_that_is_asked_for_runs_without_a_test_or_a_warning(moved, tests_run, caplog):
    for name in ("cpu-fp32", "cpu-int8"):
        info = load(moved, variant=name).info
        assert (info.variant, info.fallback) == (name, None)
    assert tests_run == []
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("home", ["a file", "nobody's"])
def test_where_nothing_can_be_remembered_each_load_tests_again(moved, tests_run, home, tmp_path, monkeypatch):
    if home == "a file":
        (tmp_path / "cache").write_text("in the way")
    else:
        monkeypatch.setattr("mtl_runtime.evidence.self_tests.cache_folder", lambda: None)
    assert [load(moved).info.variant for _ in range(2)] == ["cpu-int8"] * 2
    assert tests_run == ["cpu-int8"] * 2


def test_a_remembered_outcome_that_is_damaged_is_tested_again(moved, tests_run, user_cache):
    load(moved)
    (file,) = (user_cache / "self-tests").rglob("*.json")
    file.write_text("{")
    assert load(moved).info.variant == "cpu-int8"
    assert tests_run == ["cpu-int8"] * 2


@pytest.mark.parametrize(
    "change",
    [
        lambda monkeypatch: monkeypatch.setattr("mtl_runtime.loading.plan.onnxruntime_version", lambda: "1.99"),
        lambda monkeypatch: monkeypatch.setattr(
            "mtl_runtime.loading.plan.machine_facts", lambda: replace(machine_facts(), cpu_flags=("avx2",))
        ),
    ],
    ids=["onnxruntime", "machine"],
)
def test_what_is_remembered_of_other_kernels_does_not_count(moved, tests_run, change, monkeypatch):
    load(moved)
    change(monkeypatch)
    load(moved)
    assert tests_run == ["cpu-int8"] * 2


def test_fewer_cores_run_the_same_kernels(moved):
    load(moved)
    fewer = replace(machine_facts(), cores=1, cores_allowed=1, cores_by_affinity=1)
    assert read_self_tests(Bundle.open(moved).digest, fewer, onnxruntime=onnxruntime_version()).keys() == {"cpu-int8"}


def test_a_variant_that_this_onnxruntime_cannot_load_is_passed_over(moved, change_manifest, tests_run, user_cache):
    graph = moved / "model.int8.onnx"
    graph.write_bytes(graph.read_bytes().replace(b"DequantizeLinear", b"DequantizeUnknow"))
    change_manifest(moved)
    add_evidence(moved, FASTER, machine=ELSEWHERE)
    info = load(moved).info
    assert info.variant == "cpu-fp32"
    assert "it cannot be tested here: onnxruntime" in info.fallback
    assert "\n" not in info.fallback
    assert tests_run == []
    assert not user_cache.exists()  # the next onnxruntime may load it


def test_a_damaged_file_is_never_a_reason_to_fall_back(moved):
    data = bytearray((moved / "model.int8.onnx").read_bytes())
    data[-1] ^= 1
    (moved / "model.int8.onnx").write_bytes(data)
    with pytest.raises(IntegrityError, match=r"model\.int8\.onnx"):
        load(moved)


def test_a_pickled_classifier_keeps_its_variant_and_its_fallback_and_repeats_no_test(moved, change_manifest, tests_run):
    trusted = load(moved)
    assert pickle.loads(pickle.dumps(trusted)).info == trusted.info
    fallen = load(moved, trust="exact")
    assert fallen.info.fallback is not None
    assert pickle.loads(pickle.dumps(fallen)).info == fallen.info
    assert fallen.with_settings(workers=1).info.fallback == fallen.info.fallback
    assert tests_run == ["cpu-int8"]


def test_deleted_evidence_leaves_nothing_that_vouches(moved):
    for file in (moved / "evidence").glob("*.json"):
        file.unlink()
    info = load(moved).info
    assert info.variant == "cpu-fp32"
    assert "cpu-int8 (it was not measured anywhere)" in info.fallback


def test_no_evidence_is_needed_to_serve_a_bundle_with_one_variant(bundle_copy, change_manifest, caplog):
    spec = {"graph": "model.onnx", "provider": "cpu", "provider_options": {}}
    change_manifest(bundle_copy, variants={"cpu-fp32": spec})
    assert load(bundle_copy).info.fallback is None
    (bundle_copy / "evidence").mkdir()
    (bundle_copy / "evidence" / "broken.json").write_text("{")
    assert load(bundle_copy).info.fallback is None
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("task", "row", "by", "words"),
    [
        ("sentiment", 0, 0.1, "mean logit difference"),
        ("sentiment", 0, 6.0, "1 answers differ, ties aside"),
        ("topics", 1, 2.5, "1 answers differ, ties aside"),
        ("stars", 0, 1.0, "largest logit difference 1, rounding explains"),
    ],
)
def test_what_differs_is_named_by_task(bundle_path, other_kernels, task, row, by, words):
    classifier = load(bundle_path, variant="cpu-int8")
    assert run_self_test(classifier, Bundle.open(bundle_path)).holds
    other_kernels(by, task=task, row=row)
    outcome = run_self_test(classifier, Bundle.open(bundle_path))
    assert not outcome.holds
    assert f"({task}: " in outcome.problem
    assert words in outcome.problem


@pytest.mark.parametrize("word", ["NaN", "Infinity"])
def test_an_answer_that_is_not_finite_does_not_hold(bundle_copy, change_stars_bias, change_manifest, word):
    change_stars_bias(bundle_copy, struct.pack("<f", float(word)))
    change_manifest(bundle_copy)
    outcome = run_self_test(load(bundle_copy, variant="cpu-fp32"), Bundle.open(bundle_copy))
    assert outcome.tasks["stars"].not_finite == outcome.texts == 6
    assert "stars: 6 answers are NaN or infinity" in outcome.problem
    assert remember_self_test("digest", outcome) is not None


numbers = st.floats(min_value=0, max_value=1e30)


@given(numbers, numbers, st.integers(min_value=0, max_value=99), st.one_of(st.none(), st.text()))
def test_an_outcome_survives_its_file(tmp_path_factory, mean, largest, flips, problem):
    difference = AnswerDifference(mean=mean, mean_allowed=1.0, largest=largest, largest_allowed=2.0, flips=flips)
    outcome = SelfTest(
        variant="cpu-int8", onnxruntime="1.0", machine=ELSEWHERE, texts=3, tasks={"stars": difference}, problem=problem
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        file = remember_self_test("0" * 64, outcome)
        assert read_self_tests("0" * 64, ELSEWHERE, onnxruntime="1.0") == {"cpu-int8": outcome}
        assert read_self_tests("1" * 64, ELSEWHERE, onnxruntime="1.0") == {}
    assert json.loads(Path(file).read_text("utf-8"))["variant"] == "cpu-int8"
