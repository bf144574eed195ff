"""The library's front door, on a real bundle."""

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime import load
from mtl_runtime.bundle.golden import parse_golden
from mtl_runtime.errors import InvalidTextError, NonFiniteError, RecordError, UnknownTaskError
from mtl_runtime.inference.settings import InferenceSettings

TEXTS = ["the soup was good", "", "awful match!", "great goal and a great price", "中 é ß", "bank " * 40] * 5
words = st.sampled_from(["good", "bad", "soup", "goal", "bank", "the", ".", "xyz", "é"])
texts = st.lists(st.lists(words, max_size=20).map(" ".join) | st.text(max_size=30), min_size=1, max_size=12)


def test_each_kind_of_answer_is_read_from_its_logits(classifier):
    prediction = classifier("the soup was great")
    assert list(prediction) == list(classifier.tasks) == ["sentiment", "topics", "stars"]
    assert len(prediction) == 3
    assert prediction["sentiment"].label == "positive"
    assert sum(prediction["sentiment"].probabilities.values()) == pytest.approx(1)
    assert prediction["topics"].labels == ("food",)
    assert prediction["stars"].value == prediction["stars"].logits[0]
    assert (prediction.tokens, prediction.truncated) == (6, False)


def test_logits_are_those_that_numpy_computed_without_onnxruntime(classifier, bundle_path):
    golden = parse_golden((bundle_path / "golden.jsonl").read_bytes())
    found = classifier.logits([text.text for text in golden])
    for task, rows in found.items():
        np.testing.assert_allclose(rows, [text.logits[task] for text in golden], atol=2e-6)


@given(texts, st.randoms(use_true_random=False))
def test_answers_depend_neither_on_neighbours_nor_on_order(classifier, some, random):
    shuffled = random.sample(range(len(some)), len(some))
    together = classifier.logits(some)
    mixed = classifier.logits([some[index] for index in shuffled])
    for task, rows in together.items():
        np.testing.assert_allclose(mixed[task], rows[shuffled], atol=1e-5)
        for text, row in zip(some, rows, strict=True):
            np.testing.assert_allclose(classifier.logits([text])[task][0], row, atol=1e-5)


@given(texts, st.integers(min_value=1, max_value=200))
def test_the_token_budget_changes_no_answer(classifier, some, budget):
    small = classifier.with_settings(max_batch_tokens=budget)
    assert [p["sentiment"].label for p in small(some)] == [p["sentiment"].label for p in classifier(some)]


def test_where_a_provider_takes_only_so_many_texts_at_once_batches_hold_no_more(classifier):
    ran = []

    def run(batch, outputs):
        ran.append(len(batch.input_ids))
        return classifier.run_batch(batch, outputs)

    many = [f"good {number}" for number in range(200)]
    recorded = replace(classifier, run_batch=run).with_settings(max_batch_tokens=10**6)
    for provider, largest in (("tensorrt", 64), ("cuda", 200)):
        ran.clear()
        settings = InferenceSettings.for_provider(provider, recorded.settings.execution, pad_id=0)
        replace(recorded, settings=settings)(many)
        assert (max(ran), sum(ran)) == (largest, 200)


def test_settings_are_told_once_and_a_copy_keeps_those_that_were_changed(classifier):
    changed = classifier.with_settings(workers=3, max_batch_tokens=77)
    assert (changed.info.workers, changed.info.threads, changed.info.max_batch_tokens) == (3, 1, 77)
    assert changed.run_batch is classifier.run_batch
    copied = copy.copy(changed)
    assert copied.info == changed.info
    assert copied.settings == changed.settings
    assert classifier.info.max_batch_tokens != 77


def test_changed_settings_are_named_in_the_reason(classifier):
    reason = classifier.with_settings(max_batch_tokens=77).info.reason
    assert reason == f"max_batch_tokens set to 77; without: {classifier.info.reason}"
    assert classifier.with_settings() is classifier


def test_settings_that_cannot_be_are_refused(classifier):
    with pytest.raises(RecordError, match="must be at least 1"):
        classifier.with_settings(max_batch_tokens=0)


def test_a_classifier_that_no_bundle_gave_cannot_be_pickled(classifier):
    with pytest.raises(TypeError, match="was not loaded from a bundle"):
        copy.copy(replace(classifier, _factory=None))


