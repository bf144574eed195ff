import gzip
import http.client
import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_runtime.server.failures import BadRequestError, TooManyTextsError
from mtl_runtime.server.limits import Limits
from mtl_runtime.server.protocols.open_inference.tensors import Tensor, count_texts, decode_strings, encode_strings
from tests.runtime.server.protocols.open_inference.requests import binary_request, json_request, strings
from tests.runtime.server.running import RunningServer

INFER = "/v2/models/tiny/infer"
TEXTS = ["The soup was good.", "ZÜRICH 😀", "a\0b", "", "the bank " * 12]
MODEL_PATHS = ["/v2/models/tiny", "/v2/models/tiny/", "/v2/models/tiny/versions/1", "/v2/models/tiny/versions/1/"]


def infer(server, body, path=INFER, **headers):
    status, _, answer = server.ask("POST", path, body, **headers)
    assert status == 200, answer
    return answer


def outputs(answer):
    return {output["name"]: output for output in answer["outputs"]}


def test_answers_of_all_tasks_are_those_of_the_library(server, classifier):
    answer = infer(server, json_request(TEXTS))
    assert {key: answer[key] for key in answer if key != "outputs"} == {"model_name": "tiny", "model_version": "1"}
    found, predictions = outputs(answer), classifier(TEXTS)
    assert list(found) == [
        "sentiment.label",
        "sentiment.probabilities",
        "topics.label",
        "topics.probabilities",
        "stars.value",
    ]
    for task in ("sentiment", "topics"):
        assert found[f"{task}.label"]["data"] == [prediction[task].value for prediction in predictions]
        assert found[f"{task}.probabilities"]["shape"] == [len(TEXTS), 3]
        expected = [score for prediction in predictions for score in prediction[task].probabilities.values()]
        assert found[f"{task}.probabilities"]["data"] == pytest.approx(expected, abs=1e-6)
    assert found["stars.value"]["shape"] == [len(TEXTS)]
    expected = [prediction["stars"].value for prediction in predictions]
    assert found["stars.value"]["data"] == pytest.approx(expected, abs=1e-5)


def test_only_outputs_asked_for_are_given_in_the_order_of_the_request(server, classifier):
    asked = ["sentence_embedding", "stars.value", "sentiment.label"]
    answer = infer(server, json_request(TEXTS, outputs=[{"name": name} for name in asked]))
    assert [output["name"] for output in answer["outputs"]] == asked
    embeddings = answer["outputs"][0]
    assert (embeddings["datatype"], embeddings["shape"]) == ("FP32", [len(TEXTS), 8])
    assert embeddings["data"] == pytest.approx(classifier.embed(TEXTS).ravel().tolist(), abs=1e-5)


@pytest.mark.parametrize("shape", [[2], [2, 1], [1, 2]])
def test_texts_come_flat_or_nested(server, shape):
    expected = infer(server, json_request(["a", "good"]))["outputs"]
    nested = np.array(["a", "good"]).reshape(shape).tolist()
    assert infer(server, json_request(["a", "good"], shape))["outputs"] == expected
    assert infer(server, json_request(nested, shape))["outputs"] == expected
    body, headers = binary_request(strings("a", "good"), shape)
    assert infer(server, body, **headers)["outputs"] == expected


@pytest.mark.parametrize("shape", [[0], [0, 1], [1, 0]])
def test_no_texts_have_empty_tensors(server, shape):
    found = outputs(infer(server, json_request([], shape)))
    assert (found["sentiment.probabilities"]["shape"], found["sentiment.probabilities"]["data"]) == ([0, 3], [])
    body, headers = binary_request(b"", shape)
    assert outputs(infer(server, body, **headers)) == found


def test_binary_outputs_follow_the_json_in_its_order(server, classifier):
    body, headers = binary_request(
        strings(*TEXTS),
        [len(TEXTS), 1],
        parameters={"binary_data_output": True},
        outputs=[
            {"name": "topics.label"},
            {"name": "stars.value", "parameters": {"binary_data": False}},
            {"name": "topics.probabilities", "parameters": {"binary_data": True}},
        ],
    )
    status, answered, content = server.ask("POST", INFER, body, **headers)
    assert (status, answered["content-type"]) == (200, "application/octet-stream")
    length = int(answered["inference-header-content-length"])
    labels, value, probabilities = json.loads(content[:length])["outputs"]
    assert "data" not in labels
    assert "data" not in probabilities
    assert len(value["data"]) == len(TEXTS)
    size = labels["parameters"]["binary_data_size"]
    data = content[length:]
    assert data[:size] == strings(*(prediction["topics"].value for prediction in classifier(TEXTS)))
    numbers = np.frombuffer(data[size:], "<f8").reshape(probabilities["shape"])
    assert probabilities["parameters"]["binary_data_size"] == numbers.nbytes
    expected = [list(prediction["topics"].probabilities.values()) for prediction in classifier(TEXTS)]
    assert numbers == pytest.approx(np.array(expected), abs=1e-6)


