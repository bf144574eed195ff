"""What `mtl train` prints of the best weights: a matrix that fits a terminal, or what is confused most often."""

import pytest

from mtl_export.commands import _print_training
from tests.export.training_page.training_records import RECORD, with_labels


def test_a_matrix_of_few_labels_is_printed_whole(capsys):
    _print_training(RECORD)
    shown = capsys.readouterr().out
    assert "sentiment: true label down, predicted label across" in shown
    assert [line.split() for line in shown.splitlines() if line.startswith(" negative")] == [
        ["negative", "1787", "37", "96"]
    ]


@pytest.mark.parametrize("count", [13, 77, 1200])
def test_of_many_labels_the_most_frequent_confusions_are_printed_with_their_figures(capsys, count):
    record = with_labels(count)
    _print_training(record)
    lines = capsys.readouterr().out.splitlines()
    (confusion,) = (metrics.confusion for metrics in record.training.validation.values())
    pairs = confusion.most_confused()
    shown = min(15, len(pairs))
    (title,) = (number for number, line in enumerate(lines) if line.startswith("intent: most frequent confusions"))
    assert lines[title] == f"intent: most frequent confusions, {shown} of {len(pairs):,} pairs of {count:,} labels"
    rows = [line.split() for line in lines[title + 1 :] if "intent" in line]
    assert [int(row[-2]) for row in rows] == [pair.rows for pair in pairs[:shown]]
    assert {row[-1] for row in rows} == {"3"}
