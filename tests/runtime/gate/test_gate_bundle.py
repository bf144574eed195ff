"""The gate on real variants: stability, speed, budgets, labelled files, and evidence that says so."""

import dataclasses
import json
import struct
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime import load
from mtl_runtime.bundle.gate_config import GateConfig, limits_for
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.core.work import PLANNED, STAGE
from mtl_runtime.errors import MtlError, TableError
from mtl_runtime.gate.agreement import TaskOutputs, measure_agreement
from mtl_runtime.gate.budget_checks import stability_problems, task_problems
from mtl_runtime.gate.invariance import check_invariance
from mtl_runtime.gate.speed import measure_speed, median_ratio
from mtl_runtime.gate.verify import verify
from mtl_runtime.gate.work import AUTOTUNE_WORK

TEXTS = ["good film", "the soup was bad", "so so", "a great plot and a good dinner with a lovely taste", ""] * 8


def checks_of(classifier, tie=0.0):
    return {check.name: check for check in check_invariance(classifier, TEXTS, tie=lambda _task: tie)}


def test_the_tiny_variants_answer_alike_however_they_are_batched(bundle_path):
    for variant in ("cpu-fp32", "cpu-int8"):
        checks = checks_of(load(bundle_path, variant=variant, threads=1), tie=2e-4)
        assert stability_problems(checks.values()) == ()
        assert checks["alone once more, 4 threads at once"].max_logit_difference == 0.0
        assert all(check.sentences == len(TEXTS) for check in checks.values())


def broken(classifier, wrong):
    """The classifier with answers that ``wrong`` changes: (batch, rows of one output) -> rows."""

    def run(batch, outputs):
        return [wrong(batch, rows.copy()) for rows in classifier.run_batch(batch, outputs)]

    return dataclasses.replace(classifier, run_batch=run)


def scale_of_batch(batch, rows):
    """As dynamic quantization errs: with the other rows of the batch."""
    return rows + 3 * np.roll(rows, 1, axis=0)


def sees_padding(batch, rows):
    return rows + (batch.attention_mask == 0).sum(axis=1, keepdims=True) * np.array([0.5, -0.5, 0.1])[: rows.shape[1]]


def test_an_answer_that_depends_on_its_neighbours_fails_the_batches_and_nothing_else(classifier):
    checks = checks_of(broken(classifier, scale_of_batch))
    assert checks["batches of 32, shuffled"].flips_outside_ties > 0
    assert checks["padded to max_length"].flips == checks["alone once more, 4 threads at once"].flips == 0
    assert any("batches of 7" in problem for problem in stability_problems(checks.values()))


def test_an_answer_that_depends_on_padding_fails_the_padding(classifier):
    checks = checks_of(broken(classifier, sees_padding))
    assert checks["padded to max_length"].flips_outside_ties > 0


def test_an_answer_that_is_drawn_by_lot_fails_the_repetition(classifier):
    generator = np.random.default_rng(0)
    noisy = broken(classifier, lambda _batch, rows: rows + generator.normal(0, 9, rows.shape).astype(np.float32))
    assert checks_of(noisy)["alone once more, 4 threads at once"].flips_outside_ties > 0


def test_an_interrupted_check_ends_the_passes_that_are_under_way(classifier):
    ran = []

    def run(batch, outputs):
        ran.append(len(batch.input_ids))
        if len(ran) == len(TEXTS) + 3:  # the pass that answers alone is over
            raise KeyboardInterrupt
        time.sleep(0.005)
        return classifier.run_batch(batch, outputs)

    struck = dataclasses.replace(classifier, run_batch=run).with_settings(workers=2)
    with pytest.raises(KeyboardInterrupt):
        checks_of(struck)
    assert len(ran) < len(TEXTS) + 20  # of five further passes


