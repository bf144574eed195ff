"""A bundle is read only as far as its manifest's hashes hold."""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.golden import (
    parse_golden,
    parse_golden_answers,
    parse_golden_lines,
    render_golden,
    render_golden_answers,
)
from mtl_runtime.core.records import to_dict
from mtl_runtime.errors import BundleError, IntegrityError, MtlError, RecordError, UnknownVariantError

FILES = [
    "tokenizer.json",
    "model.onnx",
    "model.int8.onnx",
    "golden.jsonl",
    "golden.cpu-fp32.json",
    "golden.cpu-int8.json",
    "MODEL_CARD.md",
]


def test_the_tiny_bundle_holds_the_files_that_these_tests_damage(bundle_path):
    assert sorted(Bundle.open(bundle_path).manifest.files) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_in_any_file_is_refused_by_name(bundle_copy, name):
    data = bytearray((bundle_copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle_copy / name).write_bytes(data)
    bundle = Bundle.open(bundle_copy)
    for read in (bundle.read, bundle.check):
        with pytest.raises(IntegrityError, match=r"bytes|SHA-256") as caught:
            read(name)
        assert caught.value.name == name
        assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("variant", "name"),
    [("cpu-fp32", "model.onnx"), ("cpu-int8", "model.int8.onnx"), ("cpu-fp32", "tokenizer.json")],
)
def test_loading_refuses_a_flipped_bit_before_it_parses_the_file(bundle_copy, variant, name):
    data = bytearray((bundle_copy / name).read_bytes())
    data[0] ^= 1
    (bundle_copy / name).write_bytes(data)
    with pytest.raises(IntegrityError, match=name):
        load(bundle_copy, variant=variant)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_longer_or_linked_file_is_refused(bundle_copy, tmp_path, name):
    file = bundle_copy / name
    original = file.read_bytes()
    bundle = Bundle.open(bundle_copy)
    file.write_bytes(original + b"\n")
    with pytest.raises(IntegrityError, match=f"has {len(original) + 1} bytes"):
        bundle.read(name)
    file.unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        bundle.check(name)
    (tmp_path / "elsewhere").write_bytes(original)
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="is a link, but not to a blob"):
        bundle.read(name)


def test_a_folder_without_a_manifest_says_how_to_make_one(tmp_path):
    with pytest.raises(BundleError, match="`mtl export`"):
        load(tmp_path)
    with pytest.raises(BundleError, match="is not a folder"):
        load(tmp_path / "nothing")


def test_a_manifest_that_is_no_json_is_refused(bundle_copy):
    (bundle_copy / "manifest.json").write_bytes(b"{")
    (bundle_copy / "manifest.sha256").unlink()
    with pytest.raises(RecordError, match=r"manifest\.json: not valid JSON"):
        load(bundle_copy)


@given(data=st.data())
def test_a_manifest_with_any_byte_changed_is_refused_in_one_line(bundle_path, data):
    content = bytearray((bundle_path / "manifest.json").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with TemporaryDirectory() as folder:
        copied = Path(shutil.copytree(bundle_path, Path(folder) / "bundle"))
        (copied / "manifest.json").write_bytes(content)
        with pytest.raises(IntegrityError, match=r"^manifest\.json: has another SHA-256.*\Z"):
            Bundle.open(copied)


@pytest.mark.parametrize("content", ["", "0" * 64, "\xff", "dadc8ec8 manifest.json\n"])
def test_a_digest_that_is_not_the_manifests_is_refused(bundle_copy, content):
    (bundle_copy / "manifest.sha256").write_text(content, "latin-1")
    with pytest.raises(IntegrityError, match=r"has another SHA-256 than manifest\.sha256 says"):
        Bundle.open(bundle_copy)


def test_a_manifest_without_its_digest_is_refused(bundle_copy):
    (bundle_copy / "manifest.sha256").unlink()
    with pytest.raises(IntegrityError, match=r"manifest\.sha256: is missing"):
        Bundle.open(bundle_copy)


def test_sha256sum_can_check_the_manifest(bundle_path):
    subprocess.run(["sha256sum", "--check", "--strict", "manifest.sha256"], cwd=bundle_path, check=True)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ["negative", "so_so", "positive"]},
        {"temperature": 1.25},
        {"labels": ["positive", "neutral", "negative"]},
    ],
)
def test_a_manifest_whose_tasks_are_not_the_graphs_is_refused(bundle_copy, change_manifest, change):
    first, *others = to_dict(Bundle.open(bundle_copy).manifest.tasks)
    change_manifest(bundle_copy, tasks=[{**first, **change}, *others])
    with pytest.raises(BundleError, match=r"mtl\.tasks in model\.onnx differs from the manifest"):
        load(bundle_copy, variant="cpu-fp32")


