"""Which column of a table holds the texts."""

import pytest

from mtl_runtime.tables.text_column import choose_text_column, text_candidates


@pytest.mark.parametrize(
    ("columns", "trained", "asked", "chosen"),
    [
        (("id", "text"), (), None, "text"),
        (("text", "sentence"), ("sentence",), None, "sentence"),
        (("text", "body"), ("sentence",), None, "text"),
        (("body", "title"), ("title", "body"), None, "title"),  # in the order of the sources
        (("sentence", "review"), ("sentence",), "review", "review"),
        (("sentence",), ("sentence",), "review", "review"),  # absent: an error where the table is read
        (("id",), ("sentence",), None, "sentence"),  # what the error names
        (("id",), (), None, "text"),
    ],
)
def test_the_column_is_the_one_asked_for_else_that_of_training_else_text(columns, trained, asked, chosen):
    assert choose_text_column(columns, text_candidates(trained=trained, asked=asked)) == chosen