def test_speed_is_the_ratio_of_the_rounds_times(classifier):
    def slow(batch, outputs):
        time.sleep(0.02)
        return classifier.run_batch(batch, outputs)

    slowed = dataclasses.replace(classifier, run_batch=slow)
    ratio = measure_speed(slowed, classifier, TEXTS, rounds=3)
    assert ratio.n == 3
    assert ratio.low <= ratio.median <= ratio.high < 1.0


@pytest.mark.parametrize(("rounds", "skipped"), [(5, 0), (6, 0), (9, 1), (12, 2), (20, 5)])
def test_the_interval_of_a_median_is_that_of_the_sign_test(rounds, skipped):
    ratio = median_ratio(list(range(1, rounds + 1)))
    assert (ratio.low, ratio.high) == (1 + skipped, rounds - skipped)


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30))
def test_the_median_lies_in_its_interval_and_the_interval_in_the_values(values):
    ratio = median_ratio(values)
    assert min(values) <= ratio.low <= ratio.median <= ratio.high <= max(values)
    assert ratio.n == len(values)


def test_the_work_that_a_gate_announces_is_the_work_that_its_stages_have(bundle_copy, caplog):
    with caplog.at_level("INFO"):
        report = verify(bundle_copy)
    assert all(variant.status == "verified" for variant in report.evidence.variants.values())
    announced = sum(getattr(record, PLANNED, 0.0) for record in caplog.records)
    assert announced > 0
    assert announced == pytest.approx(sum(getattr(record, STAGE, 0.0) for record in caplog.records))


def labelled(folder, rows):
    file = folder / "labelled.csv"
    file.write_text("sentence,sentiment\n" + "".join(f"{text},{label}\n" for text, label in rows), "utf-8")
    return file


def test_a_labelled_file_brings_metrics_and_its_digest_into_the_evidence(bundle_copy, tmp_path):
    file = labelled(tmp_path, [("good film", "positive"), ("the soup was bad", "negative"), ("so so", "neutral")])
    report = verify(bundle_copy, data=file, text="sentence")
    task = report.evidence.variants["cpu-int8"].tasks["sentiment"]
    assert (task.sentences, task.labelled) == (3, 3)
    assert {"accuracy", "macro_f1"} <= task.metrics.keys()
    assert report.evidence.variants["cpu-int8"].tasks["topics"].labelled == 0
    assert list(report.evidence.data) == ["labelled.csv"]
    assert report.evidence.reference == "cpu-fp32"
    stored = json.loads((bundle_copy / "evidence").glob("*.data.json").__next__().read_text("utf-8"))
    assert stored["bundle_digest"] == report.digest


def test_a_file_that_has_no_task_of_the_bundle_says_which_there_are(bundle_copy, tmp_path):
    file = tmp_path / "other.csv"
    file.write_text("text,mood\ngood,fine\n", "utf-8")
    with pytest.raises(TableError, match="none of the columns is a task of the bundle: sentiment, topics, stars"):
        verify(bundle_copy, data=file)


def test_a_label_that_the_bundle_does_not_know_names_its_line(bundle_copy, tmp_path):
    with pytest.raises(TableError, match=r"line 3.*did you mean 'neutral'"):
        verify(bundle_copy, data=labelled(tmp_path, [("good", "positive"), ("so", "neutrl")]), text="sentence")


