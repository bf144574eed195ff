"""portable fp32 graph + calibration sentences -> graphs of onnxruntime's own quantizers."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from mtl_bench.studies.quantization.method_inputs import MethodInputs
from mtl_runtime.inference.batching import DEFAULT_MAX_BATCH_TOKENS, plan_batches
from mtl_runtime.providers.session import import_onnxruntime
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["FLOAT_OUTPUTS", "write_dynamic", "write_static", "write_weight_only"]

# Quantize the inputs of a product, not its output.
FLOAT_OUTPUTS = {"OpTypesToExcludeOutputQuantization": ["MatMul"]}

# onnxruntime's histograms take batches of one shape only, and keep the activations of all of them in memory.
_ROWS, _BATCHES = 16, 8


def write_dynamic(inputs: MethodInputs, file: Path, *, reduce_range: bool = False) -> None:
    """Write a graph whose scales come from each batch while it runs."""
    ort, model = _quantization(), _load_without_shapes(inputs)
    ort.quantize_dynamic(model, file, weight_type=ort.QuantType.QInt8, per_channel=True, reduce_range=reduce_range)


def write_static(
    inputs: MethodInputs,
    file: Path,
    *,
    method: str = "MinMax",
    activations: str = "QUInt8",
    weights_only: bool = False,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write a graph with scales from calibration, as QuantizeLinear and DequantizeLinear around MatMul.

    Args:
        inputs: of the study.
        file: to write.
        method: of calibration: MinMax, Entropy or Percentile.
        activations: type of the activations.
        weights_only: whether the products of attention, which have no constant side, stay in fp32.
        options: ``extra_options`` of quantize_static.
    """
    ort, model = _quantization(), _load_without_shapes(inputs)
    ort.quantize_static(
        model,
        file,
        _CalibrationReader(inputs, equal_shapes=method != "MinMax"),
        quant_format=ort.QuantFormat.QDQ,
        op_types_to_quantize=["MatMul"],
        nodes_to_exclude=_attention_matmuls(model) if weights_only else [],
        per_channel=True,
        activation_type=ort.QuantType[activations],
        weight_type=ort.QuantType.QInt8,
        calibrate_method=ort.CalibrationMethod[method],
        extra_options=dict(options or {}),
    )


def write_weight_only(inputs: MethodInputs, file: Path, *, accuracy_level: int) -> None:
    """Write 8-bit weights in blocks of 32; level 0 multiplies floats, level 4 rounds activations by block."""
    quantizer = _quantization().matmul_nbits_quantizer.MatMulNBitsQuantizer(
        onnx.load(inputs.portable_file), bits=8, block_size=32, is_symmetric=True, accuracy_level=accuracy_level
    )
    quantizer.process()
    quantizer.model.save_model_to_file(str(file))


def _quantization() -> Any:
    import_onnxruntime()
    import onnxruntime.quantization.matmul_nbits_quantizer

    return onnxruntime.quantization


class _CalibrationReader:
    """Calibration batches, one by one, as an onnxruntime.quantization.CalibrationDataReader gives them."""

    def __init__(self, inputs: MethodInputs, *, equal_shapes: bool) -> None:
        batches = _equal_batches(inputs.texts) if equal_shapes else _sorted_batches(inputs.texts)
        self._feeds: Iterator[dict[str, NDArray[np.int64]]] = (
            Batch.of(texts, pad_id=inputs.pad_id, width=width).feed(inputs.model.inputs) for texts, width in batches
        )

    def get_next(self) -> dict[str, NDArray[np.int64]] | None:
        return next(self._feeds, None)


Batches = Iterator[tuple[Sequence[TokenizedText], int | None]]


def _sorted_batches(texts: Sequence[TokenizedText]) -> Batches:
    """Batches of similar lengths, as the runtime makes them."""
    for indices in plan_batches([len(text) for text in texts], max_batch_tokens=DEFAULT_MAX_BATCH_TOKENS):
        yield [texts[index] for index in indices], None


def _equal_batches(texts: Sequence[TokenizedText]) -> Batches:
    """Batches of one shape: a sample of the texts, padded to the longest of them."""
    rows = min(_ROWS, len(texts))
    count = min(_BATCHES, len(texts) // rows)
    sample = texts[:: len(texts) // (rows * count)][: rows * count]
    width = max(len(text) for text in sample)
    for start in range(0, len(sample), rows):
        yield sample[start : start + rows], width


def _load_without_shapes(inputs: MethodInputs) -> onnx.ModelProto:
    # The tracer's shapes of inner values contradict those that the quantizer infers, and it stops.
    model = onnx.load(inputs.portable_file)
    del model.graph.value_info[:]
    return model


def _attention_matmuls(model: onnx.ModelProto) -> list[str]:
    constants = {tensor.name for tensor in model.graph.initializer}
    return [node.name for node in model.graph.node if node.op_type == "MatMul" and node.input[1] not in constants]