def test_an_unknown_variant_names_those_there_are(bundle_path):
    with pytest.raises(UnknownVariantError, match=r"'gpu'.*it has: cpu-fp32, cpu-int8"):
        load(bundle_path, variant="gpu")


def test_a_graph_that_onnxruntime_cannot_load_is_a_bundle_error(bundle_copy, change_manifest):
    graph = bundle_copy / "model.onnx"
    graph.write_bytes(graph.read_bytes().replace(b"ReduceSum", b"ReduceXXX"))
    change_manifest(bundle_copy)
    with pytest.raises(BundleError, match="cannot load the graph"):
        load(bundle_copy)


def test_a_graph_whose_inputs_are_not_the_manifests_is_refused(bundle_copy, change_manifest):
    change_manifest(bundle_copy, inputs=["input_ids", "attention_mask", "token_type_ids"])
    with pytest.raises(BundleError, match=r"model\.onnx is input_ids, attention_mask ->"):
        load(bundle_copy)


def test_an_unknown_provider_is_refused_by_name(bundle_copy, change_manifest):
    variant = {"graph": "model.onnx", "provider": "abacus", "provider_options": {}}
    change_manifest(bundle_copy, variants={"cpu-fp32": variant})
    with pytest.raises(MtlError, match="unknown provider 'abacus'"):
        load(bundle_copy)


def test_golden_texts_survive_their_file(bundle_path):
    data = (bundle_path / "golden.jsonl").read_bytes()
    golden = parse_golden(data)
    assert render_golden(golden) == data
    assert "" in [text.text for text in golden]


def test_golden_texts_that_are_cut_off_or_malformed_name_their_line(bundle_path):
    data = (bundle_path / "golden.jsonl").read_bytes()
    with pytest.raises(RecordError, match="cut off"):
        parse_golden(data[:-1])
    with pytest.raises(RecordError, match=r"golden\.jsonl:2"):
        parse_golden(data.splitlines(keepends=True)[0] + b"{}\n")


def test_some_golden_texts_can_be_read_without_the_others(bundle_path):
    data = (bundle_path / "golden.jsonl").read_bytes()
    whole = parse_golden(data)
    assert parse_golden_lines(data, (3, 1)) == [whole[2], whole[0]]
    assert parse_golden_lines(data.replace(b'"ids"', b'"i"', 1), (2,)) == [whole[1]]
    with pytest.raises(RecordError, match="no line 9"):
        parse_golden_lines(data, (2, 9))


def test_golden_answers_survive_their_file(bundle_path):
    data = (bundle_path / "golden.cpu-int8.json").read_bytes()
    answers = parse_golden_answers(data, where="golden.cpu-int8.json")
    assert render_golden_answers(answers) == data
    assert len(answers.lines) == len(answers.logits["stars"]) == 6


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"lines": [], "logits": {}}', "answers.json.lines"),
        (b'{"lines": [0], "logits": {"stars": [[1.0]]}}', "answers.json.lines[0]"),
        (b'{"lines": [1, 2], "logits": {"stars": [[1.0]]}}', "answers.json.logits.stars"),
        (b'{"lines": [1], "logits": {"stars": [[NaN]]}}', "answers.json"),
    ],
)
def test_golden_answers_that_cannot_be_name_the_place(content, place):
    with pytest.raises(RecordError) as caught:
        parse_golden_answers(content, where="answers.json")
    assert caught.value.where == place
