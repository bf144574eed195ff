"""The embedding examples: real requests to both apps, lines to the script, the classifier's own answers back."""

import importlib.util
import io
import json
import runpy
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from mtl_runtime import load
from mtl_runtime.core.machine import allowed_cores
from tests.runtime.measured_bundle import ELSEWHERE, add_evidence

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "embedding"
BUNDLE = ROOT / "tests" / "runtime" / "data" / "tiny_bundle"
TEXTS = ["good", "The match was awful, the price is bad!", "", "a great goal and a good price"]


def module(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@contextmanager
def flask_app():
    pytest.importorskip("flask")
    app = module("flask_app").create_app()

    def ask(path, content=None):
        method = "GET" if content is None else "POST"
        response = app.test_client().open(path, method=method, data=content, content_type="application/json")
        return response.status_code, response.get_json()

    yield ask


@contextmanager
def fastapi_app():
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx2")
    from starlette.testclient import TestClient

    with TestClient(module("fastapi_app").app) as client:

        def ask(path, content=None):
            method = "GET" if content is None else "POST"
            headers = {"Content-Type": "application/json"}
            response = client.request(method, path, content=content, headers=headers)
            return response.status_code, response.json()

        yield ask


@pytest.fixture(params=[flask_app, fastapi_app], ids=lambda app: app.__name__)
def ask(request, monkeypatch):
    """``ask(path, body)`` -> status and JSON of the answer."""
    monkeypatch.setenv("MTL_BUNDLE", str(BUNDLE))
    monkeypatch.setenv("WEB_CONCURRENCY", str(allowed_cores()))
    with request.param() as ask:
        yield ask


@pytest.fixture(scope="module")
def classifier():
    return load(BUNDLE, threads=1)


def as_json(predictions):
    return json.loads(json.dumps([prediction.to_dict() for prediction in predictions]))


def test_an_app_answers_as_the_classifier_does(ask, classifier):
    status, body = ask("/classify", json.dumps({"texts": TEXTS}))
    assert (status, body) == (200, {"predictions": as_json(classifier(TEXTS))})
    assert list(body["predictions"][0]["answers"]) == list(classifier.tasks)
    assert list(body["predictions"][0]["answers"]["sentiment"]["probabilities"]) == ["negative", "neutral", "positive"]


def test_an_app_answers_only_the_tasks_asked_for(ask, classifier):
    question = {"texts": TEXTS, "tasks": ["stars", "topics"]}
    assert ask("/classify", json.dumps(question)) == (
        200,
        {"predictions": as_json(classifier(TEXTS, tasks=["stars", "topics"]))},
    )


def test_no_texts_have_no_answers(ask):
    assert ask("/classify", json.dumps({"texts": []})) == (200, {"predictions": []})


def test_requests_at_the_same_time_get_their_own_answers(ask, classifier):
    def answer(text):
        return ask("/classify", json.dumps({"texts": [text]}))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(answer, TEXTS * 4))
    assert answers == [(200, {"predictions": as_json([classifier(text)])}) for text in TEXTS * 4]


@pytest.mark.parametrize(
    ("text", "problem"),
    [(5, "expected a str, found int"), ("\ud800", "lone surrogate U+D800"), ("x" * 65537, "the limit is 65536")],
)
def test_a_text_that_is_refused_is_told_by_its_index(ask, text, problem):
    status, body = ask("/classify", json.dumps({"texts": ["good", text, 7]}))
    assert (status, body["index"]) == (422, 1)
    assert problem in body["problem"]
    assert body["error"] == f"text 1: {body['problem']}"


@pytest.mark.parametrize("tasks", [["mood"], ["stars", "mood"], []])
def test_an_unknown_task_is_answered_with_those_that_there_are(ask, tasks):
    status, body = ask("/classify", json.dumps({"texts": ["good"], "tasks": tasks}))
    assert (status, body["tasks"]) == (422, ["sentiment", "topics", "stars"])
    assert body["error"].endswith("it has: sentiment, topics, stars")


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        json.dumps({"texts": "good"}),
        json.dumps({"texts": ["\ud800"] * 257}),
        json.dumps({"texts": ["good"], "tasks": "stars"}),
        json.dumps({"texts": ["good"], "tasks": [["stars"]]}),
        json.dumps({"texts": ["good"], "tasks": ["\ud800"]}),
    ],
)
def test_a_body_that_is_no_question_is_refused_with_a_reason(ask, content):
    status, body = ask("/classify", content)
    assert status in {400, 422}
    assert body["error"]


def test_an_app_tells_what_runs_and_takes_its_share_of_the_cores(ask):
    status, body = ask("/healthz")
    assert status == 200
    assert body.pop("fallback") is not None  # nothing vouches for cpu-int8
    assert body == {"variant": "cpu-fp32", "threads": 1, "tasks": ["sentiment", "topics", "stars"]}


@pytest.mark.parametrize("app", [flask_app, fastapi_app], ids=lambda app: app.__name__)
def test_an_app_tells_why_a_faster_variant_does_not_run(app, tmp_path, monkeypatch):
    bundle = shutil.copytree(BUNDLE, tmp_path / "bundle")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MTL_BUNDLE", str(bundle))
    with app() as ask:
        assert "cpu-int8 (it was not measured anywhere)" in ask("/healthz")[1]["fallback"]
    add_evidence(bundle, {"cpu-fp32": 1.0, "cpu-int8": 2.5}, machine=ELSEWHERE)
    with app() as ask:
        health = ask("/healthz")[1]
    assert (health["variant"], health["fallback"]) == ("cpu-int8", None)


def test_the_script_prints_a_row_of_answers_for_each_line(classifier, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["script.py", str(BUNDLE)])
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{text}\n" for text in TEXTS)))
    runpy.run_path(str(FOLDER / "script.py"), run_name="__main__")
    header, *rows = capsys.readouterr().out.splitlines()
    assert header == "sentiment\ttopics\tstars"
    expected = [[str(prediction[task].value) for task in classifier.tasks] for prediction in classifier(TEXTS)]
    assert [row.split("\t") for row in rows] == expected


def test_the_script_tells_in_one_line_what_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["script.py", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"^error: .*manifest\.json"):
        runpy.run_path(str(FOLDER / "script.py"), run_name="__main__")
