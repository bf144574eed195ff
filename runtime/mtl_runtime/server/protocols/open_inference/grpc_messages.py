"""messages of gRPC <-> InferRequest, tensors and metadata."""

from collections.abc import Mapping, Sequence

from mtl_runtime.server.failures import BadRequestError
from mtl_runtime.server.protocols.open_inference import open_inference_pb2 as messages
from mtl_runtime.server.protocols.open_inference.infer import (
    VERSION,
    AskedOutput,
    InferRequest,
    check_input,
    to_seconds,
)
from mtl_runtime.server.protocols.open_inference.metadata import ModelMetadata, TensorMetadata
from mtl_runtime.server.protocols.open_inference.tensors import Tensor, count_texts, decode_strings, decode_utf8

__all__ = ["read_infer_request", "write_infer_response", "write_model_metadata"]


def read_infer_request(message: messages.ModelInferRequest, max_texts: int) -> InferRequest:
    """Read a request.

    Args:
        message: its texts are in raw_input_contents, or in the contents of the input.
        max_texts: over which it is refused before its texts are read.

    Raises:
        BadRequestError: it is not a request for a model of one input of texts.
        TooManyTextsError: it has more than ``max_texts``.
    """
    check_input([one.name for one in message.inputs], [one.datatype for one in message.inputs])
    outputs = [AskedOutput(one.name, _integer(one.parameters, "classification") or 0) for one in message.outputs]
    return InferRequest(
        texts=_read_texts(message.inputs[0], message.raw_input_contents, max_texts),
        outputs=outputs,
        timeout=to_seconds(_integer(message.parameters, "timeout")),
        id=message.id or None,
    )


def write_infer_response(model: str, request: InferRequest, tensors: Sequence[Tensor]) -> messages.ModelInferResponse:
    """Write an answer, with its tensors in raw_output_contents, as Triton does."""
    return messages.ModelInferResponse(
        model_name=model,
        model_version=VERSION,
        id=request.id or "",
        outputs=[
            messages.ModelInferResponse.InferOutputTensor(
                name=tensor.name, datatype=tensor.datatype, shape=tensor.shape
            )
            for tensor in tensors
        ],
        raw_output_contents=[tensor.to_bytes() for tensor in tensors],
    )


def write_model_metadata(model: ModelMetadata) -> messages.ModelMetadataResponse:
    """Write what a model reads and gives; the message has no place for properties."""
    return messages.ModelMetadataResponse(
        name=model.name,
        versions=model.versions,
        platform=model.platform,
        inputs=[_write_tensor(tensor) for tensor in model.inputs],
        outputs=[_write_tensor(tensor) for tensor in model.outputs],
    )


def _write_tensor(tensor: TensorMetadata) -> messages.ModelMetadataResponse.TensorMetadata:
    return messages.ModelMetadataResponse.TensorMetadata(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)


def _read_texts(
    tensor: messages.ModelInferRequest.InferInputTensor, raw: Sequence[bytes], max_texts: int
) -> Sequence[str]:
    count = count_texts(tensor.shape, max_texts)
    fields = [field.name for field, _ in tensor.contents.ListFields()]
    if raw:
        if len(raw) != 1 or fields:
            raise BadRequestError("raw_input_contents needs one entry for each input, and inputs without contents")
        return decode_strings(raw[0], count)
    if fields not in ([], ["bytes_contents"]):
        raise BadRequestError(f"input {tensor.name!r} has {' and '.join(fields)}; only bytes_contents can hold texts")
    data = tensor.contents.bytes_contents
    if len(data) != count:
        raise BadRequestError(f"input {tensor.name!r} has {len(data)} strings, by its shape it has {count}")
    return [decode_utf8(item, index) for index, item in enumerate(data)]


def _integer(parameters: Mapping[str, messages.InferParameter], name: str) -> int | None:
    if name not in parameters:
        return None
    kind = parameters[name].WhichOneof("parameter_choice")
    if kind not in ("int64_param", "uint64_param"):
        raise BadRequestError(f"parameter {name!r} must be an int64_param")
    value: int = getattr(parameters[name], kind)
    return value