def test_the_error_about_a_bad_row_of_a_file_counts_the_others(bundle_copy, tmp_path, caplog):
    data = tmp_path / "sentences.csv"
    data.write_text("text,sentiment,Stars\na,good,1\nb,bad,2\nc,worse,3\n", "utf-8")
    with pytest.raises(TableError, match=r"line 2, .* unknown label 'good'.* \(and 2 more bad rows\)$"):
        verify(bundle_copy, data=data)
    (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert warning == f"{data}: labels are read from a column 'stars', and there is only 'Stars', which is not read"


def test_labels_that_the_first_record_of_a_jsonl_file_lacks_still_count(bundle_copy, tmp_path):
    file = tmp_path / "late.jsonl"
    file.write_text('{"text": "so so"}\n{"text": "good film", "sentiment": "positive"}\n', "utf-8")
    report = verify(bundle_copy, data=file)
    assert report.evidence.variants["cpu-fp32"].tasks["sentiment"].labelled == 1


def test_a_reference_without_pytorchs_answers_judges_nobody(bundle_copy, change_stars_bias, change_manifest, tmp_path):
    change_stars_bias(bundle_copy, struct.pack("<f", 4.0))
    change_manifest(bundle_copy)
    file = labelled(tmp_path, [("good film", "positive")])
    report = verify(bundle_copy, variants=["cpu-int8"], data=file, text="sentence")
    assert not report.passed
    assert report.evidence is None


def test_numbers_of_lower_precision_have_a_budget_relative_to_their_spread():
    stars = TaskSpec(name="stars", kind="regression")
    values = np.linspace(1, 5, 50, dtype=np.float32)[:, None]
    limits = limits_for(GateConfig(), "stars", "int8")
    for wrong, problems in ((values + 0.05, 0), (values * 0 + 3, 1), (values * 100, 1)):
        found = measure_agreement(
            ["a"] * 50, TaskOutputs(stars, values), TaskOutputs(stars, wrong), None, tie=limits.tie
        )
        assert len(task_problems(stars, found, limits, precision="int8")) == problems


def test_numbers_that_move_with_their_batch_fail_the_stability_checks(classifier):
    shaken = broken(classifier, lambda batch, rows: rows + 0.01 * len(rows))
    assert checks_of(shaken, tie=2e-4)["batches of 7"].flips_outside_ties >= len(TEXTS)


def test_a_date_that_is_none_says_what_it_should_be(bundle_copy, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "2024-01-01")
    with pytest.raises(MtlError, match="must be a number of seconds since 1970"):
        verify(bundle_copy)


def test_a_variant_over_the_bundles_own_budget_fails_and_is_not_chosen(bundle_copy, change_manifest):
    change_manifest(bundle_copy, gate={"budget": {"max_logit_difference": 1e-3}, "tasks": {}})
    report = verify(bundle_copy)
    assert not report.passed
    (failed,) = (check for check in report.checks if check.passed is False)
    assert failed.name == "cpu-int8: gate"
    assert "over the budget of 0.001" in failed.detail
    assert report.evidence.variants["cpu-int8"].status == "failed"
    assert load(bundle_copy).info.variant == "cpu-fp32"


def test_each_variant_answers_with_its_own_temperature_and_thresholds(bundle_copy, change_manifest):
    from mtl_runtime.bundle.bundle import Bundle
    from mtl_runtime.core.records import to_dict

    manifest = Bundle.open(bundle_copy).manifest
    topics, variants = manifest.task("topics"), to_dict(manifest.variants)
    variants["cpu-int8"]["calibration"] = {
        "sentiment": {"temperature": 4.0, "thresholds": []},
        "topics": {"temperature": 1.0, "thresholds": [0.0] * len(topics.labels)},
    }
    change_manifest(bundle_copy, variants=variants)
    plain, warm = (load(bundle_copy, variant=name)("good film") for name in ("cpu-fp32", "cpu-int8"))
    assert plain["sentiment"].label == warm["sentiment"].label
    assert warm["sentiment"].probability < plain["sentiment"].probability
    assert warm["topics"].labels == topics.labels


def test_a_variant_that_fails_spares_the_rounds_that_were_planned(bundle_copy, other_kernels, tmp_path, caplog):
    file = tmp_path / "texts.csv"
    file.write_text("text,sentiment\n" + "good,positive\nbad,negative\n" * 2)
    other_kernels(60.0)
    with caplog.at_level("INFO"):
        assert not verify(bundle_copy, data=file).passed
    announced, taken = (sum(getattr(record, name, 0.0) for record in caplog.records) for name in (PLANNED, STAGE))
    unmeasured = 2 * AUTOTUNE_WORK  # of the variant that failed
    assert announced - unmeasured == pytest.approx(taken)
