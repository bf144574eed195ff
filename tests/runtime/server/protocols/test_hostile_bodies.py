"""What no client means to send, on every path of the protocols that take JSON: refused, and never a fault of ours."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

PATHS = ["/", "/predict", "/embed", "/classify", "/v1/classify", "/v1/embeddings", "/v1/predict"]
TEXT_KEYS = ["inputs", "input", "texts"]
HOSTILE = {
    "nothing": (b"", {}),
    "no object": (b"3", {}),
    "half of an object": (b'{"inputs": "a"', {}),
    "two objects": (b'{"inputs": "a"}{"inputs": "a"}', {}),
    "deep lists": (b'{"inputs": ' + b"[" * 100_000, {}),
    "deep parameters": (b'{"inputs": "a", "parameters": ' + b'{"a":' * 100_000, {}),
    "deep unknown": (b'{"inputs": "a", "unknown": ' + b"[" * 100_000, {}),
    "lone surrogate": (b'{"inputs": "\\ud800", "input": "\\ud800", "texts": ["\\ud800"]}', {}),
    "no UTF-8": (b'{"inputs": "\xff", "input": "\xff", "texts": ["\xff"]}', {}),
    "UTF-16": (json.dumps({"inputs": "a", "input": "a", "texts": ["a"]}).encode("utf-16"), {}),
    "long number": (b'{"inputs": [' + b"9" * 5000 + b'], "input": [' + b"9" * 5000 + b'], "texts": [1]}', {}),
    "not a number": (b'{"inputs": [NaN], "input": [NaN], "texts": [NaN]}', {}),
    "long text": (json.dumps({key: ["b" * 70_000] for key in TEXT_KEYS}).encode(), {}),
    "bomb": (gzip.compress(b" " * 50_000_000), {"Content_Encoding": "gzip"}),
    "no gzip": (b"{}", {"Content_Encoding": "gzip"}),
    "unknown encoding": (b"{}", {"Content_Encoding": "br"}),
    "bad deadline": (b'{"inputs": "a", "input": "a", "texts": ["a"]}', {"X_Request_Timeout": "-1"}),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("body", "headers"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_body_is_refused(server, path, body, headers):
    status, _, answer = server.ask("POST", path, body, **headers)
    assert status in (400, 413, 415, 422), answer
    assert "Traceback" not in str(answer)
    assert server.ask("GET", "/v2/health/ready")[0] == 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
option_names = st.sampled_from(
    ["parameters", "normalize", "truncate", "truncation_direction", "raw_scores", "dimensions", "prompt_name", "model"]
)
bodies = st.builds(
    lambda value, options: {**dict.fromkeys(TEXT_KEYS, value), **options},
    json_values | st.lists(st.text()) | st.lists(st.integers(-2, 120)),
    st.dictionaries(option_names, json_values, max_size=2),
)


@given(path=st.sampled_from(PATHS), body=bodies)
def test_any_json_is_answered_or_refused_as_the_clients_mistake(server, path, body):
    status, _, answer = server.ask("POST", path, body)
    assert status in (200, 400, 404, 413, 422), answer
