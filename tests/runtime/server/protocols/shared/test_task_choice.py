"""Which bundle and task answer, by every protocol that has room for one task."""

import pytest

from mtl_runtime.server.served_model import ServedModel
from tests.runtime.server.running import RunningServer


@pytest.fixture(scope="module")
def two_models(classifier):
    with RunningServer([ServedModel(name=name, classifier=classifier) for name in ("first", "second")]) as running:
        yield running


def labels_of_predict(server, query, name):
    if name is not None:
        query = f"{query}{'&' if query else '?'}model={name}"
    status, _, answer = server.ask("POST", f"/predict{query}", {"inputs": "good"})
    return status, {row["label"] for row in answer} if status == 200 else answer["error"]


def labels_of_classify(server, query, name):
    """The answer has one label alone, but no two tasks have as many; /info names them all."""
    body = {"input": "good"} if name is None else {"input": "good", "model": name}
    status, _, answer = server.ask("POST", f"/v1/classify{query}", body)
    if status != 200:
        return status, answer["error"]["message"]
    (row,) = answer["data"]
    infos = [server.ask("GET", f"/info?task={task}")[2] for task in ("topics", "stars")]
    by_task = [set(info["model_type"]["classifier"]["id2label"].values()) for info in infos]
    return status, {len(labels): labels for labels in by_task}[row["num_classes"]]


@pytest.mark.parametrize("name", [None, "", "first", "second"])
def test_without_a_task_the_first_one_of_the_bundle_answers(two_models, classifier, name):
    assert labels_of_predict(two_models, "", name) == (200, set(classifier.specs[0].labels))


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("?task=topics", None),
        ("?task=topics", "second"),
        ("", "second:topics"),
        ("?task=topics", "first:topics"),
    ],
)
@pytest.mark.parametrize("ask", [labels_of_predict, labels_of_classify])
def test_the_url_or_the_name_of_the_model_chooses_the_task(two_models, ask, query, name):
    assert ask(two_models, query, name) == (200, {"food", "sport", "money"})


def test_the_name_in_the_body_counts_more_than_the_one_in_the_url(two_models):
    assert labels_of_classify(two_models, "?model=first:stars", "second:topics") == (200, {"food", "sport", "money"})


@pytest.mark.parametrize(
    ("query", "name", "status", "said"),
    [
        ("?task=mood", None, 422, "no task 'mood' in this bundle; it has: sentiment, topics, stars"),
        ("?task=", None, 422, "no task ''"),
        ("", "first:mood", 422, "no task 'mood'"),
        ("", "first:", 422, "no task ''"),
        ("", "third", 404, "no model 'third' is served here; there are: first, second"),
        ("", ":topics", 404, "no model ''"),
        ("", "topics", 404, "no model 'topics'"),
        ("?task=stars", "first:topics", 400, "the URL asks for task 'stars'"),
    ],
)
@pytest.mark.parametrize("ask", [labels_of_predict, labels_of_classify])
def test_what_is_not_there_or_named_twice_is_refused_with_its_name(two_models, ask, query, name, status, said):
    got, problem = ask(two_models, query, name)
    assert got == status
    assert said in problem


def test_the_name_of_a_bundle_chooses_its_embeddings(two_models):
    for name in ("second", "second:topics"):
        _, _, answer = two_models.ask("POST", "/v1/embeddings", {"input": "good", "model": name})
        assert answer["model"] == "second"
