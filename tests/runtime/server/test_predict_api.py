import gzip
import json
import zlib

import pytest

from tests.runtime.server.running import RunningServer

TEXTS = ["It is great.", "the battery is bad", "", "It is great."]


def test_answers_are_those_of_the_library(server, classifier):
    answer = server.predict(texts=TEXTS)
    for served, prediction in zip(answer["predictions"], classifier(TEXTS), strict=True):
        assert (served["tokens"], served["truncated"]) == (prediction.tokens, prediction.truncated)
        for task, own in prediction.answers.items():
            content = served["answers"][task]
            assert content.get("label") == getattr(own, "label", None)
            assert content.get("probabilities", {}) == pytest.approx(dict(getattr(own, "probabilities", {})), abs=1e-6)


def test_an_answer_names_bundle_variant_and_digest(server, classifier):
    model = server.predict(texts=["a"])["model"]
    assert model == {"name": "tiny", "variant": classifier.info.variant, "digest": classifier.info.digest}


def test_only_the_tasks_asked_for_are_answered(server, classifier):
    task = classifier.tasks[-1]
    assert list(server.predict(texts=["a"], tasks=[task])["predictions"][0]["answers"]) == [task]
    assert server.predict(texts=["a"], tasks=[], embed=True)["predictions"][0]["answers"] == {}


def test_embeddings_come_with_the_answers_on_request(server, classifier):
    (served,) = server.predict(texts=["It is great."], embed=True)["predictions"]
    assert served["embedding"] == pytest.approx(classifier.embed("It is great.").tolist(), abs=1e-6)
    assert "embedding" not in server.predict(texts=["a"])["predictions"][0]


def test_no_texts_have_no_answers(server):
    assert server.predict(texts=[])["predictions"] == []


@pytest.mark.parametrize(
    ("body", "status", "kind", "said"),
    [
        (b"", 400, "bad_request", "truncated"),
        (b"{", 400, "bad_request", "truncated"),
        (b'{"texts": "a"}', 400, "bad_request", "Expected `array`, got `str` - at `$.texts`"),
        (b'{"texts": [1]}', 400, "bad_request", "Expected `str`, got `int` - at `$.texts[0]`"),
        (b'{"texts": ["a"], "task": ["x"]}', 400, "bad_request", "unknown field `task`"),
        (b'{"texts": ["a"], "tasks": ' + b"[" * 100_000, 400, "bad_request", ""),
        (b'{"texts": ["\xff"]}', 400, "bad_request", "not UTF-8"),
        ('{"texts": ["a"]}'.encode("utf-16"), 400, "bad_request", "malformed"),
        (b'{"texts": ["\\ud800"]}', 400, "bad_request", ""),
        (b'{"texts": [], "embed": NaN}', 400, "bad_request", ""),
        ({"texts": ["a"], "tasks": []}, 400, "bad_request", "leave tasks out"),
        ({"texts": ["a"], "tasks": ["mood"]}, 422, "unknown_task", "no task 'mood'"),
        ({"texts": ["a"], "model": "other"}, 404, "unknown_model", "there are: tiny"),
        ({"texts": ["a", "b" * 70_000]}, 422, "invalid_text", "the limit is 65536"),
        ({"texts": ["a"] * 1025}, 413, "too_many_texts", "the limit is 1024"),
    ],
)
def test_a_mistake_of_the_client_is_a_problem_that_says_what_to_do(server, body, status, kind, said):
    got, headers, problem = server.ask("POST", "/v1/predict", body)
    assert (got, problem["status"], problem["type"]) == (status, status, f"urn:mtl-export:problem:{kind}")
    assert headers["content-type"] == "application/problem+json"
    assert said in problem["detail"]


def test_the_index_of_a_bad_text_is_a_fact_for_programs(server):
    _, _, problem = server.ask("POST", "/v1/predict", {"texts": ["a", "b" * 70_000]})
    assert problem["index"] == 1


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_body_is_read(server, encoding, compress):
    body = compress(json.dumps({"texts": ["a"]}).encode())
    assert server.ask("POST", "/v1/predict", body, Content_Encoding=encoding)[0] == 200


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", gzip.compress(b" " * 50_000_000), 413),
        ("deflate", zlib.compress(b" " * 50_000_000), 413),
        ("gzip", b"no gzip", 400),
        ("gzip", gzip.compress(b'{"texts": ["a"]}')[:-9], 400),
        ("gzip", gzip.compress(b'{"texts": ["a"]}') + b"rest", 400),
        ("br", b"", 415),
        ("identity", b" " * 5_000_000, 413),
    ],
    ids=["gzip bomb", "deflate bomb", "no gzip", "cut off", "more after the end", "brotli", "too long"],
)
def test_a_body_that_is_too_long_or_wrongly_compressed_is_refused(server, encoding, body, status):
    assert server.ask("POST", "/v1/predict", body, Content_Encoding=encoding)[0] == status


def test_a_path_that_nobody_has_and_a_method_that_does_not_fit_are_problems(server):
    assert server.ask("GET", "/nothing")[0] == 404
    status, headers, problem = server.ask("GET", "/v1/predict")
    assert (status, headers["allow"]) == (405, "POST")
    assert "use POST" in problem["detail"]


def test_a_request_has_the_id_that_its_client_gave_it(server):
    assert server.ask("GET", "/v1/tasks", X_Request_Id="call-7")[1]["x-request-id"] == "call-7"
    made = server.ask("GET", "/v1/tasks", X_Request_Id="a b\tc")[1]["x-request-id"]
    assert made != "a b\tc"
    assert len(made) == 16


def test_tasks_and_info_say_what_is_served(server, classifier):
    _, _, tasks = server.ask("GET", "/v1/tasks")
    assert [task["name"] for task in tasks["models"][0]["tasks"]] == list(classifier.tasks)
    _, _, info = server.ask("GET", "/v1/info")
    assert info["models"][0]["variant"] == classifier.info.variant
    assert info["limits"]["texts"] == server.limits.max_texts


def test_a_key_is_needed_where_the_server_has_keys(model):
    with RunningServer([model], keys=["secret", "other"]) as server:
        ask = {"method": "POST", "path": "/v1/predict", "body": {"texts": ["a"]}}
        assert server.ask(**ask)[0] == 401
        assert server.ask(**ask, Authorization="Bearer wrong")[0] == 401
        assert server.ask(**ask, Authorization="Bearer secret")[0] == 200
        assert server.ask(**ask, X_API_Key="other")[0] == 200
        assert server.ask("GET", "/v2/health/ready")[0] == 200
