"""Labels that a reader takes for one are twins; others are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.dataset.label_twins import find_twin, fold_label, group_twins

NFC, NFD = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    "twins",
    [
        ("positive", "Positive", "POSITIVE"),
        ("true", "True", "TRUE"),
        ("stra\u00dfe", "STRASSE"),
        ("new york", "new  york", "new\u00a0york", " new york"),
        (NFC, NFD, f"{NFC}\u200b", f"\ufeff{NFD}", "CAF\u00c9"),
        ("news", "\uff4e\uff45\uff57\uff53"),  # full width
        ("don't know", "don\u2019t know"),
        ("follow-up", "follow\u2011up", "follow\u2013up"),
        ("\u2764", "\u2764\ufe0f"),
        ("BBC", "\u0412\u0412\u0421", "\u0432\u0432\u0441"),  # Cyrillic
        ("0", "0.0", "-0", "00", ".0"),
        ("1", "1.0", "1.", "+1", "01", "001.00"),
        ("7", "007"),
        ("1.1", "1.10"),
        ("-2", "-2.0"),
    ],
)
def test_twins_are_found_in_every_direction(twins):
    assert len({fold_label(label) for label in twins}) == 1
    assert group_twins(["other", *twins]) == [twins]
    assert find_twin(twins[0], ["other", twins[-1]]) == twins[-1]


@pytest.mark.parametrize(
    "labels",
    [
        ("film", "films"),
        ("e", "\u00e9"),  # an accent is seen
        ("1", "-1", "10", "0.1", "1.01", "1e1"),
        ("10000000000000000000000000000001", "10000000000000000000000000000002"),
        ("c", "c++", "c#"),
        ("a b", "ab", "a-b", "a_b"),
        ("true", "1", "yes"),
        ("\u03b1", "a"),  # Greek letters name things next to Latin ones
        (".", "-", "+", "?"),
    ],
)
def test_labels_that_a_reader_can_tell_apart_are_no_twins(labels):
    assert group_twins(labels) == []
    assert find_twin(labels[0], labels[1:]) is None


@given(st.text())
def test_folding_is_stable_and_ignores_case_and_what_surrounds_a_label(label):
    folded = fold_label(label)
    assert fold_label(folded) == folded
    assert fold_label(f" \u200b{label}\ufeff ") == folded


@given(st.integers(-(10**20), 10**20), st.integers(0, 3), st.integers(0, 3))
def test_equal_numbers_are_twins_however_many_zeros_they_have(number, before, after):
    sign, digits = ("-", str(number)[1:]) if number < 0 else ("", str(number))
    written = f"{sign}{'0' * before}{digits}" + (f".{'0' * after}" if after else "")
    assert fold_label(written) == str(number)
