"""The JavaScript example, run on the tiny bundle: the answers of mtl_runtime, and what it refuses."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle, write_manifest
from mtl_runtime.bundle.manifest import MANIFEST_NAME, FileSpec, Manifest
from mtl_runtime.core.records import from_dict, to_dict

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "node"
TINY_BUNDLE = ROOT / "tests" / "runtime" / "data" / "tiny_bundle"

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed"),
    pytest.mark.skipif(
        not (EXAMPLE / "node_modules" / "onnxruntime-node").is_dir(),
        reason="examples/node has no node_modules; run `make node-example`",
    ),
]


@pytest.fixture
def bundle(tmp_path):
    return shutil.copytree(TINY_BUNDLE, tmp_path / "bundle")


def classify(bundle):
    return subprocess.run(
        ["node", EXAMPLE / "classify.mjs", bundle], capture_output=True, text=True, encoding="utf-8", check=False
    )


def change(bundle, name, old, new, *, promise=True):
    """Replace bytes of a file, and by default make the manifest promise the new ones."""
    data = (bundle / name).read_bytes()
    assert data.count(old) == 1
    (bundle / name).write_bytes(data.replace(old, new))
    if promise:
        content = to_dict(Bundle.open(bundle).manifest)
        content["files"][name] = to_dict(FileSpec.of((bundle / name).read_bytes()))
        write_manifest(bundle, from_dict(Manifest, content))


def expected_rows(bundle):
    """What the runtime says of each golden text and task: the columns that the example prints."""
    golden = [json.loads(line) for line in (bundle / "golden.jsonl").read_text("utf-8").splitlines()]
    texts = [text["text"] for text in golden]
    for text, prediction in zip(texts, load(bundle, variant="cpu-fp32", threads=1)(texts), strict=True):
        sentiment, topics, stars = (prediction[task] for task in ("sentiment", "topics", "stars"))
        yield [text, "sentiment", sentiment.label], [sentiment.probability]
        yield [text, "topics", "|".join(topics.labels)], [topics.probabilities[label] for label in topics.labels]
        yield [text, "stars"], [stars.value]


def printed_rows(output):
    for line in output.splitlines():
        text, task, answer, probability = line.split("\t")
        if task == "stars":
            yield [json.loads(text), task], [float(answer)]
        else:
            yield [json.loads(text), task, answer], [float(cell) for cell in probability.split("|") if cell]


def by_text_and_task(rows):
    return {(row[0], row[1]): (row[2:], numbers) for row, numbers in rows}


def test_plain_onnxruntime_in_javascript_gives_the_golden_logits_and_our_answers(bundle):
    done = classify(bundle)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[:2] for line in done.stderr.splitlines()] == [
        ["ok", f" {task}"] for task in ("sentiment", "topics", "stars")
    ]
    found, expected = by_text_and_task(printed_rows(done.stdout)), by_text_and_task(expected_rows(bundle))
    assert found.keys() == expected.keys()
    for key, (answer, numbers) in expected.items():
        assert found[key][0] == answer, key
        assert found[key][1] == pytest.approx(numbers, abs=1e-5), key


def test_a_calibration_of_the_variant_takes_the_place_of_the_tasks_own(bundle):
    manifest = json.loads((bundle / MANIFEST_NAME).read_text("utf-8"))
    manifest["variants"]["cpu-fp32"]["calibration"] = {
        "sentiment": {"temperature": 3.0, "thresholds": []},
        "topics": {"temperature": 2.0, "thresholds": [0.1, 0.1, 0.9]},
    }
    write_manifest(bundle, from_dict(Manifest, manifest))
    found, expected = by_text_and_task(printed_rows(classify(bundle).stdout)), by_text_and_task(expected_rows(bundle))
    assert expected != by_text_and_task(expected_rows(TINY_BUNDLE))
    for key, (answer, numbers) in expected.items():
        assert found[key][0] == answer, key
        assert found[key][1] == pytest.approx(numbers, abs=1e-5), key


def test_a_logit_that_is_not_the_golden_one_is_exit_code_1(bundle):
    change(bundle, "golden.jsonl", b"[-2.7315146923065186,", b"[-2.7313,")
    done = classify(bundle)
    assert done.returncode == 1
    assert "FAILED: sentiment" in done.stderr
    assert "ok: topics" in done.stderr


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("model.onnx", b"stars.biasJ\x04\x00\x00\x40\x40", b"stars.biasJ\x04\x00\x00\x40\x41"),
        ("golden.jsonl", b'"good"', b'"mood"'),
    ],
)
def test_a_file_that_was_changed_is_refused(bundle, name, old, new):
    change(bundle, name, old, new, promise=False)
    done = classify(bundle)
    assert done.returncode == 1
    assert f"{name} is not the file that manifest.json promises" in done.stderr
    assert done.stdout == ""


def test_a_logit_that_is_not_finite_gets_no_answer(bundle):
    change(bundle, "model.onnx", b"stars.biasJ\x04\x00\x00\x40\x40", b"stars.biasJ\x04\x00\x00\xc0\x7f")
    done = classify(bundle)
    assert done.returncode == 1
    assert "stars has a logit that is not finite" in done.stderr
    assert "\tstars\t" not in done.stdout
