"""Words are left out of a text, and the answer's change is their importance."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime import load
from mtl_runtime.bundle.manifest import logits_output
from mtl_runtime.errors import InvalidTextError, NonFiniteError, UnknownLabelError, UnknownTaskError
from mtl_runtime.inference.decode import compute_probabilities
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText

TEXT = "The soup wasn't great, goal!"
words = st.sampled_from(["good", "bad", "soup", "goal", "bank", "the", "."])
any_text = st.text(max_size=12) | st.lists(st.sampled_from(["good", "é", "中", "👍🏽", "e\u0301", " "])).map("".join)
some_words = st.lists(words, min_size=1, max_size=12).map(" ".join)


@pytest.fixture(scope="module")
def windowed(bundle_path):
    return load(bundle_path, threads=1, long_text="windows")


def scores(classifier, task, windows, how=np.mean):
    """Each score of the task, by hand: windows of token ids -> logits -> one row -> temperature."""
    name = logits_output(task)
    rows = [
        classifier.run_batch(Batch.of([TokenizedText(ids, (0,) * len(ids), False)], pad_id=0), [name])
        for ids in windows
    ]
    row = how(np.concatenate([row[0] for row in rows]), axis=0, keepdims=True).astype(np.float32)
    return compute_probabilities(classifier.task_specs([task])[0], row)[0]


@pytest.mark.parametrize("task", ["sentiment", "topics", "stars"])
def test_a_tokens_importance_is_the_score_with_it_less_the_score_without_it(classifier, task):
    (read,) = classifier.tokenize([TEXT])
    assert len(read.ids) == 12  # [CLS], the soup was n ' t great , goal !, [SEP]
    full = scores(classifier, task, [read.ids])
    index = int(full.argmax())
    found = classifier.explain(TEXT, task=task, by="token")
    expected = [
        full[index] - scores(classifier, task, [read.ids[:place] + read.ids[place + 1 :]])[index]
        for place in range(1, 11)
    ]
    assert [token.text for token in found.tokens] == ["The", "soup", "was", "n", "'", "t", "great", ",", "goal", "!"]
    np.testing.assert_allclose([token.importance for token in found.tokens], expected, atol=1e-6)
    assert found.baseline == pytest.approx(full[index], abs=1e-6)
    assert max(map(abs, expected)) > 0.05


def test_a_word_of_several_tokens_is_left_out_whole(classifier):
    (read,) = classifier.tokenize([TEXT])
    found = classifier.explain(TEXT, task="stars")
    assert [token.text for token in found.tokens] == ["The", "soup", "wasn't", "great", ",", "goal", "!"]
    without = scores(classifier, "stars", [read.ids[:3] + read.ids[7:]])[0]
    assert found.tokens[2].importance == pytest.approx(found.baseline - without, abs=1e-6)


@pytest.mark.parametrize("task", ["sentiment", "topics"])
def test_any_label_can_be_explained_and_the_default_is_the_most_probable(classifier, task):
    (read,) = classifier.tokenize([TEXT])
    full, without = scores(classifier, task, [read.ids]), scores(classifier, task, [read.ids[:2] + read.ids[3:]])
    labels = classifier.task_specs([task])[0].labels
    for index, label in enumerate(labels):
        found = classifier.explain(TEXT, task=task, label=label)
        assert found.label == label
        assert found.baseline == pytest.approx(full[index], abs=1e-6)
        assert found.tokens[1].importance == pytest.approx(full[index] - without[index], abs=1e-6)
    assert classifier.explain(TEXT, task=task).label == labels[int(full.argmax())]


@given(some_words)
def test_what_speaks_for_one_label_speaks_as_much_against_the_others(classifier, text):
    by_label = [
        classifier.explain(text, task="sentiment", label=label) for label in ("negative", "neutral", "positive")
    ]
    for same in zip(*(found.tokens for found in by_label), strict=True):
        assert math.fsum(token.importance for token in same) == pytest.approx(0, abs=1e-9)


@given(some_words)
def test_the_answer_is_the_one_given_without_an_explanation(classifier, windowed, text):
    for one in (classifier, windowed):
        prediction = one(text)
        for task, found in one.explain_tasks(text).items():
            assert found.answer == prediction[task]
            assert found.truncated == prediction.truncated


@given(some_words)
def test_words_that_are_one_token_each_are_explained_as_their_tokens_and_tasks_alone_as_together(classifier, text):
    together = classifier.explain_tasks(text, by="token")
    assert list(together) == list(classifier.tasks)
    for task, found in together.items():
        assert classifier.explain(text, task=task) == found
    assert list(classifier.explain_tasks(text, tasks=["stars", "topics"])) == ["stars", "topics"]


@given(any_text)
def test_offsets_slice_the_text(classifier, text):
    for by in ("word", "token"):
        for token in classifier.explain(text, task="stars", by=by).tokens:
            assert text[token.start : token.end] == token.text != ""


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b"])
def test_a_text_without_words_has_a_baseline_and_no_tokens(classifier, text):
    found = classifier.explain(text, task="sentiment")
    assert found.tokens == ()
    assert found.baseline == classifier(text)["sentiment"].probability


def test_the_only_word_is_weighed_against_the_empty_text(classifier):
    (token,) = classifier.explain("good", task="stars").tokens
    expected = classifier("good")["stars"].value - classifier("")["stars"].value
    assert (token.text, token.start, token.end) == ("good", 0, 4)
    assert token.importance == pytest.approx(expected, abs=1e-6)


def test_of_a_truncated_text_only_what_is_read_is_explained(classifier):
    found = classifier.explain("soup " * 40, task="stars")
    assert found.truncated
    assert len(found.tokens) == classifier.encoder.max_length - 2


@pytest.mark.parametrize(("how", "numpy_how"), [("mean", np.mean), ("max", np.max)])
def test_a_word_of_a_long_text_is_left_out_of_each_window_that_holds_it(bundle_path, how, numpy_how):
    classifier = load(bundle_path, threads=1, long_text="windows", aggregate=how)
    text = "good soup the " * 5 + "bad match a " * 5
    (read,) = classifier.tokenize([text])
    windows = [window.ids for window in (read, *read.more_windows)]
    assert [len(ids) for ids in windows] == [16, 16, 12]
    found = classifier.explain(text, task="sentiment", label="positive")
    assert not found.truncated
    assert len(found.tokens) == 30
    # The first window holds the words 0 to 13, the second 10 to 23.
    full = scores(classifier, "sentiment", windows, numpy_how)[2]
    in_one = [windows[0][:1] + windows[0][2:], *windows[1:]]
    in_two = [windows[0][:13] + windows[0][14:], windows[1][:3] + windows[1][4:], windows[2]]
    for place, without in ((0, in_one), (12, in_two)):
        expected = full - scores(classifier, "sentiment", without, numpy_how)[2]
        assert found.tokens[place].text == "good"
        assert found.tokens[place].importance == pytest.approx(expected, abs=1e-6)


def test_what_the_aggregate_does_not_look_at_has_no_importance(bundle_path):
    classifier = load(bundle_path, threads=1, long_text="windows", aggregate="first")
    found = classifier.explain("good bad " * 30, task="stars")
    assert all(token.importance != 0 for token in found.tokens[:14])
    assert all(token.importance == 0 for token in found.tokens[14:])


def test_versions_are_made_a_few_at_a_time_with_the_same_result(classifier, windowed, monkeypatch):
    text = "good soup and a bad match " * 8
    whole = windowed.explain(text, task="topics")
    sizes = []

    def run(batch, outputs):
        sizes.append(batch.input_ids.size)
        return classifier.run_batch(batch, outputs)

    monkeypatch.setattr("mtl_runtime.inference.explain._MAX_TOKENS", 64)
    few = replace(windowed, run_batch=run).with_settings(max_batch_tokens=32).explain(text, task="topics")
    assert max(sizes) <= 32
    assert [token.text for token in few.tokens] == [token.text for token in whole.tokens]
    for one, other in zip(few.tokens, whole.tokens, strict=True):
        assert one.importance == pytest.approx(other.importance, abs=1e-6)


def test_a_label_task_or_text_that_cannot_be_explained_says_why(bundle_path, classifier):
    with pytest.raises(UnknownLabelError, match="no label 'joy' in task 'sentiment'; it has: negative, neutral, posi"):
        classifier.explain("good", task="sentiment", label="joy")
    with pytest.raises(UnknownLabelError, match="'stars'; it is a regression and has none: leave label out"):
        classifier.explain("good", task="stars", label="joy")
    with pytest.raises(UnknownTaskError, match="no task 'tone'"):
        classifier.explain("good", task="tone")
    with pytest.raises(InvalidTextError, match="expected a str, found list"):
        classifier.explain(["good"], task="stars")
    with pytest.raises(ValueError, match="by is 'letter'; it must be one of word, token"):
        classifier.explain("good", task="stars", by="letter")
    strict = load(bundle_path, threads=1, long_text="error")
    assert strict.explain("good", task="stars").tokens
    with pytest.raises(InvalidTextError, match="more than the 16 tokens"):
        strict.explain("good " * 40, task="stars")


def test_a_version_whose_logits_are_not_finite_gives_no_explanation(classifier):
    def poisoned(batch, outputs):
        rows = classifier.run_batch(batch, outputs)
        bank = classifier.tokenizer.token_id("bank")
        for array in rows:
            array[~(batch.input_ids == bank).any(axis=1)] = np.nan
        return rows

    broken = replace(classifier, run_batch=poisoned)
    with pytest.raises(NonFiniteError, match="text 0: a logit of task 'stars'"):
        broken.explain("the bank", task="stars")
