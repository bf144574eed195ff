"""A tokenizer.json that keeps its hash and breaks its promises gives one line, and never another answer."""

import json

import pytest

from mtl_bench.studies.hostile.tokenizers import HOSTILE_TOKENIZERS
from mtl_runtime import load
from mtl_runtime.bulk.predict_file import predict_file
from mtl_runtime.errors import InvalidTextError, TableError, TokenizerError

TEXTS = ["good", "The soup was awful, and the price too!", "", "unheard-of 中 words"]


@pytest.fixture
def change_tokenizer(bundle_copy, change_manifest):
    """Change tokenizer.json, make all hashes right again, and return the bundle."""

    def change(hostile):
        path = bundle_copy / "tokenizer.json"
        content = hostile.change(json.loads(path.read_text("utf-8")))
        path.write_text(json.dumps(content, indent=1), "utf-8")
        change_manifest(bundle_copy)
        return bundle_copy

    return change


def rows_where(condition):
    return pytest.mark.parametrize("name", [name for name, row in HOSTILE_TOKENIZERS.items() if condition(row)])


@rows_where(lambda row: row.refused)
def test_a_hostile_tokenizer_is_refused_in_one_line_when_the_bundle_is_loaded(name, change_tokenizer, capfd):
    hostile = HOSTILE_TOKENIZERS[name]
    bundle = change_tokenizer(hostile)
    with pytest.raises(TokenizerError, match=hostile.refused) as caught:
        load(bundle, variant="cpu-fp32")
    message = str(caught.value)
    assert message.startswith("tokenizer.json ")
    assert "\n" not in message
    assert len(message) <= 500
    assert capfd.readouterr() == ("", "")


@rows_where(lambda row: not row.refused and not row.fails_at)
def test_what_a_reader_ignores_changes_no_answer(name, change_tokenizer, classifier):
    bundle = change_tokenizer(HOSTILE_TOKENIZERS[name])
    assert load(bundle, variant="cpu-fp32")(TEXTS) == classifier(TEXTS)


@rows_where(lambda row: row.fails_at)
def test_a_text_at_which_the_tokenizer_panics_is_named_and_others_are_answered(name, change_tokenizer, classifier):
    hostile = HOSTILE_TOKENIZERS[name]
    loaded = load(change_tokenizer(hostile), variant="cpu-fp32", workers=2, threads=2)
    before = loaded(["good"])
    with pytest.raises(InvalidTextError, match=r"^text 2: tokenizer\.json cannot read it") as caught:
        loaded(["good", "good", hostile.fails_at, "bad"])
    assert caught.value.index == 2
    with pytest.raises(InvalidTextError, match=r"^text 0: "):
        loaded(hostile.fails_at)
    with pytest.raises(InvalidTextError, match=r"^text 0: "):
        loaded.explain(hostile.fails_at, task="sentiment")
    answers = loaded.stream(["good", "bad", "good", hostile.fails_at], chunk_size=2)
    assert [next(answers), next(answers)] == loaded(["good", "bad"])
    with pytest.raises(InvalidTextError, match=r"^text 3: "):
        next(answers)
    assert loaded(["good"]) == before


@rows_where(lambda row: row.fails_at)
def test_a_row_at_which_the_tokenizer_panics_is_named_by_its_line(name, change_tokenizer, tmp_path):
    hostile = HOSTILE_TOKENIZERS[name]
    loaded = load(change_tokenizer(hostile), variant="cpu-fp32")
    source = tmp_path / "texts.csv"
    source.write_text(f"text\ngood\ngood\n{hostile.fails_at}\nbad\n", "utf-8")
    with pytest.raises(TableError, match=r"texts\.csv, line 4, column 'text': tokenizer\.json cannot read it"):
        predict_file(loaded, source, tmp_path / "answers.csv")
    assert not (tmp_path / "answers.csv").exists()


def test_the_table_is_large_enough():
    assert len(HOSTILE_TOKENIZERS) >= 60
