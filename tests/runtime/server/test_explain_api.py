import dataclasses
import http.client
import json
import threading
import time
from contextlib import closing

import pytest

from mtl_runtime.server.limits import Limits
from mtl_runtime.server.served_model import ServedModel
from tests.runtime.server.running import TIMEOUT, RunningServer

TEXT = "the soup was good, the price 😀 awful"


class Gate:
    """A classifier whose batches wait at a gate, and are counted."""

    def __init__(self, classifier):
        self.open, self.entered = threading.Event(), threading.Event()
        self.batches = 0

        def run_batch(batch, outputs):
            self.batches += 1
            self.entered.set()
            assert self.open.wait(TIMEOUT)
            return classifier.run_batch(batch, outputs)

        settings = dataclasses.replace(classifier.settings, max_batch_size=1)
        self.model = ServedModel(
            name="gated", classifier=dataclasses.replace(classifier, run_batch=run_batch, settings=settings)
        )


@pytest.fixture
def gate(classifier):
    made = Gate(classifier)
    yield made
    made.open.set()


def explain(server, status=200, **body):
    got, _, answer = server.ask("POST", "/v1/explain", body)
    assert got == status, answer
    return answer


def start_explaining(server, text=TEXT):
    """An open connection on which the answer will come."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    connection.request("POST", "/v1/explain", json.dumps({"text": text}))
    return connection


def wait_for(condition):
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_words_are_those_of_the_library(server, classifier):
    answer = explain(server, text=TEXT)
    assert answer["model"]["digest"] == classifier.info.digest
    assert list(answer["explanations"]) == list(classifier.tasks)
    for task, own in classifier.explain_tasks(TEXT).items():
        served = answer["explanations"][task]
        assert (served["label"], served["truncated"]) == (own.label, own.truncated)
        assert served["baseline"] == pytest.approx(own.baseline, abs=1e-6)
        for got, token in zip(served["tokens"], own.tokens, strict=True):
            assert (got["text"], got["start"], got["end"]) == (token.text, token.start, token.end)
            assert got["importance"] == pytest.approx(token.importance, abs=1e-6)


def test_one_label_of_one_task_can_be_explained_by_tokens(server, classifier):
    answer = explain(server, text="unheard good", task="sentiment", label="negative", by="token")
    own = classifier.explain("unheard good", task="sentiment", label="negative", by="token")
    assert list(answer["explanations"]) == ["sentiment"]
    assert answer["explanations"]["sentiment"]["label"] == "negative"
    assert len(answer["explanations"]["sentiment"]["tokens"]) == len(own.tokens) > 2


def test_a_text_without_words_has_none(server):
    assert all(task["tokens"] == [] for task in explain(server, text="  ")["explanations"].values())


def test_no_more_words_are_explained_than_the_model_reads(server, classifier):
    answer = explain(server, text="good " * 1000, task="sentiment")["explanations"]["sentiment"]
    assert answer["truncated"]
    assert len(answer["tokens"]) < classifier.encoder.max_length


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "text"),
        ({"text": ["a"]}, 400, "Expected `str`"),
        ({"text": "a", "by": "letter"}, 400, "letter"),
        ({"text": "a", "label": "good"}, 400, "name the task too"),
        ({"text": "a", "tasks": ["sentiment"]}, 400, "unknown field `tasks`"),
        ({"text": "a", "task": "mood"}, 422, "no task 'mood'"),
        ({"text": "a", "task": "sentiment", "label": "<b>"}, 422, "negative, neutral, positive"),
        ({"text": "a", "task": "stars", "label": "5"}, 422, "leave label out"),
        ({"text": "a" * 70_000}, 422, "the limit is 65536"),
        ({"text": "a", "model": "other"}, 404, "there are: tiny"),
    ],
)
def test_a_mistake_of_the_client_is_a_problem(server, body, status, said):
    assert said in explain(server, status, **body)["detail"]


def test_more_explanations_than_there_are_places_are_refused_at_once_and_answers_go_on(gate, model):
    with RunningServer([gate.model, model], limits=Limits(max_explanations=1)) as server:
        first = start_explaining(server)
        assert gate.entered.wait(TIMEOUT)
        status, headers, problem = server.ask("POST", "/v1/explain", {"text": "good", "model": "tiny"})
        assert (status, headers["retry-after"], problem["retry_after"]) == (429, "1", 1)
        assert server.predict(texts=["good"], model="tiny")["predictions"]
        gate.open.set()
        with closing(first):
            assert first.getresponse().read()
        wait_for(lambda: server.ask("POST", "/v1/explain", {"text": "good", "model": "tiny"})[0] == 200)


def test_an_explanation_ends_with_its_client_and_keeps_its_place_until_then(gate, model):
    with RunningServer([gate.model, model], limits=Limits(max_explanations=1)) as server:
        client = start_explaining(server)
        assert gate.entered.wait(TIMEOUT)
        client.close()
        wait_for(lambda: server.service.requests == 0)
        assert explain(server, 429, text="good", model="tiny")
        gate.open.set()
        wait_for(lambda: server.ask("POST", "/v1/explain", {"text": "good", "model": "tiny"})[0] == 200)
        assert gate.batches == 1


def test_an_explanation_that_takes_too_long_ends_at_its_deadline(gate):
    with RunningServer([gate.model], limits=Limits(max_explanations=1)) as server:
        status, _, problem = server.ask("POST", "/v1/explain", {"text": TEXT}, X_Request_Timeout="0.2")
        assert status == 504
        assert "explain a shorter one" in problem["detail"]
        gate.open.set()
        wait_for(lambda: server.ask("POST", "/v1/explain", {"text": "good"})[0] == 200)


def test_a_server_that_stops_explains_nothing_new(model):
    with RunningServer([model]) as server:
        server.service.is_stopping = True
        assert explain(server, 503, text="good")["detail"] == "the server is shutting down"
