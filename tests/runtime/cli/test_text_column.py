"""Commands that read a file of texts find the column that held them in training."""

import csv
import json

import pytest
from click.testing import CliRunner

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.cli.app import main

ROWS = [("good film", "positive", "x"), ("bad film", "negative", "x")]


@pytest.fixture
def bundle(bundle_copy, change_manifest, user_cache):
    """A bundle that was trained on texts of the columns ``sentence`` and ``body``."""
    change_manifest(bundle_copy, text_columns=["sentence", "body"])
    return bundle_copy


def write(path, *header):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *ROWS])
    return path


def mtl(*argv, stdin=None):
    return CliRunner().invoke(main, [str(arg) for arg in argv], input=stdin)


def answers(path):
    with path.open(encoding="utf-8", newline="") as file:
        return [row["sentiment"] for row in csv.DictReader(file)]


@pytest.mark.parametrize("column", ["sentence", "body", "text"])
def test_predict_reads_the_column_of_training_or_text(bundle, tmp_path, column):
    target = tmp_path / "out.csv"
    result = mtl("predict", bundle, write(tmp_path / "in.csv", column, "mood", "n"), "-o", target)
    assert result.exit_code == 0, result.stderr
    assert answers(target) == ["positive", "negative"]


def test_predict_reads_a_stream_and_a_text_file_too(bundle, tmp_path):
    table = write(tmp_path / "in.csv", "sentence", "mood", "n").read_text("utf-8")
    result = mtl("predict", bundle, "-", "--input-format", "csv", "--tasks", "topics", stdin=table)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("sentence,mood,n,topics")
    assert mtl("predict", bundle, "-", stdin="good\n").exit_code == 0


def test_a_column_that_is_named_wins(bundle, tmp_path):
    file, target = write(tmp_path / "in.csv", "review", "mood", "sentence"), tmp_path / "out.csv"
    assert mtl("predict", bundle, file, "-o", target, "--column", "review").exit_code == 0
    assert answers(target) == ["positive", "negative"]


def test_a_file_with_neither_names_the_way_out(bundle, tmp_path):
    file = write(tmp_path / "in.csv", "review", "sentiment", "n")
    for command in (["predict", bundle, file, "-o", tmp_path / "out.csv"], ["verify", bundle, "--data", file]):
        result = mtl(*command)
        assert result.exit_code == 2
        assert "there is no column 'sentence'; the columns are: review, sentiment, n" in result.stderr
        assert result.stderr.rstrip().endswith("name the texts' column with --column")


def test_verify_reads_the_column_of_training(bundle, tmp_path):
    result = mtl("verify", bundle, "--data", write(tmp_path / "in.csv", "body", "sentiment", "n"), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["evidence"]["variants"]["cpu-fp32"]["tasks"]["sentiment"]["labelled"] == 2


def test_inspect_shows_the_columns(bundle):
    assert "Texts in training" in mtl("inspect", bundle).stdout


def test_a_manifest_without_the_columns_does_not_have_the_key(bundle_path, bundle):
    assert Bundle.open(bundle_path).manifest.text_columns == ()
    assert "text_columns" not in Bundle.open(bundle_path).manifest.to_json()
    assert Bundle.open(bundle).manifest.text_columns == ("sentence", "body")
