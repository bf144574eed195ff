import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.server.failures import BadRequestError
from mtl_runtime.server.protocols.huggingface.text_embeddings_inference import read_texts
from tests.runtime.server.running import RunningServer

LONG = "a " * 40
# What huggingface_hub 2.4 sends as its User-Agent.
HUB = {"User_Agent": "unknown/None; hf_hub/2.4.0; python/3.11.7"}


def ranked(prediction, task):
    """What /predict answers about one text."""
    scores = prediction[task].probabilities
    return [{"label": label, "score": scores[label]} for label in sorted(scores, key=lambda label: -scores[label])]


def test_a_text_has_a_flat_list_with_the_most_probable_label_first(server, classifier):
    status, _, answer = server.ask("POST", "/predict", {"inputs": "a great soup"})
    assert (status, answer) == (200, ranked(classifier("a great soup"), "sentiment"))
    assert [row["score"] for row in answer] == sorted((row["score"] for row in answer), reverse=True)


def test_a_list_of_one_text_is_that_text(server):
    assert (
        server.ask("POST", "/predict", {"inputs": ["good"]})[2] == server.ask("POST", "/predict", {"inputs": "good"})[2]
    )


def test_a_batch_is_a_list_of_lists(server, classifier):
    texts = ["a great soup", "", "awful"]
    _, _, answer = server.ask("POST", "/predict", {"inputs": [[text] for text in texts]})
    expected = [ranked(prediction, "sentiment") for prediction in classifier(texts)]
    assert [[row["label"] for row in rows] for rows in answer] == [[row["label"] for row in rows] for rows in expected]
    scores = [[row["score"] for row in rows] for rows in answer]
    np.testing.assert_allclose(scores, [[row["score"] for row in rows] for rows in expected], atol=1e-6)


@pytest.mark.parametrize(
    "inputs", [["good", "bad"], ["good", "bad", "awful"], [["good", "bad"]], [["good"], "bad"], [[]]]
)
def test_a_pair_is_refused_with_the_way_to_write_a_batch(server, inputs):
    status, _, answer = server.ask("POST", "/predict", {"inputs": inputs})
    assert (status, answer["error_type"]) == (400, "Validation")
    assert 'write a batch as a list of lists, [["first text"], ["second text"]]' in answer["error"]


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_texts_come_out_of_a_batch_as_they_went_in(texts):
    assert read_texts([[text] for text in texts], flat_is_batch=False) == (texts, True)
    assert read_texts(texts, flat_is_batch=True) == (texts, True)
    if len(texts) > 1:
        with pytest.raises(BadRequestError):
            read_texts(texts, flat_is_batch=False)


def test_raw_scores_are_logits(server, classifier):
    _, _, answer = server.ask("POST", "/predict?task=topics", {"inputs": "good soup", "raw_scores": True})
    logits = dict(zip(("food", "sport", "money"), classifier("good soup")["topics"].logits, strict=True))
    assert {row["label"]: row["score"] for row in answer} == pytest.approx(logits, abs=1e-5)


def test_a_multi_label_task_gives_every_label_its_own_probability(server, classifier):
    _, _, answer = server.ask("POST", "/predict?task=topics", {"inputs": "soup match"})
    assert {row["label"]: row["score"] for row in answer} == pytest.approx(
        classifier("soup match")["topics"].probabilities
    )


def test_a_regression_has_one_label_with_its_number(server, classifier):
    _, _, answer = server.ask("POST", "/predict?task=stars", {"inputs": "good"})
    assert answer == [{"label": "stars", "score": pytest.approx(classifier("good")["stars"].value, abs=1e-6)}]


def test_a_long_text_is_truncated_unless_the_client_wants_it_otherwise(server):
    for path in ("/predict", "/embed"):
        for options in ({}, {"truncate": True}, {"truncate": True, "truncation_direction": "Right"}):
            assert server.ask("POST", path, {"inputs": LONG, **options})[0] == 200
        for options in ({"truncate": False}, {"truncate": True, "truncation_direction": "Left"}):
            assert server.ask("POST", path, {"inputs": "short", **options})[0] == 200
            status, _, answer = server.ask("POST", path, {"inputs": LONG, **options})
            assert (status, answer["error_type"]) == (422, "Tokenizer")
            assert "text 0: has more than the 16 tokens" in answer["error"]


def test_embeddings_have_length_1_unless_they_shall_not(server, classifier):
    texts = ["a great soup", "", "a great soup"]
    for options, normalize in (({}, True), ({"normalize": True}, True), ({"normalize": False}, False)):
        _, _, rows = server.ask("POST", "/embed", {"inputs": texts, **options})
        np.testing.assert_allclose(rows, classifier.embed(texts, normalize=normalize), atol=1e-6)


def test_embeddings_of_one_text_are_a_list_of_one_row(server, classifier):
    _, _, rows = server.ask("POST", "/embed", {"inputs": "good"})
    np.testing.assert_allclose(rows, classifier.embed(["good"], normalize=True), atol=1e-6)