def test_eight_threads_on_one_classifier_answer_bit_for_bit_as_one(classifier):
    alone = classifier.logits(TEXTS)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: classifier.logits(TEXTS), range(32)))
    for result in results:
        for task, rows in alone.items():
            assert rows.tobytes() == result[task].tobytes()


def test_a_bare_str_is_one_text(classifier):
    assert classifier("good") == classifier(["good"])[0]
    assert classifier.embed("good").shape == (8,)


def test_no_texts_give_no_predictions(classifier):
    assert classifier([]) == []
    assert classifier.embed([]).shape == (0, 8)


def test_texts_may_come_from_a_generator(classifier):
    assert len(classifier(text for text in TEXTS)) == len(TEXTS)


def test_tasks_choose_and_order_the_answers(classifier):
    assert list(classifier("good", tasks=["stars", "sentiment", "stars"])) == ["stars", "sentiment"]
    assert list(classifier("good", tasks="topics")) == ["topics"]
    assert classifier("good", tasks=["stars"])["stars"] == classifier("good")["stars"]


@pytest.mark.parametrize("tasks", [["tone"], [], ["sentiment", "Sentiment"]])
def test_an_unknown_task_names_those_there_are(classifier, tasks):
    with pytest.raises(UnknownTaskError, match="it has: sentiment, topics, stars"):
        classifier("good", tasks=tasks)


@pytest.mark.parametrize("bad", [None, 3, b"good", "\ud800", "x" * 70_000])
def test_a_text_that_cannot_be_classified_names_its_index(classifier, bad):
    with pytest.raises(InvalidTextError) as caught:
        classifier(["good", bad])
    assert caught.value.index == 1


def test_the_limit_on_a_texts_bytes_can_be_set(bundle_path):
    small = load(bundle_path, threads=1, max_text_bytes=4)
    assert small("good")["sentiment"].label == "positive"
    with pytest.raises(InvalidTextError, match="has 5 bytes in UTF-8, the limit is 4"):
        small("goods")


def test_nan_logits_name_the_text_and_give_no_answer(classifier):
    bank = classifier.tokenizer.token_id("bank")

    def poisoned(batch, outputs):
        rows = classifier.run_batch(batch, outputs)
        for array in rows:
            array[(batch.input_ids == bank).any(axis=1)] = np.nan
        return rows

    broken = replace(classifier, run_batch=poisoned).with_settings(max_batch_tokens=16)
    some = ["the good soup was good", "good", "a bank", "bad"]
    assert broken(["good", "bad"]) == classifier(["good", "bad"])
    with pytest.raises(NonFiniteError) as caught:
        broken(some)
    assert caught.value.index == 2
    with pytest.raises(NonFiniteError, match="text 2: sentence_embedding"):
        broken.embed(some)


def test_embeddings_come_in_the_texts_order_and_normalized_have_length_one(classifier):
    rows = classifier.embed(TEXTS)
    np.testing.assert_allclose(rows[1], classifier.embed(TEXTS[1]), atol=1e-6)
    unit = classifier.embed(TEXTS, normalize=True)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), np.ones(len(TEXTS)), rtol=1e-5)
    np.testing.assert_allclose(unit * np.linalg.norm(rows, axis=1, keepdims=True), rows, rtol=1e-5)


def test_info_tells_what_runs_and_why(bundle_path):
    asked = load(bundle_path, variant="cpu-int8", threads=1).info
    assert (asked.variant, asked.provider, asked.threads) == ("cpu-int8", "cpu", 1)
    assert "asked for" in asked.reason
    default = load(bundle_path).info
    assert default.variant == "cpu-fp32"
    assert default.threads >= 1
    assert "no variant was measured on a machine like this one" in default.reason
    assert "cores allowed" in default.reason


def test_the_int8_variant_gives_the_same_labels(classifier, bundle_path):
    int8 = load(bundle_path, variant="cpu-int8", threads=1)
    assert [p["topics"].labels for p in int8(TEXTS)] == [p["topics"].labels for p in classifier(TEXTS)]
    assert int8.logits(TEXTS)["stars"].tobytes() != classifier.logits(TEXTS)["stars"].tobytes()


def test_no_threads_is_a_programmers_error(bundle_path):
    with pytest.raises(ValueError, match="threads is 0"):
        load(bundle_path, threads=0)
