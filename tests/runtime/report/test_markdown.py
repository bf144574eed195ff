"""Texts in Markdown: a reader sees exactly the text, whatever it holds."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mtl_runtime.report.markdown import code, plain

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

texts = st.text() | st.text(alphabet="|`*_[]()<>#-+=!&;~\\$@:/.w1 \n\t")


def one_line(text):
    return "".join(char if char.isprintable() else " " for char in text).strip()


def inline_tokens(markdown):
    return [child for token in PARSER.parse(markdown) for child in token.children or ()]


@given(texts)
@example("[click](javascript:alert(1))")
@example("| a | b |")
@example("<script>alert(1)</script>")
@example("&lt;b&gt; https://example.com www.example.com @somebody")
@example("1. first")
@example("\x1b[2J\u202eevil")
def test_a_text_in_a_cell_is_that_text_and_nothing_else(text):
    tokens = PARSER.parse(f"| {plain(text)} | b |\n|---|---|\n")
    cells = [token for token in tokens if token.type == "inline"]
    assert len(cells) == 2
    assert {child.type for child in cells[0].children} <= {"text"}
    assert "".join(child.content for child in cells[0].children).strip() == one_line(text)


@given(texts)
def test_a_text_in_a_line_of_its_own_is_a_paragraph(text):
    tokens = PARSER.parse(plain(text))
    shown = "".join(child.content for token in tokens for child in token.children or ())
    assert {token.type for token in tokens} <= {"paragraph_open", "inline", "paragraph_close"}
    assert shown == one_line(text)


@given(texts)
def test_code_in_a_cell_is_one_piece_of_code(text):
    tokens = PARSER.parse(f"| {code(text)} | b |\n|---|---|\n")
    (first, second) = [token for token in tokens if token.type == "inline"]
    assert [child.type for child in first.children] == ["code_inline"]
    assert [child.content for child in second.children] == ["b"]


@pytest.mark.parametrize("text", ["my_data.csv", "a*b", "C:\\data\\new.csv"])
def test_a_path_in_code_is_written_as_it_is(text):
    assert code(text) == f"`{text}`"