@pytest.mark.parametrize(
    ("path", "body", "status", "kind"),
    [
        ("/predict", b"{", 400, "Validation"),
        ("/predict", {"inputs": 3}, 400, "Validation"),
        ("/predict", {"inputs": []}, 400, "Empty"),
        ("/embed", {"inputs": []}, 400, "Empty"),
        ("/embed", {"inputs": ["a", 3]}, 400, "Validation"),
        ("/embed", {"inputs": "a", "prompt_name": "query"}, 400, "Validation"),
        ("/embed", {"inputs": "a", "dimensions": 4}, 400, "Validation"),
        ("/predict", {"inputs": [["a"]] * 1025}, 413, "Validation"),
        ("/embed", {"inputs": "b" * 70_000}, 422, "Tokenizer"),
        ("/predict?task=mood", {"inputs": "a"}, 422, "Validation"),
        ("/predict?model=other", {"inputs": "a"}, 404, "Validation"),
        ("/", b"[" * 100_000, 400, "Validation"),
        ("/", b"[]", 400, "Validation"),
    ],
)
def test_mistakes_have_the_shape_and_type_that_these_clients_know(server, path, body, status, kind):
    got, _, answer = server.ask("POST", path, body)
    assert (got, answer["error_type"]) == (status, kind)
    assert set(answer) == {"error", "error_type"}


def test_a_model_that_fails_and_a_full_queue_have_types_of_their_own(model, monkeypatch):
    with RunningServer([model]) as server:
        monkeypatch.setattr(type(server.scheduler), "compute", lambda *_, **__: 1 / 0)
        status, _, answer = server.ask("POST", "/predict", {"inputs": "a"})
        assert (status, answer["error_type"]) == (424, "Backend")
        assert "ZeroDivisionError" not in answer["error"]
        server.service.requests = server.limits.max_requests
        status, headers, answer = server.ask("POST", "/predict", {"inputs": "a"})
        assert (status, headers["retry-after"], answer["error_type"]) == (429, "1", "Overloaded")


def test_headers_say_what_an_answer_took(server, classifier):
    _, headers, _ = server.ask("POST", "/predict", {"inputs": [["good"], ["a great soup"]]})
    assert headers["x-compute-type"] == "cpu"
    assert headers["x-compute-characters"] == "16"
    assert headers["x-compute-tokens"] == str(sum(p.tokens for p in classifier(["good", "a great soup"])))
    assert int(headers["x-compute-time"]) >= 0


def test_info_names_the_labels_of_the_task_that_answers(server, classifier):
    _, _, info = server.ask("GET", "/info?task=topics")
    assert info["model_type"]["classifier"]["id2label"] == {"0": "food", "1": "sport", "2": "money"}
    assert info["model_type"]["classifier"]["label2id"] == {"food": 0, "sport": 1, "money": 2}
    assert (info["model_sha"], info["max_input_length"]) == (classifier.info.digest, 16)


def test_a_body_with_parameters_is_answered_with_a_list_for_each_text(server, classifier):
    expected = ranked(classifier("good"), "sentiment")
    for path in ("/", "/predict"):
        assert server.ask("POST", path, {"inputs": "good", "parameters": {}})[2] == [expected]
        assert server.ask("POST", path, {"inputs": "good", "parameters": {"top_k": 1}})[2] == [expected[:1]]
        assert len(server.ask("POST", path, {"inputs": ["good", "bad"], "parameters": {}})[2]) == 2


def test_function_to_apply_none_gives_logits_and_another_than_the_tasks_is_refused(server, classifier):
    def ask(task, function):
        body = {"inputs": "good", "parameters": {"function_to_apply": function}}
        status, _, answer = server.ask("POST", f"/?task={task}", body)
        return {row["label"]: row["score"] for row in answer[0]} if status == 200 else (status, answer["error"])

    prediction = classifier("good")
    logits = dict(zip(("negative", "neutral", "positive"), prediction["sentiment"].logits, strict=True))
    assert ask("sentiment", "none") == pytest.approx(logits, abs=1e-5)
    assert ask("sentiment", "softmax") == pytest.approx(prediction["sentiment"].probabilities, abs=1e-6)
    assert ask("topics", "sigmoid") == pytest.approx(prediction["topics"].probabilities, abs=1e-6)
    assert ask("stars", "none") == {"stars": pytest.approx(prediction["stars"].value, abs=1e-6)}
    message = "task 'topics' is answered with sigmoid, not with softmax; leave function_to_apply out"
    assert ask("topics", "softmax") == (400, message)


def test_the_bare_url_gives_labels_except_to_clients_that_extract_features(server, classifier):
    labels = ranked(classifier("good"), "sentiment")
    assert server.ask("POST", "/", {"inputs": "good"})[2] == labels
    assert server.ask("POST", "/", {"inputs": "good", "parameters": {}}, **HUB)[2] == [labels]
    rows = classifier.embed(["good"], normalize=True)
    np.testing.assert_allclose(server.ask("POST", "/", {"inputs": "good"}, **HUB)[2], rows, atol=1e-6)
    np.testing.assert_allclose(server.ask("POST", "/", {"inputs": "good", "normalize": True})[2], rows, atol=1e-6)
