"""Names of variants: those that can be made, and why others cannot; known without torch and onnx."""

from collections.abc import Iterable, Mapping

from mtl_export.errors import ConfigError

__all__ = ["AUTO", "VARIANTS", "check_variant_names"]

AUTO = "auto"
VARIANTS = (
    "cpu-fp32",
    "cpu-int8",
    "cpu-avx2-int8",
    "openvino-fp32",
    "openvino-bf16",
    "openvino-int8",
    "cuda-fp32",
    "cuda-fp16",
    "cuda-bf16",
    "tensorrt-fp16",
)

# What people ask for, and what they would get.
_REFUSED: Mapping[str, str] = {
    "cpu-fp16": "onnxruntime's CPU provider computes fp16 in fp32 and casts at every node: slower, and no smaller in "
    "memory; use cpu-int8, or openvino-bf16",
    "cpu-bf16": "onnxruntime's CPU provider has no bf16 kernels; use openvino-bf16",
    "cuda-int8": "CUDA has no kernel for integer MatMuls, which fall back to the CPU with a copy each way; "
    "use cuda-fp16",
    "openvino-fp16": "OpenVINO's CPU device computes in fp32 or bf16; use openvino-bf16",
    "tensorrt-fp32": "TensorRT without lower precision has nothing over cuda-fp32; use that, or tensorrt-fp16",
    "tensorrt-int8": "int8 engines need calibration of their own, which the gate could not judge; use tensorrt-fp16",
}


def check_variant_names(names: Iterable[str]) -> None:
    """Refuse names for which there is no recipe; "auto" stands for several.

    Raises:
        ConfigError: there is no name, or one is unknown, or stands for a combination that makes no sense; the message
            says why.
    """
    names = list(names)
    known = f"known: {', '.join(VARIANTS)}, or {AUTO}"
    if not names:
        raise ConfigError(f"no variant is named; {known}")
    for name in names:
        if name in _REFUSED:
            raise ConfigError(f"variant {name}: {_REFUSED[name]}")
        if name not in (AUTO, *VARIANTS):
            raise ConfigError(f"unknown variant {name!r}; {known}")
