"""provider name -> onnxruntime's name for it, what brings it, its options; and is exactly one wheel here?"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mtl_runtime.core.installed_packages import installed_with_prefix
from mtl_runtime.core.user_cache import cache_folder
from mtl_runtime.errors import MissingPackageError, ProviderError

__all__ = [
    "ONNXRUNTIME_PLUGINS",
    "ONNXRUNTIME_WHEELS",
    "PROVIDERS",
    "Provider",
    "cache_option",
    "check_one_wheel",
    "get_provider",
    "installed_wheels",
]

# Every wheel that installs the module `onnxruntime`; two of them overwrite each other's files.
ONNXRUNTIME_WHEELS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-directml",
    "onnxruntime-qnn",
    "onnxruntime-migraphx",
    "onnxruntime-rocm",
    "onnxruntime-training",
)
# Wheels that add a provider to the one above and share no file with it.
ONNXRUNTIME_PLUGINS = ("onnxruntime-ep-openvino",)

Options = Mapping[str, str]
Encode = Callable[[Options, int, int], dict[str, str]]


def _as_they_are(options: Options, threads: int, runs: int) -> dict[str, str]:  # noqa: ARG001
    return dict(options)


def _for_openvino(options: Options, threads: int, runs: int) -> dict[str, str]:
    """OpenVINO has threads of its own, shared out among its streams, and takes a device's properties as JSON."""
    shared = {"INFERENCE_NUM_THREADS": str(threads * runs), "NUM_STREAMS": str(runs)}
    return {"load_config": json.dumps({"CPU": {**options, **shared}})}


def _for_tensorrt(options: Options, threads: int, runs: int) -> dict[str, str]:  # noqa: ARG001
    """Engines take minutes to build; onnxruntime would keep them in the folder that the process was started in."""
    cache = cache_folder()
    return {"trt_engine_cache_path": str(cache / "tensorrt"), **options} if cache else dict(options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One execution provider that a variant may name."""

    ort_name: str
    extra: str  # of mtl-export
    wheel: str  # that brings it
    plugin: str | None = None  # module of a wheel beside onnxruntime's, which tells the library to register
    cuda_library: str | None = (
        None  # of the wheel; it needs CUDA, and onnxruntime goes on without it where that is absent
    )
    defaults: Options = field(default_factory=dict)  # where the variant says nothing else
    encode: Encode = _as_they_are  # options, threads of a run, runs at once -> what onnxruntime is given
    fallback_providers: tuple[
        str, ...
    ] = ()  # rows that run the nodes which this one does not take; the CPU comes last by itself
    disabled_optimizers: tuple[str, ...] = ()  # rewrites of onnxruntime that make graphs slower there
    compiles: bool = False  # its part of the graph becomes one node that cannot be written to a file
    cache_option: str | None = None  # names the folder in which it keeps what it compiled
    uncached_wheel: str | None = None  # has the provider inside, and gains nothing by what it kept
    is_everywhere: bool = False  # in every wheel of onnxruntime
    is_device: bool = False  # it computes beside the CPU's cores, not on them
    max_batch_tokens: int = 512  # padded tokens of a batch where nothing was measured
    max_batch_size: int | None = None  # in a batch, where what it compiled takes no more


# fp32 means fp32: TF32 and OpenVINO's own choice of bf16 round to 10 and 7 bits, and would look like a broken export.
PROVIDERS: Mapping[str, Provider] = {
    "cpu": Provider(
        ort_name="CPUExecutionProvider",
        extra="cpu",
        wheel="onnxruntime",
        # One node for an addition and a normalization takes longer here than the two: docs/quantization.md.
        disabled_optimizers=("SkipLayerNormFusion",),
        is_everywhere=True,
    ),
    "openvino": Provider(
        ort_name="OpenVINOExecutionProvider",
        extra="openvino",
        wheel="onnxruntime-ep-openvino",
        plugin="onnxruntime_ep_openvino",
        defaults={"INFERENCE_PRECISION_HINT": "f32"},
        encode=_for_openvino,
        compiles=True,
        cache_option="CACHE_DIR",
        uncached_wheel="onnxruntime-openvino",
        max_batch_tokens=1024,
    ),
    "cuda": Provider(
        ort_name="CUDAExecutionProvider",
        extra="gpu",
        wheel="onnxruntime-gpu",
        cuda_library="onnxruntime_providers_cuda",
        defaults={"use_tf32": "0"},
        is_device=True,
        max_batch_tokens=16384,
    ),
    "tensorrt": Provider(
        ort_name="TensorrtExecutionProvider",
        extra="gpu",
        wheel="onnxruntime-gpu",
        cuda_library="onnxruntime_providers_tensorrt",
        encode=_for_tensorrt,
        fallback_providers=("cuda",),
        compiles=True,
        is_device=True,
        max_batch_tokens=16384,
        max_batch_size=64,
    ),
}


def get_provider(name: str) -> Provider:
    """The row of :data:`PROVIDERS`.

    Raises:
        ProviderError: there is none.
    """
    if name not in PROVIDERS:
        raise ProviderError(f"unknown provider {name!r}; known: {', '.join(PROVIDERS)}")
    return PROVIDERS[name]


def cache_option(row: Provider) -> str | None:
    """Option that names the folder for what the provider compiled; None where keeping it is of no use here.

    The wheel onnxruntime-openvino takes longer to open what it kept than to compile anew (measured with 1.24.1:
    docs/runtime-speed.md), for it reads and serializes the whole graph in both cases. With the plugin
    keeping it pays.
    """
    if row.cache_option is None or row.uncached_wheel in installed_wheels():
        return None
    return row.cache_option


def installed_wheels() -> dict[str, str]:
    """Installed wheels that provide the module ``onnxruntime``, with their versions."""
    found = installed_with_prefix("onnxruntime")
    return {name: found[name] for name in ONNXRUNTIME_WHEELS if name in found}


def check_one_wheel(wheels: Mapping[str, str] | None = None) -> None:
    """Make sure that exactly one onnxruntime wheel is installed; plugins beside it do not count.

    Raises:
        MissingPackageError: none or several are; the message holds the commands that mend it.
    """
    found = installed_wheels() if wheels is None else wheels
    if not found:
        raise MissingPackageError(
            "onnxruntime is not installed; run `pip install 'mtl-export[cpu]'` (or [gpu] for CUDA)"
        )
    if len(found) > 1:
        names = " ".join(found)
        raise MissingPackageError(
            f"{' and '.join(found)} are both installed and overwrite each other's files; "
            f"run `pip uninstall -y {names}` and then `pip install 'mtl-export[cpu]'` (or [gpu])"
        )
