"""Protobuf's text format, as protobuf itself reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.triton.text_format import Constant, write_message


@given(st.text())
def test_every_string_survives(text):
    text_encoding = pytest.importorskip("google.protobuf.text_encoding", reason="mtl-export[grpc] is not installed")
    line = write_message({"name": text})
    assert line.startswith('name: "')
    assert line.endswith('"\n')
    assert line.count("\n") == 1
    assert text_encoding.CUnescape(line[len('name: "') : -2]).decode() == text


def test_messages_nest_and_lists_repeat_their_field():
    fields = {"name": "a", "output": [{"dims": 1}, {"dims": [2, 3], "kind": Constant("KIND_CPU"), "on": True}]}
    assert write_message(fields).splitlines() == [
        'name: "a"',
        "output {",
        "  dims: 1",
        "}",
        "output {",
        "  dims: 2",
        "  dims: 3",
        "  kind: KIND_CPU",
        "  on: true",
        "}",
    ]


def test_what_has_no_form_is_refused():
    with pytest.raises(TypeError, match="float has no form"):
        write_message({"share": 0.5})
