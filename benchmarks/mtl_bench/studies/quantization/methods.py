"""name of a method -> how its graph is built from a checkpoint's Ingredients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import onnx_ir as ir

from mtl_bench.studies.quantization import quantizers
from mtl_bench.studies.quantization.clipping import Histogram, by_entropy, by_percentile, clipped
from mtl_bench.studies.quantization.ingredients import Ingredients
from mtl_bench.studies.quantization.skip_norms import with_skip_norms
from mtl_bench.studies.quantization.weights import Steps, of_the_tensor, seven_bits, with_steps
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
    build: Callable[[Ingredients, Path], None]  # writes the graph to the file


def _ours(graph: Callable[[Ingredients], ir.Model]) -> Callable[[Ingredients, Path], None]:
    return lambda ingredients, file: ir.save(graph(ingredients), file)


def _products(ingredients: Ingredients) -> ir.Model:
    return quantize_matmuls(*ingredients.material.smoothed_fused)


def _finished(products: ir.Model) -> ir.Model:
    return quantize_embeddings(fuse_qattention(products))


def _default(ingredients: Ingredients) -> ir.Model:
    return _finished(_products(ingredients))


def _with_steps(ingredients: Ingredients, *, steps: Steps) -> ir.Model:
    return _finished(with_steps(_products(ingredients), ingredients.material.smoothed_fused[0], steps))


def _clipped(ingredients: Ingredients, *, choose: Callable[[Histogram], tuple[float, float]]) -> ir.Model:
    return _finished(quantize_matmuls(ingredients.material.fused, clipped(ingredients, choose)))


def _smoothed(ingredients: Ingredients, *, alpha: float) -> ir.Model:
    model, seen = apply_smoothquant(ingredients.material.fused, ingredients.material.fused_ranges, alpha=alpha)
    return _finished(quantize_matmuls(model, seen))


def _unsmoothed(ingredients: Ingredients) -> ir.Model:
    return _finished(quantize_matmuls(ingredients.material.fused, ingredients.material.fused_ranges))


def _qdq(ingredients: Ingredients) -> ir.Model:
    return insert_qdq(*ingredients.material.smoothed_portable)


def _qdq_fused(ingredients: Ingredients) -> ir.Model:
    return insert_qdq(*ingredients.material.smoothed_fused)


METHODS: Mapping[str, Method] = {
    BASELINE: Method("fp32, portable graph", _ours(lambda ingredients: ingredients.material.portable)),
    "fp32-fused": Method("fp32, fused attention", _ours(lambda ingredients: ingredients.material.fused)),
    "fp32-skip-norms": Method(
        "fp32, portable, SkipLayerNormalization",
        _ours(lambda ingredients: with_skip_norms(ingredients.material.portable)),
    ),
    DEFAULT: Method("**cpu-int8, our default**", _ours(_default)),
    "default-products-apart": Method(
        "default, attention and its products apart",
        _ours(lambda ingredients: quantize_embeddings(_products(ingredients))),
    ),
    "default-float-embeddings": Method(
        "default, fp32 embeddings", _ours(lambda ingredients: fuse_qattention(_products(ingredients)))
    ),
    "default-per-tensor": Method("default, one scale per weight", _ours(partial(_with_steps, steps=of_the_tensor))),
    "default-7-bits": Method("default, 7-bit weights", _ours(partial(_with_steps, steps=seven_bits))),
    "default-skip-norms": Method(
        "default, SkipLayerNormalization", _ours(lambda ingredients: with_skip_norms(_default(ingredients)))
    ),
    "smoothed-50": Method("every input apply_smoothquant, alpha 0.5", _ours(partial(_smoothed, alpha=0.5))),
    "smoothed-75": Method("every input apply_smoothquant, alpha 0.75", _ours(partial(_smoothed, alpha=0.75))),
    "smoothed-85": Method("every input apply_smoothquant, alpha 0.85", _ours(partial(_smoothed, alpha=0.85))),
    "unsmoothed": Method("default, not apply_smoothquant", _ours(_unsmoothed)),
    "unsmoothed-percentile": Method(
        "not apply_smoothquant, percentile 99.99",
        _ours(partial(_clipped, choose=partial(by_percentile, percent=99.99))),
    ),
    "unsmoothed-entropy": Method("not apply_smoothquant, entropy", _ours(partial(_clipped, choose=by_entropy))),
    "qdq": Method("our QDQ, portable graph", _ours(_qdq)),
    "qdq-fused": Method("our QDQ, fused attention", _ours(_qdq_fused)),
    "dynamic": Method("quantize_dynamic", quantizers.dynamic),
    "dynamic-7-bits": Method("quantize_dynamic, reduce_range", partial(quantizers.dynamic, reduce_range=True)),
    "static-minmax": Method("quantize_static, MinMax", quantizers.static),
    "static-entropy": Method("quantize_static, Entropy", partial(quantizers.static, method="Entropy")),
    "static-percentile": Method("quantize_static, Percentile", partial(quantizers.static, method="Percentile")),
    "static-signed": Method(
        "quantize_static, MinMax, QInt8 activations", partial(quantizers.static, activations="QInt8")
    ),
    "static-float-outputs": Method(
        "quantize_static, MinMax, float outputs", partial(quantizers.static, options=quantizers.FLOAT_OUTPUTS)
    ),
    "static-weights": Method(
        "quantize_static, MinMax, float outputs and attention",
        partial(quantizers.static, weights_only=True, options=quantizers.FLOAT_OUTPUTS),
    ),
    "weight-only-0": Method("MatMulNBits, 8 bits, level 0", partial(quantizers.weight_only, accuracy_level=0)),
    "weight-only-4": Method("MatMulNBits, 8 bits, level 4", partial(quantizers.weight_only, accuracy_level=4)),
}
