"""A number is read, and the error about a cell that holds none says how to write it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.dataset.number_cells import parse_number


@pytest.mark.parametrize(
    ("cell", "mend"),
    [
        ("1,234.5", "write 1234.5"),
        ("-1,234,567", "write -1234567"),
        ("1.234,5", "write 1234.5"),
        ("1.234.567", "write 1234567"),
        ("1 234,5", "write 1234.5"),
        ("1\u00a0234", "write 1234"),
        ("1'234.50", "write 1234.50"),
        ("3,5", "write 3.5"),
        ("1,234", "write 1234 or 1.234"),
        ("$12", "write 12"),
        ("12 %", "write 12 or 0.12"),
        ("3,5%", "write 3.5 or 0.035"),
        ("\u20ac 12.50", "write 12.50"),
        ("12 kg", "write 12"),
        ("\u22123", "write -3"),  # a minus sign, and dashes in its place
        ("\u20133,5", "write -3.5"),
        ("\u22121,234.5", "write -1234.5"),
        ("1e400", "leave the cell empty, or write a number up to 3.4e+38"),
        ("inf", "leave the cell empty, or write a number up to 3.4e+38"),
        ("-Infinity", "leave the cell empty, or write a number up to 3.4e+38"),
    ],
)
def test_the_error_names_the_cell_and_how_to_write_it(cell, mend):
    with pytest.raises(ValueError, match="expected a finite number") as caught:
        parse_number(cell)
    assert str(caught.value) == f"expected a finite number, found {cell!r}; {mend}"


@pytest.mark.parametrize(
    "cell",
    ["four", "1/2", "(5)", "$(1.50)", "1_000", "3-5", "1,2,3", "12.05.2024", "", "nan", True, [4], None, {"a": 1}],
)
def test_a_cell_that_is_no_number_in_any_way_gets_no_suggestion(cell):
    with pytest.raises(ValueError, match="expected a finite number") as caught:
        parse_number(cell)
    assert str(caught.value) == f"expected a finite number, found {cell!r}"


def test_a_number_of_400_digits_is_shown_shortened():
    with pytest.raises(ValueError, match=r"found 10{76}\.\.\.; leave the cell empty"):
        parse_number(10**400)


@given(st.floats(-3e38, 3e38))
def test_every_number_that_float32_holds_is_read(number):
    assert parse_number(number) == parse_number(repr(number)) == parse_number(f" {number!r} ") == number


@given(st.floats(-1e9, 1e9).map(lambda number: round(number, 2)), st.sampled_from([",", " ", "'", "\u202f"]))
def test_a_suggestion_is_a_number_and_the_one_that_was_written(number, mark):
    written = f"{number:,.2f}".replace(",", mark)
    try:
        assert parse_number(written) == number
    except ValueError as error:
        suggestion = str(error).rpartition("write ")[2]
        assert math.isclose(float(suggestion), number)
