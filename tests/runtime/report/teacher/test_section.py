"""The section of the evidence page that compares a student with its teacher."""

import dataclasses

import numpy as np

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.examples import Example
from mtl_runtime.gate.agreement import TaskOutputs
from mtl_runtime.gate.teacher_comparison import compare_with_teacher
from mtl_runtime.report.document import evidence_page
from mtl_runtime.report.teacher.outcomes import describe_outcome
from tests.runtime.evidence.evidence_records import EVIDENCE

TASK = TaskSpec(name="mood", kind="single_label", labels=("good", "<b>bad</b>"))


def comparison_of(*, flips, labelled=True, sentences=200):
    truth = np.arange(sentences) % 2
    student = np.where(np.arange(sentences) < flips, 1 - truth, truth)
    examples = [
        Example(
            text=f"<script>{row}</script>", labels={"mood": TASK.labels[label]} if labelled else {}, path="x", line=row
        )
        for row, label in enumerate(truth)
    ]
    teacher, own = (TaskOutputs(TASK, np.eye(2, dtype=np.float32)[side]) for side in (truth, student))
    return compare_with_teacher(examples, {"mood": teacher}, {"mood": own}, budget={"mood": 0.5}, tie=1e-4)


def page_of(compared):
    name, variant = next(iter(EVIDENCE.variants.items()))
    evidence = dataclasses.replace(
        EVIDENCE, teacher="f" * 64, variants={name: dataclasses.replace(variant, teacher=compared)}
    )
    return evidence_page(evidence, title="student")


def test_the_page_shows_changes_intervals_and_both_answers_of_each_flip():
    page = page_of(comparison_of(flips=8))
    section = page.partition("What is lost compared with the teacher?")[2].partition("<h2>Variants")[0]
    assert "f" * 64 in section
    assert "accuracy" in section
    assert "\u22124.00" in section  # points
    assert "exceeds 0.5 points" in section
    assert section.count("&lt;script&gt;") == 8
    assert "&lt;b&gt;bad&lt;/b&gt;" in section
    assert "<script>" not in page


def test_without_labels_the_page_says_so():
    assert "no labels" in page_of(comparison_of(flips=1, labelled=False))


def test_a_page_without_a_teacher_has_no_such_section():
    assert "the teacher" not in evidence_page(EVIDENCE, title="bundle")


def test_too_few_sentences_are_said_with_how_many_would_do():
    (compared,) = comparison_of(flips=0).values()
    assert describe_outcome(compared) == (
        "not certain to hold 0.5 points with 200 sentences; about 598 would be needed"
    )
