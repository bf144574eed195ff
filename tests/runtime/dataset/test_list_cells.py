"""A list that was written into a cell as text is read as what it was."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.dataset.list_cells import parse_list_text

words = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), min_size=1, max_size=8)


@pytest.mark.parametrize(
    "text",
    [
        "['film', 'food']",
        '["film", "food"]',
        "('film', 'food')",
        "{'film', 'food'}",
        "frozenset({'film', 'food'})",
        "['film' 'food']",  # numpy
        "['film'\n 'food']",
        "array(['film', 'food'], dtype=object)",
        "array(['film', 'food'], dtype='<U4')",
        "[np.str_('film'), np.str_('food')]",
        " ['film','food',] ",
    ],
)
def test_a_list_is_read_however_it_was_printed(text):
    assert parse_list_text(text) == ("film", "food")


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("[]", ()),
        ("()", ()),
        ("set()", ()),
        ("['film']", ("film",)),
        ("('film',)", ("film",)),
        ("[1, 2]", (1, 2)),
        ("[1 2]", (1, 2)),
        ("[True, False]", (True, False)),
        (r"['it\'s', \"a, b\"]".replace('\\"', '"'), ("it's", "a, b")),
        ('["caf\\u00e9"]', ("caf\u00e9",)),
    ],
)
def test_items_keep_their_types(text, items):
    assert parse_list_text(text) == items


@pytest.mark.parametrize(
    "text",
    [
        "film",
        "",
        "[film, food]",
        "['it''s']",
        """['a'"b"]""",
        "['film', None]",
        "['film', ['food']]",
        '{"film": 1}',
        "['film'",
        "a (b)",
        "{}",
    ],
)
def test_what_is_no_list_of_scalars_is_none(text):
    assert parse_list_text(text) is None


@given(st.lists(words, max_size=4))
def test_what_python_json_and_numpy_print_is_read_back(labels):
    expected = tuple(labels)
    assert parse_list_text(str(labels)) == expected
    assert parse_list_text(json.dumps(labels)) == expected
    assert parse_list_text(str(np.array(labels, dtype=object))) == expected
