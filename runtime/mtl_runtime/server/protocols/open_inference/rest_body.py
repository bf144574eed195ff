"""bodies of REST requests -> InferRequest; tensors -> bodies of answers. JSON, with binary tensors behind it or not."""

import re
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from mtl_runtime.server.failures import BadRequestError
from mtl_runtime.server.http.call import decode_json
from mtl_runtime.server.protocols.open_inference.infer import (
    VERSION,
    AskedOutput,
    InferRequest,
    check_input,
    to_seconds,
)
from mtl_runtime.server.protocols.open_inference.tensors import Tensor, count_texts, decode_strings

__all__ = ["InferAnswer", "InferBody", "read_infer_request", "write_infer_response"]

_HEADER_LENGTH = re.compile(r"[0-9]{1,18}")


class InputParameters(msgspec.Struct):
    """Parameters of an input; others are ignored."""

    binary_data_size: int | None = None


class InputBody(msgspec.Struct):
    """The texts, unless they follow the JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: InputParameters | None = None
    data: list[str | list[str]] | None = None  # flat, or nested as the shape says


class OutputParameters(msgspec.Struct):
    """Parameters of an output; others are ignored."""

    binary_data: bool | None = None
    classification: int = 0


class OutputBody(msgspec.Struct):
    """An output that is asked for."""

    name: str
    parameters: OutputParameters | None = None


class RequestParameters(msgspec.Struct):
    """Parameters of a request; others are ignored."""

    binary_data_output: bool = False
    timeout: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None  # microseconds


class InferBody(msgspec.Struct):
    """The keys that are read; clients send others too, such as model_name."""

    inputs: list[InputBody]
    id: str | None = None
    parameters: RequestParameters | None = None
    outputs: list[OutputBody] | None = None


class OutputAnswer(msgspec.Struct):
    """An output with its data, or with the size of the data that follow the JSON."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[str | float] | UnsetType = UNSET
    parameters: dict[str, int] | UnsetType = UNSET


class InferAnswer(msgspec.Struct):
    """Body of an answer, before binary data."""

    model_name: str
    model_version: str
    outputs: list[OutputAnswer]
    id: str | UnsetType = UNSET


_REQUEST = msgspec.json.Decoder(InferBody)
_ENCODER = msgspec.json.Encoder()


def read_infer_request(body: bytes, header_length: str | None, max_texts: int) -> InferRequest:
    """Read the body of a request.

    Args:
        body: JSON, then the data of binary tensors.
        header_length: the header Inference-Header-Content-Length: bytes of the JSON. None: all are.
        max_texts: over which a request is refused before its texts are read.

    Raises:
        BadRequestError: it is not a request of the protocol, or not for a model of one input of texts.
        TooManyTextsError: it has more than ``max_texts``.
    """
    length = _json_length(body, header_length)
    request: InferBody = decode_json(_REQUEST, body[:length])
    check_input([one.name for one in request.inputs], [one.datatype for one in request.inputs])
    parameters = request.parameters or RequestParameters()
    return InferRequest(
        texts=_read_texts(request.inputs[0], body[length:], max_texts),
        outputs=[_read_output(output, parameters) for output in request.outputs or ()],
        is_binary=parameters.binary_data_output,
        timeout=to_seconds(parameters.timeout),
        id=request.id,
    )


def write_infer_response(
    model: str, request: InferRequest, answers: Sequence[tuple[AskedOutput, Tensor]]
) -> tuple[bytes, int | None]:
    """Write the body of an answer, and the length of its JSON where binary tensors follow that."""
    outputs, data = [], []
    for asked, tensor in answers:
        output = OutputAnswer(tensor.name, tensor.datatype, tensor.shape)
        if asked.is_binary:
            data.append(tensor.to_bytes())
            output.parameters = {"binary_data_size": len(data[-1])}
        else:
            output.data = tensor.to_list()
        outputs.append(output)
    response = InferAnswer(model, VERSION, outputs, UNSET if request.id is None else request.id)
    header = _ENCODER.encode(response)
    return b"".join([header, *data]), len(header) if data else None


def _json_length(body: bytes, header_length: str | None) -> int:
    if header_length is None:
        return len(body)
    if not _HEADER_LENGTH.fullmatch(header_length) or int(header_length) > len(body):
        raise BadRequestError(
            f"Inference-Header-Content-Length is {header_length[:40]!r}; it must be the bytes of the JSON, at most "
            f"those of the body, which has {len(body)}"
        )
    return int(header_length)


def _read_texts(tensor: InputBody, binary: bytes, max_texts: int) -> Sequence[str]:
    count = count_texts(tensor.shape, max_texts)
    size = tensor.parameters.binary_data_size if tensor.parameters else None
    if (size is None) == (tensor.data is None):
        raise BadRequestError(f"input {tensor.name!r} needs either data or the parameter binary_data_size")
    if len(binary) != (size or 0):
        raise BadRequestError(f"{len(binary)} bytes follow the JSON, by binary_data_size there are {size or 0}")
    if tensor.data is None:
        return decode_strings(binary, count)
    texts = _flatten(tensor.data)
    if len(texts) != count:
        raise BadRequestError(f"input {tensor.name!r} has {len(texts)} strings, by its shape it has {count}")
    return texts


def _flatten(data: Sequence[str | list[str]]) -> list[str]:
    texts: list[str] = []
    for item in data:
        texts += [item] if isinstance(item, str) else item
    return texts


def _read_output(output: OutputBody, request: RequestParameters) -> AskedOutput:
    parameters = output.parameters or OutputParameters()
    is_binary = request.binary_data_output if parameters.binary_data is None else parameters.binary_data
    return AskedOutput(output.name, parameters.classification, is_binary)
