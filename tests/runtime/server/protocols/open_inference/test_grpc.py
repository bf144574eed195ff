import asyncio
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mtl_runtime.errors import MissingPackageError, MtlError
from mtl_runtime.server.http.authentication import ApiKeys
from mtl_runtime.server.limits import Limits
from mtl_runtime.server.run import run_server
from mtl_runtime.server.settings import Address, ServerSettings
from tests.runtime.server.protocols.open_inference.requests import strings
from tests.runtime.server.running import RunningServer

grpc = pytest.importorskip("grpc", reason="mtl-export[grpc] is not installed")
health_pb2 = pytest.importorskip("grpc_health.v1.health_pb2", reason="mtl-export[grpc] is not installed")
serve_grpc = pytest.importorskip("mtl_runtime.server.protocols.open_inference.grpc_server").serve_grpc
messages = pytest.importorskip("mtl_runtime.server.protocols.open_inference.open_inference_pb2")

TEXTS = ["The soup was good.", "ZÜRICH 😀", "a\0b", ""]
Code = grpc.StatusCode


class GrpcClient:
    """Calls methods of the protocol by their names."""

    def __init__(self, port):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.max_send_message_length", -1)])

    def call(self, name, request=None, *, service="inference.GRPCInferenceService", **options):
        response = {"Check": health_pb2.HealthCheckResponse}.get(name) or getattr(messages, f"{name}Response")
        send = self.channel.unary_unary(f"/{service}/{name}", response_deserializer=response.FromString)
        data = request if isinstance(request, bytes) else b"" if request is None else request.SerializeToString()
        return send(data, timeout=options.pop("timeout", 20), **options)

    def refuse(self, name, request, **options):
        """The code and the details of an error, which must come."""
        with pytest.raises(grpc.RpcError) as caught:
            self.call(name, request, **options)
        return caught.value.code(), caught.value.details()


@contextmanager
def running(model, **options):
    with RunningServer([model], grpc=True, **options) as server:
        client = GrpcClient(server.grpc_port)
        with client.channel:
            yield server, client


@pytest.fixture(scope="module")
def client(model):
    with running(model) as (_, client):
        yield client


def infer_request(texts=("good",), *, shape=None, raw=False, outputs=(), **fields):
    tensor = messages.ModelInferRequest.InferInputTensor(name="text", datatype="BYTES", shape=shape or [len(texts)])
    request = messages.ModelInferRequest(model_name="tiny", inputs=[tensor], **fields)
    if raw:
        request.raw_input_contents.append(strings(*texts))
    else:
        request.inputs[0].contents.bytes_contents.extend(text.encode() for text in texts)
    request.outputs.extend(messages.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in outputs)
    return request


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("shape", [[4], [4, 1], [1, 4]])
def test_answers_are_those_of_the_library_in_raw_contents(client, classifier, raw, shape):
    answer = client.call("ModelInfer", infer_request(TEXTS, shape=shape, raw=raw, id="7"))
    assert (answer.model_name, answer.model_version, answer.id) == ("tiny", "1", "7")
    data = dict(zip([output.name for output in answer.outputs], answer.raw_output_contents, strict=True))
    predictions = classifier(TEXTS)
    assert data["sentiment.label"] == strings(*(prediction["sentiment"].label for prediction in predictions))
    assert data["topics.label"] == strings(*(prediction["topics"].value for prediction in predictions))
    expected = [list(prediction["sentiment"].probabilities.values()) for prediction in predictions]
    assert np.frombuffer(data["sentiment.probabilities"]).reshape(4, 3) == pytest.approx(np.array(expected), abs=1e-6)
    assert list(data) == [
        "sentiment.label",
        "sentiment.probabilities",
        "topics.label",
        "topics.probabilities",
        "stars.value",
    ]


def test_only_outputs_asked_for_are_given(client, classifier):
    answer = client.call("ModelInfer", infer_request(TEXTS, outputs=["sentence_embedding"]))
    (output,), (data,) = answer.outputs, answer.raw_output_contents
    assert (output.datatype, list(output.shape)) == ("FP32", [4, 8])
    assert np.frombuffer(data, "<f4").reshape(4, 8) == pytest.approx(classifier.embed(TEXTS), abs=1e-6)


