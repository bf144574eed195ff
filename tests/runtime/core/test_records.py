"""Laws and messages of the strict record reader."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
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
int64s = st.integers(-(2**63), 2**63 - 1)
inners = st.builds(Inner, size=int64s, rate=floats)
outers = st.builds(
    Outer,
    name=st.text(),
    kind=st.sampled_from(["small", "large"]),
    parts=st.lists(inners, max_size=3).map(tuple),
    named=st.dictionaries(st.text(max_size=5), inners, max_size=3),
    limit=st.none() | int64s,
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


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """A record whose fields have other names than their keys."""

    max_tokens: int = field(metadata=records.keys("max_tokens", "budget", "tokens"))
    execution: Inner | None = field(default=None, metadata=records.keys("pace"))
    plain: str = ""


renamed_records = st.builds(Renamed, max_tokens=int64s, execution=st.none() | inners, plain=st.text())


@given(renamed_records)
def test_a_record_with_renamed_fields_survives_json(record):
    assert records.from_json(Renamed, records.to_json(record)) == record


@given(renamed_records)
def test_the_first_key_of_a_field_is_the_one_that_is_written(record):
    assert list(records.to_dict(record)) == ["max_tokens", "pace", "plain"]


@given(renamed_records, st.sampled_from(["max_tokens", "budget", "tokens"]))
def test_any_key_of_a_field_is_read(record, key):
    data = records.to_dict(record)
    assert records.from_dict(Renamed, {key: data.pop("max_tokens"), **data}) == record


@dataclass(frozen=True, kw_only=True)
class Renewed:
    size: int

    @staticmethod
    def upgrade(data):
        return {"size": data} if isinstance(data, int) else data


@dataclass(frozen=True, kw_only=True)
class Holder:
    parts: tuple[Renewed, ...]
    last: Renewed | None = None


def test_a_record_that_earlier_versions_wrote_in_another_form_is_read_wherever_it_stands():
    present = Holder(parts=(Renewed(size=1), Renewed(size=2)), last=Renewed(size=3))
    assert records.from_dict(Holder, {"parts": [1, {"size": 2}], "last": 3}) == present
    assert records.from_json(Holder, records.to_json(present)) == present
    with pytest.raises(RecordError, match=r"parts\[0\]: expected a table of keys"):
        records.from_dict(Holder, {"parts": ["one"]})


def test_a_field_without_keys_has_its_name_as_its_only_key():
    assert [records.keys_of(field) for field in fields(Renamed)] == [
        ("max_tokens", "budget", "tokens"),
        ("pace",),
        ("plain",),
    ]


@pytest.mark.parametrize(
    ("data", "place", "other"),
    [
        ({"max_tokens": 1, "budget": 1}, "doc.budget", "max_tokens"),
        ({"budget": 1, "max_tokens": 1}, "doc.budget", "max_tokens"),
        ({"tokens": 1, "budget": 2}, "doc.tokens", "budget"),
    ],
)
def test_two_keys_of_one_field_are_an_error_that_names_both(data, place, other):
    with pytest.raises(RecordError, match=f"this is an earlier name of '{other}'; give one of them") as caught:
        records.from_dict(Renamed, data, where="doc")
    assert caught.value.where == place


def test_the_name_of_a_field_that_has_another_key_is_unknown():
    with pytest.raises(RecordError, match=r"^execution: unknown key; known here: max_tokens, pace, plain$"):
        records.from_dict(Renamed, {"max_tokens": 1, "execution": None})


def test_an_unknown_key_names_the_nearest_written_key_and_no_earlier_one():
    with pytest.raises(RecordError, match=r"^max_token: unknown key; did you mean 'max_tokens'\?$"):
        records.from_dict(Renamed, {"max_token": 1})
    with pytest.raises(RecordError, match=r"^budgets: unknown key; known here: max_tokens, pace, plain$"):
        records.from_dict(Renamed, {"budgets": 1})


def test_a_missing_field_is_reported_by_its_written_key():
    with pytest.raises(RecordError, match=r"^doc\.max_tokens: this key is required and missing$"):
        records.from_dict(Renamed, {}, where="doc")


@pytest.mark.parametrize("key", ["max_tokens", "budget"])
def test_a_wrong_value_is_reported_by_the_key_that_the_file_has(key):
    with pytest.raises(RecordError, match=f"^{key}: expected int"):
        records.from_dict(Renamed, {key: "many"})
    with pytest.raises(RecordError, match=r"^pace\.size: expected int"):
        records.from_dict(Renamed, {key: 1, "pace": {"size": "2"}})


@pytest.mark.parametrize("name", ["\udcff.csv", "caf\udce9/\udcff\udcfe", "é 😀"])
def test_a_file_name_that_is_not_utf_8_comes_back_from_json_that_is(name):
    outer = Outer(name=name, kind="small", named={name: Inner(size=1)})
    written = records.to_json(outer).encode("utf-8")
    assert records.from_json(Outer, written) == outer
