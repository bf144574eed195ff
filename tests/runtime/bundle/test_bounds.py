"""Numbers, lengths and counts of a manifest without bounds: each is refused in one short line, and soon."""

import json
import time

import pytest

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.golden import parse_golden, parse_golden_answers
from mtl_runtime.bundle.manifest import Manifest, TaskSpec
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError, RecordError


@pytest.fixture(scope="session")
def content(bundle_path):
    return json.loads((bundle_path / "manifest.json").read_text("utf-8"))


def changed(content, path, value):
    """A copy of the manifest with ``value`` at that place."""
    copy = json.loads(json.dumps(content))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(copy)


ENCODER, TASK = ("encoder",), ("tasks", 0)
HUGE = {
    "max_length 2^64": ((*ENCODER, "max_length"), 2**64, "does not fit 64 bits"),
    "max_length 2^40": ((*ENCODER, "max_length"), 2**40, "is not from 3 to 1,048,576"),
    "max_length -1": ((*ENCODER, "max_length"), -1, "is not from 3"),
    "max_length of 4,000 digits": ((*ENCODER, "max_length"), 10**4_000, "does not fit 64 bits"),
    "max_length of a number with a point": ((*ENCODER, "max_length"), 16.5, "expected int"),
    "pad_id 2^31": ((*ENCODER, "pad_id"), 2**31, "is not from 0 to 2,147,483,647"),
    "pad_id 2^64": ((*ENCODER, "pad_id"), 2**64, "does not fit 64 bits"),
    "pad_id -1": ((*ENCODER, "pad_id"), -1, "is not from 0"),
    "hidden_size 2^62": ((*ENCODER, "hidden_size"), 2**62, "is not from 1"),
    "hidden_size 0": ((*ENCODER, "hidden_size"), 0, "is not from 1"),
    "source of 15 MB": ((*ENCODER, "source"), "s" * 15_000_000, "characters, at most"),
    "family of 1 MB": ((*ENCODER, "family"), "f" * 10**6, "1,000,000 characters, at most 200"),
    "a million labels": ((*TASK, "labels"), [str(i) for i in range(10**6)], "1,000,000 entries, at most 100,000"),
    "a label of 15 MB": ((*TASK, "labels", 0), "x" * 15_000_000, "15,000,000 characters"),
    "a label of 1,001 letters": ((*TASK, "labels", 0), "x" * 1_001, r"labels\[0\]: 1,001 characters, at most 1,000"),
    "a task of 1 MB": ((*TASK, "name"), "t" * 10**6, "characters, at most 200"),
    "a task with an escape": ((*TASK, "name"), "\x1b[2J", "is no task name"),
    "a million missing values": ((*TASK, "missing"), ["N/A"] * 10**6, "1,000,000 entries"),
    "temperature 1e308": ((*TASK, "temperature"), 1e308, "is not from"),
    "temperature 0": ((*TASK, "temperature"), 0, "positive"),
    "temperature of 400 digits": ((*TASK, "temperature"), 10**400, "too large"),
    "threshold 2": (("tasks", 1, "thresholds", 0), 2.0, "is not from 0 to 1"),
    "mean 1e300": (("tasks", 2, "standardization"), {"mean": 1e300, "deviation": 1.0}, "is not from"),
    "deviation -1": (("tasks", 2, "standardization"), {"mean": 0, "deviation": -1}, "positive"),
    "10,000 outputs": (("outputs",), ["logits.a"] * 10_000, "10,000 entries"),
    "an output of 1 MB": (("outputs", 0), "o" * 10**6, "characters"),
    "10,000 inputs": (("inputs",), ["input_ids"] * 10_000, "10,000 entries, at most 16"),
    "a file of 2^63 bytes": (("files", "model.onnx", "bytes"), 2**63, "does not fit 64 bits"),
    "a file of -1 bytes": (("files", "model.onnx", "bytes"), -1, "is not from 0"),
    "a hash of 1 MB": (("files", "model.onnx", "sha256"), "a" * 10**6, "characters, at most 64"),
    "a file named by 1 MB": (("files", "f" * 10**6), {"bytes": 1, "sha256": "0" * 64}, "1,000,000 characters"),
    "a variant with an escape": (("variants", "\x1b[2J-fp32"), {}, "variants"),
    "an option of 1 MB": (("variants", "cpu-fp32", "provider_options"), {"a": "b" * 10**6}, "characters"),
    "10,000 options": (
        ("variants", "cpu-fp32", "provider_options"),
        {str(i): "" for i in range(10_000)},
        "10,000 entries, at most 100",
    ),
    "a golden file named by 1 MB": (("variants", "cpu-fp32", "golden_answers"), "g" * 10**6, "characters"),
    "a package of 1 MB": (("made_with", "p" * 10**6), "1", "characters"),
    "an unknown key of 1 MB": (("k" * 10**6,), 1, "unknown key"),
    "a version of 1 MB": (("format_version",), "1" * 10**6, "format version"),
    "a budget of 1e999": (("gate",), {"budget": {"max_logit_difference": -1}}, "from 0 on"),
    "a budget of a million tasks": (
        ("gate",),
        {"tasks": {f"t{i}": {} for i in range(10**5)}},
        "entries, at most 1,000",
    ),
    "a finding of 1 MB": (("training",), {"validation": {}, "findings": ["f" * 10**6]}, "characters, at most 10,000"),
    "a hundred thousand findings": (("training",), {"validation": {}, "findings": ["f"] * 10**5}, "100,000 entries"),
    "a column of 1 MB": (("text_columns",), ["c" * 10**6], "characters"),
    "a pooling of 1 MB": ((*ENCODER, "pooling"), "p" * 10**6, "is not one of"),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_number_a_length_or_a_count_beyond_its_bounds_is_refused(content, name):
    path, value, problem = HUGE[name]
    document = changed(content, path, value)
    start = time.monotonic()
    with pytest.raises(MtlError, match=problem) as caught:
        Manifest.from_json(document)
    assert time.monotonic() - start < 5
    assert len(str(caught.value)) <= 500
    assert "\n" not in str(caught.value)


DOCUMENTS = {
    "deep lists": b"[" * 200_000 + b"]" * 200_000,
    "deep tables": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "a number of 100,000 digits": b'{"format_version": ' + b"9" * 100_000 + b"}",
    "a number with 100,000 decimals and a large exponent": b'{"a": ' + b"9" * 100_000 + b"e999}",
    "not UTF-8": b'{"a": "\xff"}',
    "half a document": b'{"format_version": 2, "tasks": [',
    "infinity": b'{"format_version": Infinity}',
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_json_that_no_program_of_ours_writes_is_refused_in_a_short_line(name):
    with pytest.raises(MtlError) as caught:
        Manifest.from_json(DOCUMENTS[name])
    assert len(str(caught.value)) <= 500


@pytest.mark.parametrize("ids", [[2**31], [-1], [2**64]])
def test_golden_ids_are_those_of_tokens(ids):
    with pytest.raises(RecordError, match="ids"):
        parse_golden(json.dumps({"text": "a", "ids": ids, "logits": {}}).encode() + b"\n")


@pytest.mark.parametrize("lines", [[0], [2**40], []])
def test_lines_of_golden_answers_are_counted_from_1(lines):
    with pytest.raises(RecordError, match="lines"):
        parse_golden_answers(json.dumps({"lines": lines, "logits": {}}).encode(), where="golden.json")


def test_what_cannot_be_read_cannot_be_made_either():
    with pytest.raises(RecordError, match=r"labels\[1\]: 2,000 characters"):
        TaskSpec(name="a", kind="single_label", labels=("a", "b" * 2_000))


def test_as_many_labels_as_are_allowed_are_read():
    labels = [f"label {i}" for i in range(100_000)]
    assert records.from_dict(TaskSpec, {"name": "a", "kind": "single_label", "labels": labels}).width == 100_000


def test_evidence_that_is_too_large_is_not_read(bundle_copy, monkeypatch, user_cache):
    from mtl_runtime.evidence import files

    monkeypatch.setattr(files, "_MOST_BYTES", 10)
    (bundle_copy / "evidence").mkdir()
    (bundle_copy / "evidence" / "here.json").write_text("{" * 11, "utf-8")
    with pytest.raises(RecordError, match="larger than 10 bytes"):
        files.read_evidence(Bundle.open(bundle_copy))