@pytest.mark.parametrize("raw", [False, True])
def test_no_texts_have_empty_tensors(client, raw):
    answer = client.call("ModelInfer", infer_request([], raw=raw))
    assert set(answer.raw_output_contents) == {b""}


def test_classification_gives_the_best_labels(client):
    request = infer_request(outputs=["sentiment.probabilities"])
    request.outputs[0].parameters["classification"].int64_param = 1
    answer = client.call("ModelInfer", request)
    assert list(answer.outputs[0].shape) == [1, 1]
    assert answer.raw_output_contents[0].endswith(b":2:positive")


def test_probes_and_metadata(client):
    assert client.call("ServerLive").live
    assert client.call("ServerReady").ready
    assert client.call("ServerMetadata").name == "mtl-export"
    for version in ("", "1"):
        assert client.call("ModelReady", messages.ModelReadyRequest(name="tiny", version=version)).ready
        model = client.call("ModelMetadata", messages.ModelMetadataRequest(name="tiny", version=version))
        assert [tensor.name for tensor in model.inputs] == ["text"]
        assert model.outputs[-1].name == "sentence_embedding"


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService"])
def test_health_checks_of_orchestrators_are_answered(client, service):
    request = health_pb2.HealthCheckRequest(service=service)
    answer = client.call("Check", request, service="grpc.health.v1.Health")
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def with_input(**fields):
    request = infer_request()
    for name, value in fields.items():
        setattr(request.inputs[0], name, value)
    return request


def with_change(change, **options):
    request = infer_request(**options)
    change(request)
    return request


HOSTILE = {
    "no message": b"\xff\xff\xff",
    "no inputs": messages.ModelInferRequest(model_name="tiny"),
    "an unknown input": with_input(name="txt"),
    "an unknown datatype": with_input(datatype="INT32"),
    "one input twice": with_change(lambda request: request.inputs.append(request.inputs[0])),
    "no shape": with_change(lambda request: request.inputs[0].ClearField("shape")),
    "a negative dimension": infer_request(shape=[-1]),
    "three dimensions": infer_request(shape=[1, 1, 1]),
    "fewer texts than the shape says": infer_request(shape=[2]),
    "fewer raw texts than the shape says": infer_request(shape=[2], raw=True),
    "no texts for the shape": with_change(lambda request: request.inputs[0].ClearField("contents")),
    "numbers": with_change(lambda request: request.inputs[0].contents.int_contents.append(1)),
    "raw and typed texts": with_change(lambda request: request.raw_input_contents.append(strings("good"))),
    "raw contents twice": with_change(lambda request: request.raw_input_contents.append(b""), raw=True),
    "a length prefix past the end": with_change(
        lambda request: request.raw_input_contents.__setitem__(0, b"\xff\0\0\0a"), raw=True
    ),
    "bytes that are not UTF-8": with_change(
        lambda request: request.inputs[0].contents.bytes_contents.__setitem__(0, b"\xff")
    ),
    "raw bytes that are not UTF-8": with_change(
        lambda request: request.raw_input_contents.__setitem__(0, strings(b"\xff")), raw=True
    ),
    "an unknown output": infer_request(outputs=["mood"]),
    "one output twice": infer_request(outputs=["stars.value", "stars.value"]),
    "a timeout of text": with_change(lambda request: setattr(request.parameters["timeout"], "string_param", "1")),
    "a negative timeout": with_change(lambda request: setattr(request.parameters["timeout"], "int64_param", -1)),
    "a million texts": infer_request(shape=[1_000_000]),
    "a huge dimension": infer_request(shape=[2**62]),
    "a long text": infer_request(["a" * 70_000]),
}


