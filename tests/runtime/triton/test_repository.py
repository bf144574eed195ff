"""Models in a repository: the files that Triton needs, whole or not at all, next to the models of others."""

import shutil

import pytest
from click.testing import CliRunner

from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.cli.triton import triton
from mtl_runtime.errors import IntegrityError, MtlError
from mtl_runtime.triton.repository import write_model
from mtl_runtime.triton.settings import ModelSettings

CONFIG = """\
name: "reviews"
backend: "python"
max_batch_size: 64
input {
  name: "text"
  data_type: TYPE_STRING
  dims: 1
}
output {
  name: "sentiment.label"
  data_type: TYPE_STRING
  dims: 1
}
output {
  name: "sentiment.probabilities"
  data_type: TYPE_FP64
  dims: 3
  label_filename: "labels.sentiment.txt"
}
output {
  name: "topics.label"
  data_type: TYPE_STRING
  dims: 1
}
output {
  name: "topics.probabilities"
  data_type: TYPE_FP64
  dims: 3
  label_filename: "labels.topics.txt"
}
output {
  name: "stars.value"
  data_type: TYPE_FP64
  dims: 1
}
output {
  name: "sentence_embedding"
  data_type: TYPE_FP32
  dims: 8
}
instance_group {
  count: 2
  kind: KIND_CPU
}
dynamic_batching {
  max_queue_delay_microseconds: 0
"""


@pytest.fixture
def bundle(bundle_path):
    return Bundle.open(bundle_path)


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def run(*arguments):
    return CliRunner().invoke(triton, [str(argument) for argument in arguments], standalone_mode=False)


def test_the_config_says_what_the_model_takes_and_gives(bundle, tmp_path):
    settings = ModelSettings(variant="cpu-int8", instances=2, threads=3, max_batch_size=64)
    text = (write_model(bundle, tmp_path, name="reviews", settings=settings) / "config.pbtxt").read_text("utf-8")
    assert text.startswith(CONFIG)
    for key, value in (
        ("variant", "cpu-int8"),
        ("threads", "3"),
        ("digest", bundle.digest),
        ("kind.topics", "multi_label"),
        ("labels.topics", r"[\"food\", \"sport\", \"money\"]"),
    ):
        assert f'parameters {{\n  key: "{key}"\n  value {{\n    string_value: "{value}"\n  }}\n}}\n' in text


def test_no_queue_grows_and_no_request_waits_for_ever(bundle, tmp_path):
    text = (write_model(bundle, tmp_path) / "config.pbtxt").read_text("utf-8")
    for line in ("timeout_action: REJECT", "default_timeout_microseconds: 30000000", "max_queue_size: 512"):
        assert f"    {line}\n" in text


def test_the_folder_holds_the_config_the_code_and_the_bundle(measured_bundle, tmp_path):
    bundle = Bundle.open(measured_bundle)
    folder = write_model(bundle, tmp_path / "new" / "models", name="reviews")
    assert folder == tmp_path / "new" / "models" / "reviews"
    evidence = [f"evidence/{path.name}" for path in (measured_bundle / "evidence").iterdir()]
    copied = ["manifest.json", "manifest.sha256", *bundle.manifest.files, *evidence]
    labels = ["labels.sentiment.txt", "labels.topics.txt"]
    expected = ["config.pbtxt", *labels, "warmup/text", "1/model.py", *(f"1/bundle/{name}" for name in copied)]
    assert files_below(folder) == sorted(expected)
    assert (folder / "labels.topics.txt").read_text("utf-8") == "food\nsport\nmoney\n"
    assert Bundle.open(folder / "1" / "bundle").digest == bundle.digest
    assert (
        load(folder / "1" / "bundle", threads=1)("good")["sentiment"]
        == load(measured_bundle, threads=1)("good")["sentiment"]
    )


