"""``verify`` fails where a bundle was touched, and only there."""

import struct
from dataclasses import replace

import pytest

from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core.records import to_dict
from mtl_runtime.errors import UnknownVariantError
from mtl_runtime.gate.verify import verify


def failed(report):
    return [check.name for check in report.checks if check.passed is False]


def test_the_tiny_bundle_passes_every_check(bundle_copy):
    report = verify(bundle_copy)
    assert report.passed
    assert all(check.passed for check in report.checks)
    assert [check.name for check in report.checks][-4:] == [
        "cpu-int8: opens",
        "cpu-int8: golden logits",
        "cpu-fp32: gate",
        "cpu-int8: gate",
    ]


def test_only_the_variants_asked_for_run(bundle_copy):
    names = [check.name for check in verify(bundle_copy, variants=["cpu-int8"]).checks]
    assert "cpu-int8: opens" in names
    assert "cpu-fp32: opens" not in names
    with pytest.raises(UnknownVariantError):
        verify(bundle_copy, variants=["gpu"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model.onnx", ["file model.onnx", "cpu-fp32: opens"]),
        ("tokenizer.json", ["file tokenizer.json", "golden token ids", "cpu-fp32: opens", "cpu-int8: opens"]),
        ("golden.jsonl", ["file golden.jsonl", "golden token ids"]),
        ("MODEL_CARD.md", ["file MODEL_CARD.md"]),
    ],
)
def test_a_flipped_bit_fails_the_checks_of_that_file_only(bundle_copy, name, expected):
    data = bytearray((bundle_copy / name).read_bytes())
    data[-2] ^= 1
    (bundle_copy / name).write_bytes(data)
    assert failed(verify(bundle_copy)) == expected


def test_a_file_that_the_manifest_does_not_know_fails_but_evidence_does_not(bundle_copy):
    (bundle_copy / "evidence").mkdir()
    (bundle_copy / "evidence" / "machine.json").write_text("{}")
    assert verify(bundle_copy).passed
    (bundle_copy / "extra.bin").write_text("x")
    report = verify(bundle_copy)
    assert failed(report) == ["unknown files"]
    assert "extra.bin" in str(report.checks)


@pytest.mark.parametrize(("bias", "word"), [(4.0, "1 ("), (float("nan"), "nan ("), (float("inf"), "inf (")])
def test_a_graph_that_answers_otherwise_fails_its_golden_texts(
    bundle_copy, change_stars_bias, change_manifest, bias, word
):
    change_stars_bias(bundle_copy, struct.pack("<f", bias))
    change_manifest(bundle_copy)
    report = verify(bundle_copy)
    assert failed(report) == ["cpu-fp32: golden logits"]
    (check,) = (check for check in report.checks if check.passed is False)
    assert f"stars {word}" in check.detail


def test_a_graph_within_the_tolerance_passes(bundle_copy, change_stars_bias, change_manifest):
    change_stars_bias(bundle_copy, struct.pack("<f", 3.00005))
    change_manifest(bundle_copy)
    assert verify(bundle_copy).passed


def test_another_tokenizer_fails_by_its_token_ids(bundle_copy, change_manifest):
    file = bundle_copy / "tokenizer.json"
    text = file.read_text("utf-8")
    swapped = text.replace('"good": 4', '"good": -1').replace('"great": 5', '"great": 4').replace("-1", "5")
    assert swapped != text
    file.write_text(swapped, "utf-8")
    change_manifest(bundle_copy)
    assert "golden token ids" in failed(verify(bundle_copy))


def test_a_label_that_only_the_manifest_was_given_opens_no_variant(bundle_copy, change_manifest):
    sentiment, *others = Bundle.open(bundle_copy).manifest.tasks
    renamed = replace(sentiment, labels=("negative", "so_so", "positive"))
    change_manifest(bundle_copy, tasks=to_dict([renamed, *others]))
    assert failed(verify(bundle_copy)) == ["cpu-fp32: opens", "cpu-int8: opens"]


def test_a_variant_whose_provider_is_absent_is_left_open_unless_asked_for(bundle_copy, change_manifest):
    specs = {
        "cpu-fp32": {"graph": "model.onnx", "provider": "cpu", "provider_options": {}},
        "abacus-fp32": {"graph": "model.onnx", "provider": "abacus", "provider_options": {}},
    }
    change_manifest(bundle_copy, variants=specs)
    report = verify(bundle_copy)
    assert report.passed
    assert [check.passed for check in report.checks if check.name.startswith("abacus")] == [None]
    assert failed(verify(bundle_copy, variants=["abacus-fp32"])) == ["abacus-fp32: opens"]


def test_golden_texts_without_a_tasks_logits_fail(bundle_copy, change_manifest):
    file = bundle_copy / "golden.jsonl"
    file.write_text(file.read_text("utf-8").replace('"stars": [', '"moons": ['), "utf-8")
    change_manifest(bundle_copy)
    assert failed(verify(bundle_copy)) == ["cpu-fp32: golden logits", "cpu-int8: golden logits"]


def test_a_quick_check_runs_no_gate_and_later_loads_remember_it(moved_bundle, monkeypatch, user_cache):
    report = verify(moved_bundle, quick=True)
    assert report.passed
    assert (report.evidence, report.page) == (None, None)
    names = [check.name for check in report.checks]
    answers = [name for name in names if name.endswith("golden answers")]
    assert answers == ["cpu-fp32: golden answers", "cpu-int8: golden answers"]
    assert not [name for name in names if "gate" in name]
    assert {"golden token ids", "file model.onnx", "unknown files"} <= set(names)
    assert len(list((user_cache / "self-tests").rglob("*.json"))) == 2
    monkeypatch.setattr("mtl_runtime.loading.load.run_self_test", lambda *_: pytest.fail("tested again"))
    assert load(moved_bundle).info.variant == "cpu-int8"


def test_a_quick_check_fails_where_golden_answers_do_not_hold_and_that_is_remembered_too(
    moved_bundle, other_kernels, monkeypatch
):
    other_kernels(6.0)
    report = verify(moved_bundle, quick=True)
    assert failed(report) == ["cpu-int8: golden answers"]
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(moved_bundle.parent / "cache"))
    assert "its golden answers do not hold here" in load(moved_bundle).info.fallback


@pytest.mark.parametrize("variants", [None, ["cpu-int8"]])
def test_a_quick_check_says_where_there_is_nothing_to_repeat(version_1_copy, variants):
    report = verify(version_1_copy, variants=variants, quick=True)
    assert report.passed
    without = {check.name: check.detail for check in report.checks if check.passed is None}
    assert list(without) == [f"{name}: golden answers" for name in variants or ["cpu-fp32", "cpu-int8"]]
    assert "the bundle holds none" in without["cpu-int8: golden answers"]


def test_a_quick_check_gives_its_verdict_where_nothing_can_be_remembered(moved_bundle):
    (moved_bundle.parent / "cache").write_text("in the way")
    report = verify(moved_bundle, quick=True)
    assert report.passed
    answers = [check.detail for check in report.checks if check.name.endswith("golden answers")]
    assert len(answers) == 2
    assert all(detail.endswith("the cache cannot be written") for detail in answers)


def test_a_quick_check_reads_no_sentences(bundle_path):
    with pytest.raises(ValueError, match="data would not be read"):
        verify(bundle_path, quick=True, data="sentences.csv")


def test_a_bundle_of_format_version_1_verifies(version_1_copy):
    assert verify(version_1_copy).passed
