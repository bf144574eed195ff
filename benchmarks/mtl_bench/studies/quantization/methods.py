"""name of a method -> how its graph is built from a checkpoint's MethodInputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import onnx_ir as ir

from mtl_bench.studies.quantization import quantizers
from mtl_bench.studies.quantization.clipping import ChooseRange, clip_ranges, range_by_entropy, range_by_percentile
from mtl_bench.studies.quantization.method_inputs import MethodInputs
from mtl_bench.studies.quantization.skip_norms import fuse_skip_norms
from mtl_bench.studies.quantization.weights import StepsOf, requantize_weights, tensor_steps
from mtl_export.graphs.int8.qdq import insert_qdq
from mtl_export.graphs.int8.quantize_attention import fuse_qattention
from mtl_export.graphs.int8.quantize_matmuls import quantize_embeddings, quantize_matmuls
from mtl_export.graphs.int8.smoothquant import apply_smoothquant

__all__ = ["BASELINE", "DEFAULT", "METHODS", "Method"]

BASELINE = "fp32"
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Method:
    """One row of the study."""

    title: str
    build: Callable[[MethodInputs, Path], None]  # writes the graph to the file


def _saves(graph: Callable[[MethodInputs], ir.Model]) -> Callable[[MethodInputs, Path], None]:
    return lambda inputs, file: ir.save(graph(inputs), file)


def _int8_matmuls(inputs: MethodInputs, *, bits: int = 8) -> ir.Model:
    return quantize_matmuls(*inputs.graphs.fused_for_int8, bits=bits)


def _complete(int8_matmuls: ir.Model) -> ir.Model:
    return quantize_embeddings(fuse_qattention(int8_matmuls))


def _default_graph(inputs: MethodInputs) -> ir.Model:
    return _complete(_int8_matmuls(inputs))


def _seven_bit_graph(inputs: MethodInputs) -> ir.Model:
    return _complete(_int8_matmuls(inputs, bits=7))


def _graph_with_steps(inputs: MethodInputs, *, steps_of: StepsOf) -> ir.Model:
    original = inputs.graphs.fused_for_int8[0]
    return _complete(requantize_weights(_int8_matmuls(inputs), original, steps_of))


def _clipped_graph(inputs: MethodInputs, *, choose: ChooseRange) -> ir.Model:
    return _complete(quantize_matmuls(inputs.graphs.fused, clip_ranges(inputs, choose)))


def _smoothed_graph(inputs: MethodInputs, *, alpha: float) -> ir.Model:
    model, ranges = apply_smoothquant(inputs.graphs.fused, inputs.graphs.fused_ranges, alpha=alpha)
    return _complete(quantize_matmuls(model, ranges))


def _unsmoothed_graph(inputs: MethodInputs) -> ir.Model:
    return _complete(quantize_matmuls(inputs.graphs.fused, inputs.graphs.fused_ranges))


def _qdq_graph(inputs: MethodInputs) -> ir.Model:
    return insert_qdq(*inputs.graphs.portable_for_int8)


def _fused_qdq_graph(inputs: MethodInputs) -> ir.Model:
    return insert_qdq(*inputs.graphs.fused_for_int8)


METHODS: Mapping[str, Method] = {
    BASELINE: Method("fp32, portable graph", _saves(lambda inputs: inputs.graphs.portable)),
    "fp32-fused": Method("fp32, fused attention", _saves(lambda inputs: inputs.graphs.fused)),
    "fp32-skip-norms": Method(
        "fp32, portable, SkipLayerNormalization",
        _saves(lambda inputs: fuse_skip_norms(inputs.graphs.portable)),
    ),
    DEFAULT: Method("**cpu-int8, our default**", _saves(_default_graph)),
    "default-products-apart": Method(
        "default, attention and its products apart",
        _saves(lambda inputs: quantize_embeddings(_int8_matmuls(inputs))),
    ),
    "default-float-embeddings": Method(
        "default, fp32 embeddings", _saves(lambda inputs: fuse_qattention(_int8_matmuls(inputs)))
    ),
    "default-per-tensor": Method(
        "default, one scale per weight", _saves(partial(_graph_with_steps, steps_of=tensor_steps))
    ),
    "default-7-bits": Method("default, 7-bit weights", _saves(_seven_bit_graph)),
    "default-skip-norms": Method(
        "default, SkipLayerNormalization", _saves(lambda inputs: fuse_skip_norms(_default_graph(inputs)))
    ),
    "smoothed-50": Method("every input smoothed, alpha 0.5", _saves(partial(_smoothed_graph, alpha=0.5))),
    "smoothed-75": Method("every input smoothed, alpha 0.75", _saves(partial(_smoothed_graph, alpha=0.75))),
    "smoothed-85": Method("every input smoothed, alpha 0.85", _saves(partial(_smoothed_graph, alpha=0.85))),
    "unsmoothed": Method("default, not smoothed", _saves(_unsmoothed_graph)),
    "unsmoothed-percentile": Method(
        "not smoothed, percentile 99.99",
        _saves(partial(_clipped_graph, choose=partial(range_by_percentile, percent=99.99))),
    ),
    "unsmoothed-entropy": Method("not smoothed, entropy", _saves(partial(_clipped_graph, choose=range_by_entropy))),
    "qdq": Method("our QDQ, portable graph", _saves(_qdq_graph)),
    "qdq-fused": Method("our QDQ, fused attention", _saves(_fused_qdq_graph)),
    "dynamic": Method("quantize_dynamic", quantizers.write_dynamic),
    "dynamic-7-bits": Method("quantize_dynamic, reduce_range", partial(quantizers.write_dynamic, reduce_range=True)),
    "static-minmax": Method("quantize_static, MinMax", quantizers.write_static),
    "static-entropy": Method("quantize_static, Entropy", partial(quantizers.write_static, method="Entropy")),
    "static-percentile": Method("quantize_static, Percentile", partial(quantizers.write_static, method="Percentile")),
    "static-signed": Method(
        "quantize_static, MinMax, QInt8 activations", partial(quantizers.write_static, activations="QInt8")
    ),
    "static-float-outputs": Method(
        "quantize_static, MinMax, float outputs", partial(quantizers.write_static, options=quantizers.FLOAT_OUTPUTS)
    ),
    "static-weights": Method(
        "quantize_static, MinMax, float outputs and attention",
        partial(quantizers.write_static, weights_only=True, options=quantizers.FLOAT_OUTPUTS),
    ),
    "weight-only-0": Method("MatMulNBits, 8 bits, level 0", partial(quantizers.write_weight_only, accuracy_level=0)),
    "weight-only-4": Method("MatMulNBits, 8 bits, level 4", partial(quantizers.write_weight_only, accuracy_level=4)),
}