def test_an_id_is_echoed_and_none_is_invented(server):
    assert infer(server, json_request(["a"], id="42"))["id"] == "42"
    assert infer(server, json_request(["a"], id=""))["id"] == ""
    assert "id" not in infer(server, json_request(["a"]))


def test_classification_gives_the_best_labels(server, classifier):
    asked = {"name": "sentiment.probabilities", "parameters": {"classification": 2}}
    (output,) = infer(server, json_request(["good", "bad"], outputs=[asked]))["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [2, 2])
    probability, index, label = output["data"][0].split(":")
    assert (index, label) == ("2", "positive")
    assert float(probability) == pytest.approx(classifier("good")["sentiment"].probability, abs=1e-6)
    asked["parameters"]["classification"] = 99
    assert infer(server, json_request(["good"], outputs=[asked]))["outputs"][0]["shape"] == [1, 3]


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_lengths_count_the_bytes_after_decompression(server, encoding, compress):
    body, headers = binary_request(strings("good"), [1])
    assert outputs(infer(server, compress(body), Content_Encoding=encoding, **headers))


def test_unknown_keys_and_parameters_are_ignored(server):
    body = json_request(["a"], model_name="other", parameters={"priority": 3, "custom": [{}], "sequence_id": "s"})
    body["inputs"][0]["parameters"] = {"content_type": "str"}
    assert infer(server, body)


def test_null_stands_for_what_is_left_out(server):
    body = json_request(["a"], id=None, parameters=None, outputs=None)
    body["inputs"][0]["parameters"] = None
    assert "id" not in infer(server, body)


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_says_what_it_is(server, path):
    _, _, answer = server.ask("GET", path)
    assert answer["name"] == "mtl-export"
    assert "binary_tensor_data" in answer["extensions"]


@pytest.mark.parametrize("path", MODEL_PATHS)
def test_a_model_is_described_and_answers_at_each_of_its_paths(server, path):
    _, _, model = server.ask("GET", path)
    assert (model["name"], model["versions"], model["platform"]) == ("tiny", ["1"], "onnx_onnxv1")
    assert model["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert {"name": "topics.probabilities", "datatype": "FP64", "shape": [-1, 3]} in model["outputs"]
    assert model["outputs"][-1] == {"name": "sentence_embedding", "datatype": "FP32", "shape": [-1, 8]}
    assert json.loads(model["properties"]["labels.sentiment"]) == ["negative", "neutral", "positive"]
    assert json.loads(model["properties"]["thresholds.topics"]) == [0.5, 0.4, 0.6]
    slash = "/" if path.endswith("/") else ""
    base = path.rstrip("/")
    assert server.ask("GET", f"{base}/ready{slash}")[2] == {"name": "tiny", "ready": True}
    assert infer(server, json_request(["a"]), f"{base}/infer{slash}")["model_name"] == "tiny"
    _, _, config = server.ask("GET", f"{base}/config{slash}")
    assert config["input"] == [{"name": "text", "data_type": "TYPE_STRING", "dims": [-1]}]


def test_the_repository_lists_the_models(server):
    assert server.ask("POST", "/v2/repository/index", b"")[2] == [
        {"name": "tiny", "version": "1", "state": "READY", "reason": ""}
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/other", 404),
        ("GET", "/v2/models/tiny/versions/2", 404),
        ("GET", "/v2/models/other/ready", 404),
        ("POST", "/v2/models/other/infer", 404),
        ("POST", "/v2/models/tiny/versions/x/infer", 404),
        ("GET", "/v2/models/tiny/stats", 404),
        ("GET", "/v2/models/stats", 404),
        ("POST", "/v2/repository/models/tiny/load", 404),
        ("GET", "/v2/nothing/at/all", 404),
        ("POST", "/v2/models/tiny", 405),
        ("GET", INFER, 405),
    ],
)
def test_what_is_not_here_is_refused_in_the_form_of_the_protocol(server, method, path, status):
    got, _, answer = server.ask(method, path, b"{}" if method == "POST" else None)
    assert (got, list(answer)) == (status, ["error"])


def request_with(**changes):
    """A right request, with other values of its input."""
    body = json_request(["a"])
    body["inputs"][0] |= changes
    return body


def binary(data=None, shape=(1,), length=None, size=None):
    """A right binary request, with one thing that is not."""
    body, headers = binary_request(strings("a") if data is None else data, list(shape))
    if size is not None:
        body = body.replace(b'"binary_data_size": 5', b'"binary_data_size": ' + size)
    return body, headers if length is None else {"Inference_Header_Content_Length": length}


TWICE = json_request(["a"])["inputs"] * 2
HOSTILE = {
    "no body": (b"", {}),
    "no object": (b"[]", {}),
    "no inputs": ({}, {}),
    "empty inputs": ({"inputs": []}, {}),
    "null inputs": ({"inputs": None}, {}),
    "one input twice": ({"inputs": TWICE}, {}),
    "an unknown input": (request_with(name="txt"), {}),
    "an unknown datatype": (request_with(datatype="FP32", data=[1.0]), {}),
    "numbers in BYTES": (request_with(data=[1]), {}),
    "null in BYTES": (request_with(data=[None]), {}),
    "one text without a list": (request_with(data="a"), {}),
    "data nested too deep": (request_with(data=[[["a"]]]), {}),
    "no shape": ({"inputs": [{"name": "text", "datatype": "BYTES", "data": ["a"]}]}, {}),
    "an empty shape": (request_with(shape=[]), {}),
    "a negative dimension": (request_with(shape=[-1]), {}),
    "two negative dimensions": (request_with(shape=[-1, -1]), {}),
    "a fractional dimension": (request_with(shape=[1.5]), {}),
    "a dimension that is text": (request_with(shape=["1"]), {}),
    "a dimension of 5000 digits": (
        b'{"inputs":[{"name":"text","datatype":"BYTES","shape":[' + b"9" * 5000 + b"]}]}",
        {},
    ),
    "a timeout of 400 digits": (json_request(["a"], parameters={"timeout": 10**400}), {}),
    "a count of classes of text": (
        json_request(["a"], outputs=[{"name": "stars.value", "parameters": {"classification": "1"}}]),
        {},
    ),
    "two long dimensions": (request_with(shape=[2, 2], data=["a"] * 4), {}),
    "three dimensions": (request_with(shape=[1, 1, 1]), {}),
    "a million dimensions": (request_with(shape=[1] * 1_000_000), {}),
    "fewer texts than the shape says": (request_with(shape=[2]), {}),
    "more texts than the shape says": (request_with(shape=[1], data=["a", "b"]), {}),
    "neither data nor size": (request_with(data=None), {}),
    "data and size": (request_with(parameters={"binary_data_size": 5}), {}),
    "a size without data": (request_with(data=None, parameters={"binary_data_size": 5}), {}),
    "a negative size": (request_with(data=None, parameters={"binary_data_size": -5}), {}),
    "a size over the data": binary(size=b"6"),
    "a size under the data": binary(size=b"4"),
    "a size of text": binary(size=b'"5"'),
    "a huge size": binary(size=b"1152921504606846976"),
    "a length prefix past the end": binary(struct.pack("<I", 2) + b"a"),
    "the longest length prefix": binary(b"\xff\xff\xff\xff" + b"a"),
    "half a length prefix": binary(b"\x01\x00"),
    "bytes after the last text": binary(strings("a") + b"b"),
    "fewer binary texts than the shape says": binary(shape=(2,)),
    "binary texts without a shape for them": binary(shape=(0,)),
    "a binary text that is not UTF-8": binary(strings(b"\xff\xfe")),
    "a binary text with a surrogate": binary(strings(b"\xed\xa0\x80")),
    "a header over the body": binary(length="99999999999"),
    "a header of 5000 digits": binary(length="9" * 5000),
    "a negative header": binary(length="-1"),
    "a header that is no number": binary(length="abc"),
    "a header in other digits": binary(length="²"),
    "an empty header": binary(length=""),
    "a header of no JSON": binary(length="0"),
    "a header that cuts the JSON": binary(length="20"),
    "a header for a body without binary data": ({"inputs": []}, {"Inference_Header_Content_Length": "1"}),
    "an unknown output": (json_request(["a"], outputs=[{"name": "mood"}]), {}),
    "an output without a name": (json_request(["a"], outputs=[{}]), {}),
    "one output twice": (json_request(["a"], outputs=[{"name": "stars.value"}] * 2), {}),
    "classes of a regression": (
        json_request(["a"], outputs=[{"name": "stars.value", "parameters": {"classification": 1}}]),
        {},
    ),
    "a negative number of classes": (
        json_request(["a"], outputs=[{"name": "topics.probabilities", "parameters": {"classification": -1}}]),
        {},
    ),
    "a negative timeout": (json_request(["a"], parameters={"timeout": -1}), {}),
    "a timeout of text": (json_request(["a"], parameters={"timeout": "1"}), {}),
    "an id that is a number": (json_request(["a"], id=7), {}),
    "nested too deep": (b'{"inputs": [], "parameters": {"x": ' + b"[" * 100_000, {}),
    "nested too deep, and ignored": (b'{"inputs": [], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", {}),
    "not a number": (b'{"inputs": [], "x": NaN}', {}),
    "a number of 5000 digits": (b'{"inputs": [], "x": ' + b"9" * 5000 + b"}", {}),
    "a lone surrogate": (b'{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["\\ud800"]}]}', {}),
    "bytes that are not UTF-8": (b'{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["\xff"]}]}', {}),
    "UTF-16": (json.dumps(json_request(["a"])).encode("utf-16"), {}),
    "JSON after the JSON": (json.dumps(json_request(["a"])).encode() * 2, {}),
    "a content encoding that it does not have": (json_request(["a"]), {"Content_Encoding": "gzip"}),
}


@pytest.mark.parametrize(("body", "headers"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_request_is_refused_and_the_server_lives(server, body, headers):
    status, _, answer = server.ask("POST", INFER, body, **headers)
    assert (status, list(answer)) == (400, ["error"])
    assert 0 < len(answer["error"]) < 500
    assert infer(server, json_request(["good"]))


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (json_request(["a"] * 1025), {}, 413),
        (request_with(shape=[2**60]), {}, 413),
        (request_with(shape=[2**62, 1]), {}, 413),
        (request_with(shape=[10**4000, 1]), {}, 413),
        (*binary(b"\0\0\0\0" * 1_000_000, shape=(1_000_000,)), 413),
        (json_request(["b" * 70_000]), {}, 422),
        (b" " * 5_000_000, {}, 413),
        (gzip.compress(b" " * 50_000_000), {"Content_Encoding": "gzip"}, 413),
        (b"{}", {"Content_Encoding": "br"}, 415),
    ],
)
def test_what_is_over_a_limit_is_refused_in_the_form_of_the_protocol(server, body, headers, status):
    got, _, answer = server.ask("POST", INFER, body, **headers)
    assert (got, list(answer)) == (status, ["error"])


def test_a_key_is_needed_where_the_server_has_keys(model):
    with RunningServer([model], keys=["secret"]) as server:
        status, headers, answer = server.ask("GET", "/v2")
        assert (status, headers["www-authenticate"], list(answer)) == (401, "Bearer", ["error"])
        assert server.ask("POST", INFER, json_request(["a"]), Authorization="Bearer secret")[0] == 200


def test_the_timeout_of_a_request_is_its_deadline_in_microseconds(model):
    with RunningServer([model], workers=1) as server:
        assert infer(server, json_request(["a"], parameters={"timeout": 0}))
        assert infer(server, json_request(["a"], parameters={"timeout": 20_000_000}))
        status, _, answer = server.ask("POST", INFER, json_request(["a"], parameters={"timeout": 1}))
        assert (status, "deadline" in answer["error"]) == (504, True)


def test_a_full_queue_says_when_to_try_again(model):
    with RunningServer([model], limits=Limits(max_requests=0)) as server:
        status, headers, answer = server.ask("POST", INFER, json_request(["a"]))
        assert (status, headers["retry-after"], list(answer)) == (429, "1", ["error"])


def test_a_client_that_sends_no_content_type_is_answered(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("POST", INFER, skip_accept_encoding=True)
    body = json.dumps(json_request(["a"])).encode()
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    assert connection.getresponse().status == 200
    connection.close()


@given(st.lists(st.text()))
def test_strings_come_back_from_their_bytes(texts):
    valid = [text.encode("utf-8", "ignore").decode() for text in texts]
    assert decode_strings(encode_strings(valid), len(valid)) == valid


@given(st.binary(max_size=40), st.integers(0, 5))
def test_any_bytes_are_strings_or_a_bad_request(data, count):
    try:
        texts = decode_strings(data, count)
    except BadRequestError:
        return
    assert encode_strings(texts) == data


@given(st.lists(st.integers(-(2**63), 2**63), max_size=4))
def test_a_shape_counts_its_texts_or_is_refused(shape):
    try:
        count = count_texts(shape, 2**63)
    except (BadRequestError, TooManyTextsError):
        return
    assert count == np.prod(shape, dtype=object)


def test_numbers_are_little_endian_in_binary_tensors():
    tensor = Tensor("x", "FP32", (1, 2), np.array([[1.0, -2.5]], dtype=np.float32))
    assert tensor.to_bytes() == struct.pack("<2f", 1.0, -2.5)
    assert tensor.to_list() == [1.0, -2.5]
