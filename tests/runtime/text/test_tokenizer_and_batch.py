"""Texts to token ids to padded arrays: nothing is lost on the way."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.errors import BundleError, InvalidTextError
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText, Tokenizer
from mtl_runtime.text.validation import validate_texts

ids = st.lists(st.integers(min_value=0, max_value=30_000), max_size=20)
tokenized = ids.map(lambda row: TokenizedText(tuple(row), tuple(token % 2 for token in row), False))


@given(st.lists(tokenized, max_size=8), st.integers(min_value=0, max_value=3))
def test_padding_loses_nothing(texts, pad_id):
    batch = Batch.of(texts, pad_id=pad_id)
    rows = zip(batch.input_ids, batch.token_type_ids, batch.attention_mask.astype(bool), strict=True)
    unpadded = [(tuple(row[mask]), tuple(types[mask])) for row, types, mask in rows]
    assert unpadded == [(text.ids, text.type_ids) for text in texts]
    assert (batch.input_ids[batch.attention_mask == 0] == pad_id).all()
    assert batch.input_ids.dtype == batch.attention_mask.dtype == np.int64


def test_a_batch_of_empty_rows_still_has_one_column():
    assert Batch.of([TokenizedText((), (), False)], pad_id=0).input_ids.shape == (1, 1)


def test_a_graph_is_fed_only_the_inputs_that_it_names():
    batch = Batch.of([TokenizedText((1, 2), (0, 0), False)], pad_id=0)
    assert list(batch.feed(["attention_mask", "input_ids"])) == ["attention_mask", "input_ids"]


def test_truncation_is_reported_from_the_first_token_too_many(classifier):
    limit = classifier.encoder.max_length
    fits, too_long = classifier.tokenize(["good " * (limit - 2), "good " * (limit - 1)])
    assert (len(fits), fits.truncated) == (limit, False)
    assert (len(too_long), too_long.truncated) == (limit, True)
    assert fits.ids == too_long.ids


def test_padding_and_truncation_of_the_file_are_dropped(bundle_path):
    content = json.loads((bundle_path / "tokenizer.json").read_text("utf-8"))
    assert content["padding"] is content["truncation"] is None
    padding = {"strategy": {"Fixed": 12}, "direction": "Right", "pad_to_multiple_of": None}
    content["padding"] = {**padding, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
    content["truncation"] = {"max_length": 3, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    tokenizer = Tokenizer.from_bytes(json.dumps(content).encode(), max_length=16)
    (text,) = tokenizer.encode(["the good soup"])
    assert (len(text), text.truncated) == (5, False)
    assert tokenizer.to_json() == (bundle_path / "tokenizer.json").read_bytes()


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe", b'{"model": 1}'])
def test_bytes_that_are_no_tokenizer_are_refused(data):
    with pytest.raises(BundleError, match=r"tokenizer\.json cannot be read"):
        Tokenizer.from_bytes(data, max_length=16)


def test_the_vocabulary_size_is_one_more_than_the_largest_id(classifier):
    assert classifier.tokenizer.token_id("[PAD]") == 0
    assert classifier.tokenizer.token_id("no such token") is None
    (text,) = classifier.tokenize(["the great soup 中 z9"])
    assert max(text.ids) < classifier.tokenizer.vocabulary_size


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, "expected a str, found NoneType"),
        (7, "expected a str, found int"),
        (b"bytes", "expected a str, found bytes"),
        (float("nan"), "expected a str, found float"),
        ("a\ud800", r"lone surrogate U\+D800 at character 1"),
        ("é" * 6, "has 12 bytes in UTF-8, the limit is 10"),
    ],
)
def test_a_text_that_no_tokenizer_can_read_names_its_index(bad, message):
    with pytest.raises(InvalidTextError, match=f"^text 2: {message}") as caught:
        validate_texts(["fine", "", bad, None], max_text_bytes=10)
    assert caught.value.index == 2


@given(st.lists(st.text(max_size=10), max_size=5))
def test_every_valid_text_is_accepted_as_it_is(texts):
    assert validate_texts(iter(texts)) == texts
