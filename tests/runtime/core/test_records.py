"""Laws and messages of the strict record reader."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.core import records
from mtl_runtime.errors import RecordError


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int
    rate: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    kind: Literal["small", "large"]
    parts: tuple[Inner, ...] = ()
    named: Mapping[str, Inner]
    limit: int | None = None
    flag: bool = False


floats = st.floats(allow_nan=False, allow_infinity=False)
inners = st.builds(Inner, size=st.integers(), rate=floats)
outers = st.builds(
    Outer,
    name=st.text(),
    kind=st.sampled_from(["small", "large"]),
    parts=st.lists(inners, max_size=3).map(tuple),
    named=st.dictionaries(st.text(max_size=5), inners, max_size=3),
    limit=st.none() | st.integers(),
    flag=st.booleans(),
)
GOOD = {"name": "x", "kind": "small", "named": {}}


@given(outers)
def test_a_record_survives_json(record):
    assert records.from_json(Outer, records.to_json(record)) == record


@given(outers, st.text(min_size=1).filter(lambda key: key not in Outer.__dataclass_fields__))
def test_an_unknown_key_always_fails_and_is_named(record, key):
    with pytest.raises(RecordError) as caught:
        records.from_dict(Outer, {**records.to_dict(record), key: 1}, where="doc")
    assert caught.value.where == f"doc.{key}"


def test_an_unknown_key_names_the_nearest_known_one():
    with pytest.raises(RecordError, match=r"named\.a\.sise: unknown key; did you mean 'size'\?"):
        records.from_dict(Outer, {**GOOD, "named": {"a": {"sise": 1}}})


def test_an_unknown_key_that_is_near_to_none_lists_the_known_ones():
    with pytest.raises(RecordError, match="known here: size, rate"):
        records.from_dict(Inner, {"size": 1, "zzzzzz": 1})


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": 1}, "name"),
        ({"kind": "medium"}, "kind"),
        ({"kind": []}, "kind"),
        ({"parts": "no"}, "parts"),
        ({"parts": [{"size": 1}, {"size": "2"}]}, "parts[1].size"),
        ({"parts": [{"size": True}]}, "parts[0].size"),
        ({"parts": [{"size": 1, "rate": "fast"}]}, "parts[0].rate"),
        ({"parts": [{"size": 1, "rate": 10**400}]}, "parts[0].rate"),
        ({"parts": [{}]}, "parts[0].size"),
        ({"named": []}, "named"),
        ({"limit": 1.5}, "limit"),
        ({"flag": 1}, "flag"),
    ],
)
def test_a_wrong_value_names_its_place(change, place):
    with pytest.raises(RecordError) as caught:
        records.from_dict(Outer, {**GOOD, **change})
    assert caught.value.where == place


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, b"\xff", '{"size": NaN}', '{"size": 1, "rate": Infinity}'])
def test_what_is_not_json_is_refused_with_the_document_named(text):
    with pytest.raises(RecordError, match=r"^doc: not valid JSON"):
        records.from_json(Inner, text, where="doc")


def test_an_int_is_a_float_but_not_the_other_way_round():
    assert isinstance(records.from_dict(Inner, {"size": 1, "rate": 2}).rate, float)
    with pytest.raises(RecordError, match="size: expected int"):
        records.from_dict(Inner, {"size": 1.0})


def test_the_json_is_canonical():
    assert records.to_json(Inner(size=1)) == '{\n  "size": 1,\n  "rate": 0.5\n}\n'
    assert json.loads(records.to_json(Inner(size=1))) == {"size": 1, "rate": 0.5}
