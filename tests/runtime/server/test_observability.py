import json
import logging
import threading

from mtl_runtime.server.observability.request_log import REQUEST_LOG, JsonLines, log_request
from tests.runtime.server.running import RunningServer


def metrics_of(server):
    status, headers, body = server.ask("GET", "/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_count_requests_texts_and_padding(model):
    with RunningServer([model]) as server:
        before = metrics_of(server)
        server.predict(texts=["good", "the soup was good"])
        assert server.ask("GET", "/secret/path")[0] == 404
        after = metrics_of(server)
    assert after['mtl_requests_total{code="200",route="/v1/predict"}'] == 1
    assert after['mtl_requests_total{code="404",route="unknown"}'] == 1
    assert after['mtl_refused_requests_total{reason="not_found"}'] == 1
    assert after["mtl_queue_seconds_count"] == 1
    grown = {
        key: after[f'mtl_{key}_total{{model="tiny"}}'] - before[f'mtl_{key}_total{{model="tiny"}}'] for key in KEYS
    }
    assert grown == {"batches": 1, "batch_texts": 2, "batch_tokens": 9, "padding_tokens": 3}


KEYS = ("batches", "batch_texts", "batch_tokens", "padding_tokens")


def test_metrics_count_the_requests_in_progress(model):
    with RunningServer([model], workers=0) as server:
        waiting = threading.Thread(
            target=server.ask, args=("POST", "/v1/predict", {"texts": ["a"]}), kwargs={"X_Request_Timeout": "1"}
        )
        waiting.start()
        while metrics_of(server)["mtl_requests_in_progress"] != 1:
            assert waiting.is_alive()
        waiting.join()
        assert metrics_of(server)["mtl_requests_in_progress"] == 0


def test_metrics_say_what_runs_and_what_waits(model):
    with RunningServer([model], workers=0) as server:
        assert server.ask("POST", "/v1/predict", {"texts": ["a", "b"]}, X_Request_Timeout="0.2")[0] == 504
        metrics = metrics_of(server)
    assert metrics["mtl_queue_texts"] == 2
    assert metrics["mtl_queue_oldest_seconds"] >= 0.2
    (info,) = (key for key in metrics if key.startswith("mtl_model_info"))
    assert f'variant="{model.variant}"' in info
    assert model.digest in info


def test_metrics_need_a_key_where_the_server_has_keys(model):
    with RunningServer([model], keys=["secret"]) as server:
        assert server.ask("GET", "/metrics")[0] == 401


def test_a_request_is_one_line_of_json_without_its_texts(model, caplog):
    with caplog.at_level(logging.INFO, REQUEST_LOG), RunningServer([model]) as server:
        server.ask("POST", "/v1/predict", {"texts": ["a secret\ntext"]}, X_Request_Id="call-1")
    (record,) = (record for record in caplog.records if record.name == REQUEST_LOG)
    line = JsonLines().format(record)
    facts = json.loads(line)
    assert "\n" not in line
    assert "secret" not in line
    assert {**facts, "time": "", "ms": 0} == {
        "time": "",
        "level": "info",
        "logger": REQUEST_LOG,
        "message": "request",
        "id": "call-1",
        "method": "POST",
        "path": "/v1/predict",
        "code": 200,
        "ms": 0,
        "texts": 1,
    }


def test_an_exception_stays_one_line(caplog):
    logging.getLogger("x").error("failed\nbadly", exc_info=ValueError("two\nlines"))
    line = JsonLines().format(caplog.records[-1])
    assert "\n" not in line
    assert "two\\nlines" in line


def test_a_hostile_path_is_cut_and_stays_in_its_line(caplog):
    with caplog.at_level(logging.INFO, REQUEST_LOG):
        log_request(request_id="x", method="GET", path="/\x1b[2J\n" + "a" * 999, code=404, seconds=0.1, texts=None)
    line = JsonLines().format(caplog.records[-1])
    assert len(line) < 500
    assert "\x1b" not in line
    assert "\n" not in line
