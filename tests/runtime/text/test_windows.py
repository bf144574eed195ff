"""Texts that are longer than the encoder reads: cut, refused, or read in windows."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime import load
from mtl_runtime.errors import BundleError, InvalidTextError, UnknownTaskError
from mtl_runtime.text.tokenizer import TokenizedText, Tokenizer
from mtl_runtime.text.windows import aggregate_windows, flatten_windows, window_overlap

words = st.sampled_from(["good", "bad", "soup", "goal", "bank", "the", "."])
long_texts = st.lists(words, min_size=1, max_size=200).map(" ".join)


@pytest.fixture(scope="module")
def windowed(bundle_path):
    return load(bundle_path, threads=1, long_text="windows")


@given(long_texts)
def test_windows_hold_every_token_and_overlap_by_a_quarter(classifier, windowed, text):
    limit = classifier.encoder.max_length
    overlap = window_overlap(limit)
    (tokenized,) = windowed.tokenize([text])
    windows = [tokenized, *tokenized.more_windows]
    first, last = tokenized.ids[0], tokenized.ids[-1]
    assert all(len(window) <= limit and window.ids[0] == first and window.ids[-1] == last for window in windows)
    inside = [list(window.ids[1:-1]) for window in windows]
    whole = inside[0]
    for before, after in pairwise(inside):
        assert len(before) == limit - 2
        assert before[-overlap:] == after[:overlap]
        whole = whole + after[overlap:]
    ids = [classifier.tokenizer.token_id(word) for word in text.split()]
    assert whole == ids


@pytest.mark.parametrize("how", ["mean", "max", "first"])
def test_the_windows_logits_are_aggregated_as_asked(bundle_path, classifier, how):
    windowed = load(bundle_path, threads=1, long_text="windows", aggregate=how)
    text = "good soup and " * 60 + "bad match " * 30
    (tokenized,) = windowed.tokenize([text])
    rows = [window_logits(classifier, window) for window in (tokenized, *tokenized.more_windows)]
    assert len(rows) > 2
    expected = {"mean": np.mean, "max": np.max, "first": lambda rows, axis: rows[0]}[how](rows, axis=0)
    prediction = windowed(text, tasks=["sentiment"])
    np.testing.assert_allclose(prediction["sentiment"].logits, expected, atol=1e-5)
    assert prediction.windows == len(rows)
    assert prediction.tokens == sum(len(window) for window in (tokenized, *tokenized.more_windows))
    assert not prediction.truncated


def window_logits(classifier, window):
    from mtl_runtime.text.batch import Batch

    return classifier.run_batch(Batch.of([window], pad_id=0), ["logits.sentiment"])[0][0]


def test_each_task_may_have_its_own_aggregate_and_embeddings_are_averaged(bundle_path, classifier):
    text = "good soup and " * 60 + "bad match " * 30
    by_task = load(bundle_path, threads=1, long_text="windows", aggregate={"sentiment": "first"})
    first = load(bundle_path, threads=1, long_text="windows", aggregate="first")
    mean = load(bundle_path, threads=1, long_text="windows")
    assert by_task(text)["sentiment"] == first(text)["sentiment"] != mean(text)["sentiment"]
    assert by_task(text)["stars"] == mean(text)["stars"] != first(text)["stars"]
    assert by_task.embed(text).tobytes() == mean.embed(text).tobytes()


@given(long_texts)
def test_a_text_that_fits_is_answered_the_same_in_every_mode(classifier, windowed, text):
    (tokenized,) = classifier.tokenize([text])
    if not tokenized.truncated:
        assert windowed(text) == classifier(text)
        assert windowed(text).windows == 1


def test_short_and_long_texts_in_one_call_keep_their_places(windowed):
    texts = ["good", "soup " * 100, "bad", "bank " * 150, "", "soup " * 100]
    together = windowed(texts)
    for text, prediction in zip(texts, together, strict=True):
        alone = windowed(text)
        assert (prediction.windows, prediction.tokens) == (alone.windows, alone.tokens)
        np.testing.assert_allclose(prediction["sentiment"].logits, alone["sentiment"].logits, atol=1e-5)


def test_an_error_names_the_text_and_the_limit(bundle_path):
    strict = load(bundle_path, threads=1, long_text="error")
    limit = strict.encoder.max_length
    fits = "good " * (limit - 2)
    assert not strict(fits).truncated
    with pytest.raises(InvalidTextError, match=f"text 2: has more than the {limit} tokens") as caught:
        strict([fits, fits, fits + "good", "bad"])
    assert caught.value.index == 2


def test_truncation_is_the_default_and_is_reported(classifier):
    prediction = classifier("good " * 500)
    assert prediction.truncated
    assert prediction.tokens == classifier.encoder.max_length


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"long_text": "ignore"}, "long_text is 'ignore'; it must be one of truncate, error, windows"),
        ({"aggregate": "median"}, "aggregate is 'median'; it must be one of mean, max, first"),
        ({"aggregate": {"sentiment": "sum"}}, "aggregate is 'sum'"),
        ({"optimize_for": "speed"}, "optimize_for is 'speed'; it must be one of throughput, latency"),
        ({"workers": 0}, "workers is 0; it must be at least 1"),
        ({"max_batch_tokens": -1}, "max_batch_tokens is -1; it must be at least 1"),
    ],
)
def test_a_value_that_there_is_not_is_refused_with_those_there_are(bundle_path, wish, message):
    with pytest.raises(ValueError, match=message):
        load(bundle_path, **wish)


def test_an_aggregate_for_an_unknown_task_names_those_there_are(bundle_path):
    with pytest.raises(UnknownTaskError, match="no task 'tone'"):
        load(bundle_path, aggregate={"tone": "max"})


@given(st.lists(st.integers(min_value=1, max_value=4), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_aggregates_are_those_of_each_texts_own_windows(counts, random):
    texts = [TokenizedText((1,), (0,), False, (TokenizedText((2,), (0,), False),) * (count - 1)) for count in counts]
    windows, starts = flatten_windows(texts)
    rows = np.array([[random.uniform(-5, 5) for _ in range(3)] for _ in windows], dtype=np.float32)
    if max(counts) == 1:
        assert starts is None
        assert aggregate_windows(rows, starts, "max") is rows
        return
    for text, (first, count) in enumerate(zip(np.cumsum([0, *counts[:-1]]), counts, strict=True)):
        own = rows[first : first + count]
        np.testing.assert_allclose(
            aggregate_windows(rows, starts, "mean")[text], own.mean(axis=0), rtol=1e-5, atol=1e-6
        )
        np.testing.assert_array_equal(aggregate_windows(rows, starts, "max")[text], own.max(axis=0))
        np.testing.assert_array_equal(aggregate_windows(rows, starts, "first")[text], own[0])


@pytest.mark.parametrize("room", [1, 2, 3, 4, 6])
def test_windows_always_hold_something_new(bundle_path, room):
    """However little room the special tokens leave: an overlap as long as the room would never move forward."""
    content = json.loads((bundle_path / "tokenizer.json").read_text("utf-8"))
    content["post_processor"]["single"].append({"SpecialToken": {"id": "[SEP]", "type_id": 0}})
    tokenizer = Tokenizer.from_bytes(json.dumps(content).encode(), max_length=room + 3, overlap=room + 1)
    (read,) = tokenizer.encode(["good soup bad bank"])
    assert {token for window in (read, *read.more_windows) for token in window.ids} >= {4, 8, 6, 12}


def test_no_room_for_windows_is_an_error_when_the_bundle_is_opened(bundle_path):
    data = (bundle_path / "tokenizer.json").read_bytes()
    with pytest.raises(BundleError, match="2 tokens leave no room"):
        Tokenizer.from_bytes(data, max_length=2, overlap=0)
