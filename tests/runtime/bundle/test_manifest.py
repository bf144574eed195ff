"""The manifest: a round trip, and each promise it checks about itself."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.bundle import manifest as manifest_module
from mtl_runtime.bundle.manifest import (
    EMBEDDING_OUTPUT,
    READABLE_VERSIONS,
    EncoderSpec,
    FileSpec,
    Manifest,
    TaskSpec,
    VariantSpec,
    graph_metadata,
    logits_output,
)
from mtl_runtime.errors import BundleError, RecordError

labels = st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=5, unique=True).map(tuple)
names = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
probabilities = st.floats(min_value=0, max_value=1)


@st.composite
def tasks(draw, name):
    kind = draw(st.sampled_from(["single_label", "multi_label", "regression"]))
    given_labels = () if kind == "regression" else draw(labels)
    thresholds = tuple(draw(probabilities) for _ in given_labels) if kind == "multi_label" else ()
    temperature = draw(st.floats(min_value=0.01, max_value=100))
    return TaskSpec(name=name, kind=kind, labels=given_labels, thresholds=thresholds, temperature=temperature)


@st.composite
def manifests(draw):
    specs = tuple(draw(tasks(name)) for name in draw(st.lists(names, min_size=1, max_size=3, unique=True)))
    return Manifest(
        format_version=draw(st.sampled_from(READABLE_VERSIONS)),
        tasks=specs,
        encoder=EncoderSpec(
            family="bert", source=draw(st.text()), hidden_size=8, pooling="mean", max_length=16, pad_id=0
        ),
        inputs=("input_ids", "attention_mask"),
        outputs=(*(logits_output(task.name) for task in specs), EMBEDDING_OUTPUT),
        variants={
            "cpu-fp32": VariantSpec(
                graph="model.onnx",
                provider="cpu",
                provider_options={"a": "b"},
                golden_answers=draw(st.sampled_from([None, "golden.cpu-fp32.json"])),
            )
        },
        files={
            name: FileSpec.of(draw(st.binary())) for name in ("model.onnx", "tokenizer.json", "golden.cpu-fp32.json")
        },
        made_with=draw(st.dictionaries(st.text(), st.text(), max_size=2)),
    )


@given(manifests())
def test_a_manifest_survives_json(manifest):
    assert Manifest.from_json(manifest.to_json()) == manifest


@pytest.fixture(scope="session")
def content(bundle_path):
    return json.loads((bundle_path / "manifest.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": []}, "at least one task"),
        ({"outputs": ["logits.sentiment"]}, "do not fit the tasks"),
        ({"files": {}}, "not among the files"),
        ({"variants": {}}, "at least one variant"),
        ({"files": {"../tokenizer.json": {"bytes": 1, "sha256": "0" * 64}}}, "not a plain file name"),
        ({"files": {"tokenizer.json": {"bytes": 1, "sha256": "0" * 63}}}, "not a SHA-256"),
        ({"extra": 1}, "unknown key"),
        (
            {
                "variants": {
                    "cpu-fp32": {
                        "graph": "model.onnx",
                        "provider": "cpu",
                        "provider_options": {},
                        "golden_answers": "golden.nowhere.json",
                    }
                }
            },
            r"variants\.cpu-fp32\.golden_answers: 'golden\.nowhere\.json' is not among the files",
        ),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(content, change, message):
    with pytest.raises(RecordError, match=message):
        Manifest.from_json(json.dumps({**content, **change}))


@pytest.mark.parametrize("version", [0, 3, "1", True, None])
def test_another_format_version_is_refused_before_anything_else_is_read(version):
    with pytest.raises(BundleError, match=f"format version {version}, this mtl-export reads 1 and 2"):
        Manifest.from_json(json.dumps({"format_version": version, "whatever": 1}))


@pytest.mark.parametrize("document", ["[]", "null", '"x"'])
def test_a_document_that_is_no_table_is_refused(document):
    with pytest.raises(BundleError, match="format version None"):
        Manifest.from_json(document)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "Tone"}, "no task name"),
        ({"name": "a.b"}, "no task name"),
        ({"labels": ("a", "a")}, "names a label twice"),
        ({"labels": ("a",)}, "1 labels cannot make"),
        ({"kind": "regression"}, "2 labels cannot make"),
        ({"kind": "multi_label"}, "one per label"),
        ({"kind": "multi_label", "thresholds": (0.5, 1.5)}, "from 0 to 1"),
        ({"kind": "multi_label", "thresholds": (0.5, float("nan"))}, "from 0 to 1"),
        ({"temperature": 0.0}, "not a positive number"),
        ({"temperature": float("inf")}, "is not from"),
    ],
)
def test_an_impossible_task_is_refused(fields, message):
    with pytest.raises(RecordError, match=message):
        TaskSpec(**{"name": "tone", "kind": "single_label", "labels": ("a", "b"), **fields})


def test_the_graph_metadata_tells_tasks_and_labels_without_the_manifest(content):
    manifest = Manifest.from_json(json.dumps(content))
    metadata = graph_metadata(manifest.tasks)
    assert metadata["mtl.format_version"] == "2"
    assert graph_metadata(manifest.tasks, 1)["mtl.format_version"] == "1"
    assert json.loads(metadata["mtl.tasks"]) == content["tasks"]


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 16, 20])
def test_a_file_read_piece_by_piece_keeps_the_promise_of_its_bytes(tmp_path, monkeypatch, size):
    monkeypatch.setattr(manifest_module, "_PIECE_BYTES", 8)
    file = tmp_path / "file"
    file.write_bytes(bytes(range(size)))
    assert FileSpec.of_file(file) == FileSpec.of(bytes(range(size)))


def test_a_manifest_of_format_version_1_is_read_and_no_newer_key_is_written_to_it(version_1_copy):
    manifest = Manifest.from_json((version_1_copy / "manifest.json").read_bytes())
    assert manifest.format_version == 1
    assert {spec.golden_answers for spec in manifest.variants.values()} == {None}
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert "golden_answers" not in manifest.to_json()
