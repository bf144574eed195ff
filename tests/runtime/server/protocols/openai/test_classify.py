import pytest


def classify(server, path="/v1/classify", **body):
    status, _, answer = server.ask("POST", path, body)
    assert status == 200, answer
    return answer


@pytest.mark.parametrize("path", ["/classify", "/v1/classify"])
def test_each_text_has_its_label_and_the_scores_in_the_order_of_the_labels(server, classifier, path):
    texts = ["a great soup", "awful"]
    answer = classify(server, path, model="tiny", input=texts)
    for index, (row, prediction) in enumerate(zip(answer["data"], classifier(texts), strict=True)):
        own = prediction["sentiment"]
        assert (row["index"], row["label"], row["num_classes"]) == (index, own.label, 3)
        assert row["probs"] == pytest.approx(list(own.probabilities.values()), abs=1e-6)
    assert (answer["object"], answer["model"], answer["id"][:9]) == ("list", "tiny", "classify-")
    tokens = sum(prediction.tokens for prediction in classifier(texts))
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_one_text_is_a_list_of_one(server):
    assert [row["index"] for row in classify(server, input="good")["data"]] == [0]


@pytest.mark.parametrize(("text", "label"), [("soup match", "food|sport"), ("soup", "food"), ("a", "")])
def test_the_label_of_a_multi_label_task_is_all_that_reach_their_thresholds(server, classifier, text, label):
    (row,) = classify(server, model="tiny:topics", input=text)["data"]
    assert (row["label"], row["num_classes"]) == (label, 3)
    assert row["probs"] == pytest.approx(list(classifier(text)["topics"].probabilities.values()), abs=1e-6)


def test_a_regression_has_one_number_under_its_name(server, classifier):
    (row,) = classify(server, model="tiny:stars", input="good")["data"]
    value = classifier("good")["stars"].value
    assert row == {"index": 0, "label": "stars", "probs": [pytest.approx(value, abs=1e-6)], "num_classes": 1}


def test_without_activation_the_scores_are_logits(server, classifier):
    (row,) = classify(server, input="good", use_activation=False)["data"]
    assert row["probs"] == pytest.approx(classifier("good")["sentiment"].logits, abs=1e-5)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "bad_request"),
        ({"input": []}, 400, "no_texts"),
        ({"input": [1, 2]}, 400, "bad_request"),
        ({"input": "a", "add_special_tokens": False}, 400, "bad_request"),
        ({"input": "a", "truncate_prompt_tokens": 4}, 400, "bad_request"),
        ({"input": "a", "model": "other"}, 404, "unknown_model"),
        ({"input": "a", "model": "tiny:mood"}, 422, "unknown_task"),
        ({"input": ["a"] * 1025}, 413, "too_many_texts"),
        ({"input": "b" * 70_000}, 422, "invalid_text"),
    ],
)
def test_mistakes_have_the_shape_of_openai(server, body, status, code):
    got, _, answer = server.ask("POST", "/v1/classify", body)
    assert (got, answer["error"]["code"], answer["error"]["type"]) == (status, code, "invalid_request_error")
    assert set(answer["error"]) == {"message", "type", "param", "code"}
