"""Two bundles that answer the same labelled file: what one loses compared with the other."""

import dataclasses

import pytest

from mtl_runtime.bundle.bundle import Bundle, write_manifest
from mtl_runtime.errors import MtlError
from mtl_runtime.evaluation.answer_file import answer_file
from mtl_runtime.evaluation.evaluate import evaluate
from mtl_runtime.gate.compare_bundles import compare_bundles

ROWS = (
    "a great soup,positive,9\n" * 20
    + "a bad match,negative,1\n" * 20
    + "the bank was great,positive,\n" * 3
    + "good,,\n"
)


@pytest.fixture
def labelled(tmp_path):
    file = tmp_path / "unseen.csv"
    file.write_text(f"text,sentiment,stars\n{ROWS}", "utf-8")
    return file


@pytest.fixture
def mirrored(bundle_copy):
    """The bundle whose labels of sentiment are called in the opposite order, so that its answers are others."""
    bundle = Bundle.open(bundle_copy)
    tasks = [
        dataclasses.replace(task, labels=task.labels[::-1]) if task.name == "sentiment" else task
        for task in bundle.manifest.tasks
    ]
    write_manifest(bundle_copy, dataclasses.replace(bundle.manifest, tasks=tuple(tasks)))
    return bundle_copy


def test_a_bundle_loses_nothing_against_itself(bundle_path, labelled):
    comparison = compare_bundles(answer_file(bundle_path, labelled, variant="cpu-fp32"), bundle_path)
    assert (comparison.variant, comparison.sentences) == ("cpu-fp32", 44)
    for compared in comparison.tasks.values():
        assert compared.answers.flips == 0
        assert all(moved.change == moved.low == moved.high == 0 for moved in compared.changes.values())
    assert comparison.tasks["sentiment"].answers.labelled == 43
    assert comparison.tasks["topics"].changes == {}


def test_the_metrics_are_those_of_an_evaluation(bundle_path, labelled):
    comparison = compare_bundles(answer_file(bundle_path, labelled, variant="cpu-int8"), bundle_path, budget=2.0)
    report = evaluate(bundle_path, labelled, variant="cpu-int8")
    for task, evaluated in report.tasks.items():
        compared = comparison.tasks[task]
        assert compared.answers.metrics == pytest.approx(
            {name: score.value for name, score in evaluated.scores.items()}
        )
        assert compared.budget == 2.0


def test_bundles_with_other_labels_cannot_be_compared(bundle_path, mirrored, labelled):
    with pytest.raises(MtlError, match=r"cannot be compared with .*: they differ in sentiment$"):
        compare_bundles(answer_file(bundle_path, labelled), mirrored)