@pytest.mark.parametrize("request_", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_request_is_an_invalid_argument_and_the_server_lives(client, request_):
    code, details = client.refuse("ModelInfer", request_)
    assert code is Code.INVALID_ARGUMENT
    assert 0 < len(details) < 500
    assert client.call("ModelInfer", infer_request())


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("ModelInfer", messages.ModelInferRequest(model_name="other")),
        ("ModelInfer", messages.ModelInferRequest(model_name="tiny", model_version="2")),
        ("ModelReady", messages.ModelReadyRequest(name="other")),
        ("ModelMetadata", messages.ModelMetadataRequest(name="tiny", version="x")),
    ],
)
def test_an_unknown_model_or_version_is_not_found(client, name, request_):
    assert client.refuse(name, request_)[0] is Code.NOT_FOUND


def test_a_method_that_is_not_served_is_unimplemented(client):
    send = client.channel.unary_unary("/inference.GRPCInferenceService/RepositoryIndex")
    with pytest.raises(grpc.RpcError) as caught:
        send(b"", timeout=20)
    assert caught.value.code() is Code.UNIMPLEMENTED


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_message_over_the_limit_of_bodies_is_refused_also_after_decompression(client, compression):
    request = infer_request(["a" * 50_000_000])
    code, _ = client.refuse("ModelInfer", request, compression=compression)
    assert code is Code.RESOURCE_EXHAUSTED
    assert client.call("ModelInfer", infer_request(), compression=compression)


def test_a_key_is_needed_where_the_server_has_keys(model):
    with running(model, keys=["secret"]) as (_, client):
        assert client.refuse("ModelInfer", infer_request())[0] is Code.UNAUTHENTICATED
        assert client.refuse("ModelInfer", infer_request(), metadata=[("x-api-key", "no")])[0] is Code.UNAUTHENTICATED
        assert client.refuse("ServerMetadata", None)[0] is Code.UNAUTHENTICATED
        assert client.call("ModelInfer", infer_request(), metadata=[("authorization", "Bearer secret")])
        assert client.call("ServerReady").ready
        assert client.call("Check", service="grpc.health.v1.Health").status


def test_a_full_server_says_when_to_try_again(model):
    with running(model, limits=Limits(max_requests=0)) as (_, client):
        with pytest.raises(grpc.RpcError) as caught:
            client.call("ModelInfer", infer_request())
        assert caught.value.code() is Code.RESOURCE_EXHAUSTED
        assert ("grpc-retry-pushback-ms", "1000") in [tuple(pair) for pair in caught.value.trailing_metadata()]


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_deadline_of_the_request_ends_it(model):
    with running(model, workers=0) as (_, client):
        request = infer_request()
        request.parameters["timeout"].int64_param = 1000
        assert client.refuse("ModelInfer", request)[0] is Code.DEADLINE_EXCEEDED


@pytest.mark.parametrize("ends_it", ["the deadline of the call", "the client"])
def test_a_call_that_ends_frees_its_place(model, ends_it):
    with running(model, workers=0) as (server, client):
        send = client.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        is_late = ends_it == "the deadline of the call"
        call = send.future(infer_request().SerializeToString(), timeout=0.5 if is_late else 20)
        wait_until(lambda: server.service.requests == 1 or call.done())
        if not is_late:
            call.cancel()
        wait_until(lambda: call.done() and server.service.requests == 0)
        assert call.code() is (Code.DEADLINE_EXCEEDED if is_late else Code.CANCELLED)


def test_a_call_whose_message_does_not_come_is_ended(model):
    """As of a client that sends half of a message, and then nothing."""
    with running(model, limits=Limits(receive_seconds=0.3)) as (_, client):
        send, sent = client.channel.stream_unary("/inference.GRPCInferenceService/ModelInfer"), threading.Event()
        with pytest.raises(grpc.RpcError) as caught:
            send(iter(lambda: sent.wait(20), True), timeout=20)
        sent.set()
        assert (caught.value.code(), "0.3 s" in caught.value.details()) == (Code.DEADLINE_EXCEEDED, True)
        with pytest.raises(grpc.RpcError, match="no message"):
            send(iter(()), timeout=20)
        assert client.call("ModelInfer", infer_request())


