"""Characters that nobody sees are found at the ends of a text and inside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.text.invisible import is_blank, remove_invisible, strip_invisible

SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"  # a black flag and tags


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("film", "film"),
        (" \ufefffilm\u200b \u00a0", "film"),
        ("\u200b\u200d\u2060", ""),
        ("new\u200b york", "new\u200b york"),
        ("\u2764\ufe0f", "\u2764\ufe0f"),  # a variation selector is part of its character
        (SCOTLAND, SCOTLAND),
        ("\u3164film\u2800", "film"),
    ],
)
def test_what_nobody_sees_is_stripped_from_both_ends(text, stripped):
    assert strip_invisible(text) == stripped


def test_what_has_no_width_is_removed_everywhere_and_white_space_stays():
    assert remove_invisible(SCOTLAND) == SCOTLAND
    assert remove_invisible("\ufeffnew\u200b yo\u00adrk\u2764\ufe0f ") == "new york\u2764 "


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u00a0", "\u200b", " \ufeff\u200e ", "\u3164", "\u2800\u115f"])
def test_a_text_without_anything_to_see_is_blank(text):
    assert is_blank(text)
    assert not is_blank(f"{text}.{text}")


@given(st.text())
def test_stripping_twice_changes_nothing_more_and_removes_at_least_white_space(text):
    stripped = strip_invisible(text)
    assert strip_invisible(stripped) == stripped == stripped.strip()
    assert stripped in text
