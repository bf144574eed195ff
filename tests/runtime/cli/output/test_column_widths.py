"""Tables that fit the terminal: no broken words, and columns that are left out where there is no room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mtl_runtime.cli import terminal
from mtl_runtime.cli.output.column_widths import fit_columns
from mtl_runtime.cli.output.evidence_table import print_evidence
from tests.runtime.evidence.evidence_records import EVIDENCE

WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=12), min_size=1, max_size=4).map(" ".join)


@given(st.lists(st.lists(WORDS, min_size=4, max_size=4), min_size=1, max_size=5), st.integers(20, 150))
def test_no_word_is_wider_than_its_column_and_the_line_has_room_for_all(grid, room):
    shown, widths = fit_columns(grid, room, optional=(grid[0][3], grid[0][2]))
    if None in widths:
        return
    assert sum(widths) + 3 * len(shown) <= room
    for column, width in zip(shown, widths, strict=True):
        assert max(len(word) for row in grid for word in row[column].split()) <= width


def test_optional_columns_are_left_out_in_their_order_and_only_as_many_as_needed():
    grid = [["variant", "task", "accuracy", "difference"], ["cpu-fp32", "sentiment", "0.784", "2.4e-06"]]
    optional = ("difference", "accuracy")
    assert fit_columns(grid, 100, optional=optional)[0] == [0, 1, 2, 3]
    assert fit_columns(grid, 40, optional=optional)[0] == [0, 1, 2]
    assert fit_columns(grid, 30, optional=optional)[0] == [0, 1]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_header_of_the_evidence_is_broken_on_a_narrow_terminal(width, monkeypatch, capsys):
    monkeypatch.setattr(terminal, "Console", lambda **_: Console(width=width))
    print_evidence(EVIDENCE)
    shown = capsys.readouterr().out
    for word in ("variant", "sentences", "agreement", "gate"):
        assert word in shown
    assert ("left out, for the terminal is too narrow" in shown) is (width < 140)