def test_only_what_belongs_to_the_bundle_is_copied(bundle_copy, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (bundle_copy / "notes.txt").write_text("mine")
    (bundle_copy / "evidence").mkdir()
    (bundle_copy / "evidence" / "link.json").symlink_to(tmp_path / "secret")
    folder = write_model(Bundle.open(bundle_copy), tmp_path / "models")
    assert [name for name in files_below(folder) if "notes" in name or "link" in name] == []


def test_labels_with_line_breaks_have_no_file_of_labels(bundle_copy, change_manifest, tmp_path):
    tasks = [
        {"name": "sentiment", "kind": "single_label", "labels": ["bad", "so\nso", 'so "good"']},
        {"name": "topics", "kind": "multi_label", "labels": ["food", "sport", "money"], "thresholds": [0.5] * 3},
        {"name": "stars", "kind": "regression"},
    ]
    change_manifest(bundle_copy, tasks=tasks)
    folder = write_model(Bundle.open(bundle_copy), tmp_path / "models")
    text = (folder / "config.pbtxt").read_text("utf-8")
    assert [name for name in files_below(folder) if name.startswith("labels")] == ["labels.topics.txt"]
    assert "labels.sentiment.txt" not in text
    assert r'string_value: "[\"bad\", \"so\\nso\", \"so \\\"good\\\"\"]"' in text


def test_a_model_is_replaced_only_on_demand_and_the_others_stay(bundle, tmp_path):
    write_model(bundle, tmp_path, name="other")
    folder = write_model(bundle, tmp_path, name="reviews")
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(MtlError, match="reviews exists already; name another output, or replace it with --force"):
        write_model(bundle, tmp_path, name="reviews")
    assert (folder / "mine.txt").is_file()
    write_model(bundle, tmp_path, name="reviews", replace=True)
    assert not (folder / "mine.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "reviews"]


def test_a_damaged_bundle_leaves_nothing_behind(bundle_copy, tmp_path):
    with (bundle_copy / "model.onnx").open("ab") as graph:
        graph.write(b"x")
    with pytest.raises(IntegrityError):
        write_model(Bundle.open(bundle_copy), tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("name", ["a/b", ".hidden", "", "a b", "..", "ü"])
def test_a_name_that_no_url_can_hold_is_refused(bundle_copy, tmp_path, name):
    moved = shutil.move(bundle_copy, tmp_path / "no model name")
    with pytest.raises(MtlError, match="cannot be the name of a model: use letters"):
        write_model(Bundle.open(moved), tmp_path / "models", name=name)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"variant": "cpu-fp16"}, "no variant 'cpu-fp16' in this bundle"),
        ({"variant": "cuda-fp32"}, "cuda-fp32 runs on the GPU; give --device gpu, or another --variant"),
        ({"variant": "cpu-fp32", "device": "gpu"}, "cpu-fp32 runs on the CPU; give --device cpu"),
    ],
)
def test_the_variant_fits_the_device(providers_bundle, tmp_path, settings, said):
    with pytest.raises(MtlError, match=said):
        write_model(Bundle.open(providers_bundle), tmp_path, settings=ModelSettings(**settings))


def test_a_bundle_without_a_variant_for_the_gpu_says_so(bundle, tmp_path):
    with pytest.raises(MtlError, match="no variant of the bundle runs on the GPU; it has: cpu-fp32, cpu-int8"):
        write_model(bundle, tmp_path, settings=ModelSettings(device="gpu"))


def test_on_a_gpu_instances_use_the_first_that_triton_shows(providers_bundle, tmp_path):
    settings = ModelSettings(device="gpu", variant="cuda-fp32")
    text = (write_model(Bundle.open(providers_bundle), tmp_path, settings=settings) / "config.pbtxt").read_text("utf-8")
    assert "instance_group {\n  count: 1\n  kind: KIND_GPU\n  gpus: 0\n}\n" in text


def test_the_command_writes_a_model(bundle_path, tmp_path):
    options = ["--name", "reviews", "--instances", 2, "--max-batch-size", 64]
    done = run(bundle_path, "-o", tmp_path, *options)
    assert done.output == f"wrote {tmp_path / 'reviews'}\n"
    assert (tmp_path / "reviews" / "config.pbtxt").read_text("utf-8").startswith(CONFIG)
    assert isinstance(run(bundle_path, "-o", tmp_path, *options).exception, MtlError)
    assert run(bundle_path, "-o", tmp_path, *options, "--force").exit_code == 0
