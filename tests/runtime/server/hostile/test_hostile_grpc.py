"""The texts of hostile requests over gRPC, and what is no gRPC on its port."""

import socket
import time
from contextlib import suppress

import pytest

from tests.runtime.server.hostile.rows import TEXTS
from tests.runtime.server.hostile.targets import TEXT, to_bytes
from tests.runtime.server.hostile.wire import SECONDS
from tests.runtime.server.protocols.open_inference.requests import strings
from tests.runtime.server.running import RunningServer

grpc = pytest.importorskip("grpc", reason="mtl-export[grpc] is not installed")
messages = pytest.importorskip("mtl_runtime.server.protocols.open_inference.open_inference_pb2")

SERVICE = "/inference.GRPCInferenceService"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_CALLS = {
    "HTTP 1": b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "garbage": bytes(range(256)) * 100,
    "a preface and garbage": PREFACE + b"\xff" * 1000,
    "a frame of 16 MB": PREFACE + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    "100,000 settings": PREFACE + b"\0\0\0\x04\0\0\0\0\0" * 100_000,
    "10,000 pings": PREFACE + b"\0\0\0\x04\0\0\0\0\0" + b"\0\0\x08\x06\0\0\0\0\0abcdefgh" * 10_000,
    "headers without end": PREFACE
    + b"\0\0\0\x04\0\0\0\0\0"
    + b"\0\0\x04\x01\0\0\0\0\x01abcd"
    + b"\0\x40\0\x09\0\0\0\0\x01"
    + bytes(16384),
}


@pytest.fixture(scope="module")
def server(model):
    with RunningServer([model], grpc=True) as running:
        yield running


@pytest.fixture(scope="module")
def infer(server):
    """Ask for texts, given as bytes in raw or typed contents; the code of the answer."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        send = channel.unary_unary(f"{SERVICE}/ModelInfer")

        def ask(*texts, is_raw=True, model="tiny", **options):
            tensor = messages.ModelInferRequest.InferInputTensor(name="text", datatype="BYTES", shape=[len(texts)])
            request = messages.ModelInferRequest(model_name=model, inputs=[tensor])
            if is_raw:
                request.raw_input_contents.append(strings(*texts))
            else:
                request.inputs[0].contents.bytes_contents.extend(texts)
            call = send.future(request.SerializeToString(), timeout=SECONDS, **options)
            assert "Traceback" not in (call.details() or "")
            return call.code()

        yield ask


@pytest.mark.parametrize("is_raw", [True, False], ids=["raw", "typed"])
@pytest.mark.parametrize(("text", "is_answered"), TEXTS.values(), ids=TEXTS)
def test_a_hostile_text_is_answered_or_an_invalid_argument(infer, text, is_answered, is_raw):
    expected = grpc.StatusCode.OK if is_answered else grpc.StatusCode.INVALID_ARGUMENT
    assert infer(to_bytes(text), is_raw=is_raw) is expected
    assert infer(to_bytes(TEXT), to_bytes(text), is_raw=is_raw) is expected
    assert infer(to_bytes(TEXT)) is grpc.StatusCode.OK


@pytest.mark.parametrize("name", ["", "other", "../../etc", "a" * 60_000, "\U0001f600" * 5000, "a\r\nb", "{model}"])
def test_a_hostile_name_is_not_found(infer, name):
    assert infer(to_bytes(TEXT), model=name) is grpc.StatusCode.NOT_FOUND
    assert infer(to_bytes(TEXT)) is grpc.StatusCode.OK


def test_hostile_metadata_changes_nothing(infer):
    metadata = [
        ("x-request-id", "a b\\n"),
        ("authorization", "Bearer "),
        ("a-bin", b"\0\xff" * 500),
        *[("a", "b")] * 50,
    ]
    assert infer(to_bytes(TEXT), metadata=metadata) is grpc.StatusCode.OK


@pytest.mark.parametrize("sent", NO_CALLS.values(), ids=NO_CALLS)
def test_what_is_no_call_is_cut_off_and_others_are_answered(server, infer, sent):
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.grpc_port), timeout=SECONDS) as connection:
        with suppress(OSError):  # cut off before it had come
            connection.sendall(sent)
        assert infer(to_bytes(TEXT)) is grpc.StatusCode.OK
    assert time.monotonic() - start < SECONDS
    assert infer(to_bytes(TEXT)) is grpc.StatusCode.OK