def test_calls_are_encrypted_where_there_is_a_certificate(model, tmp_path):
    certificate, private_key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    command = [*made.split(), "-keyout", private_key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    address = Address(port=0, certificate=certificate, private_key=private_key)

    async def call(server):
        async with serve_grpc(server.service, ApiKeys(), address) as port:
            credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
            async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
                send = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
                return messages.ServerLiveResponse.FromString(await send(b"", timeout=20)).live

    with running(model) as (server, _):
        assert asyncio.run(call(server))


def test_calls_are_counted_and_logged_like_requests_over_http(model, caplog):
    path = "/inference.GRPCInferenceService/ModelInfer"

    def logged():
        facts = [record.facts for record in caplog.records if hasattr(record, "facts")]
        return sorted((fact["code"], fact.get("texts", 0)) for fact in facts if fact["path"] == path)

    with caplog.at_level("INFO", "mtl_runtime.server"), running(model) as (server, client):
        client.call("ModelInfer", infer_request(["a", "b"]))
        client.refuse("ModelInfer", infer_request(outputs=["mood"]))
        wait_until(lambda: len(logged()) == 2)
        metrics = server.service.metrics.render().decode().splitlines()
    assert logged() == [(200, 2), (400, 0)]
    for code in (200, 400):
        assert any(path in line and f'"{code}"' in line for line in metrics)


def test_a_stopping_server_is_unavailable_for_new_requests_and_finishes_what_is_under_way(model):
    texts = ["the soup was good. " * 5] * 400
    with ThreadPoolExecutor(1) as pool, running(model, workers=1) as (server, client):
        answer = pool.submit(client.call, "ModelInfer", infer_request(texts))
        wait_until(lambda: server.service.requests == 1 or answer.done())
        server.service.is_stopping = True
        assert client.refuse("ModelInfer", infer_request())[0] is Code.UNAVAILABLE
        assert not client.call("ServerReady").ready
        status = client.call("Check", service="grpc.health.v1.Health").status
        assert status == health_pb2.HealthCheckResponse.NOT_SERVING
        server.loop.call_soon_threadsafe(server.http.stop)
        assert len(answer.result(20).raw_output_contents) == 5


def test_many_calls_at_once_get_their_own_answers(client, classifier):
    texts = [f"{word} {other}" for word in ("good", "bad", "soup", "goal") for other in ("bank", "match", "a", "the")]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda text: client.call("ModelInfer", infer_request([text])), texts))
    for text, answer in zip(texts, answers, strict=True):
        assert answer.raw_output_contents[2] == strings(classifier(text)["topics"].value)


def test_a_port_that_is_taken_is_an_error_that_names_it(model):
    async def serve_again(server):
        async with serve_grpc(server.service, ApiKeys(), Address(port=server.grpc_port)):
            pytest.fail("two servers listen on one port")

    with running(model) as (server, _), pytest.raises(MtlError, match=f"127.0.0.1:{server.grpc_port}.*--grpc-port"):
        asyncio.run(serve_again(server))


def test_the_generated_code_fits_the_proto_file():
    """`make proto` writes it."""
    text = Path(messages.__file__).with_name("open_inference.proto").read_text("utf-8")
    written = re.findall(r"^ *(?:repeated )?(?:map<.*?>|[\w.]+) (\w+) = (\d+);", text, re.MULTILINE)

    def fields(kind):
        yield from ((field.name, str(field.number)) for field in kind.fields)
        for nested in kind.nested_types:
            if not nested.GetOptions().map_entry:
                yield from fields(nested)

    generated = [field for kind in messages.DESCRIPTOR.message_types_by_name.values() for field in fields(kind)]
    assert len(written) > 50
    assert sorted(generated) == sorted(written)


def test_a_port_for_grpc_without_its_packages_is_an_error_that_names_them(bundle_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'mtl-export\[grpc\]'"):
        run_server(ServerSettings(bundles={"tiny": bundle_path}, grpc_port=0))
