"""Rows are counted by task and label, also labels that no row has."""

from mtl_export.data.label_counts import LabelCounts, count_labels
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.examples import Example


def test_rows_are_counted_by_task_and_label():
    tone = TaskSpec(name="tone", kind="single_label", labels=("b", "a", "unseen"))
    tags = TaskSpec(name="tags", kind="multi_label", labels=("x", "y"), thresholds=(0.5, 0.5))
    stars = TaskSpec(name="stars", kind="regression")
    labels = [{"tone": "a", "tags": ("x", "y"), "stars": 1.0}, {"tone": "a", "tags": ()}, {"tone": "b"}, {}]
    rows = [Example(text="t", labels=of_row, path="p", line=2) for of_row in labels]
    assert count_labels(rows, [tone, tags, stars]) == LabelCounts(
        rows=4,
        labelled={"tone": 3, "tags": 2, "stars": 1},
        by_label={"tone": {"b": 1, "a": 2, "unseen": 0}, "tags": {"x": 1, "y": 1}, "stars": {}},
    )
