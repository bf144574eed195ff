"""The table of execution providers, and the check that exactly one onnxruntime wheel is installed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mtl_runtime.core.installed_packages import installed_with_prefix
from mtl_runtime.core.user_cache import cache_folder
from mtl_runtime.errors import MissingPackageError, ProviderError

__all__ = [
    "BATCH_OVERHEAD",
    "ONNXRUNTIME_PLUGINS",
    "ONNXRUNTIME_WHEELS",
    "PROVIDERS",
    "Provider",
    "cache_option",
    "check_one_wheel",
    "get_provider",
    "installed_wheels",
    "is_installed",
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
# Wheels that add a provider to one of those above and share no file with it.
ONNXRUNTIME_PLUGINS = ("onnxruntime-ep-openvino",)

# What a batch costs besides its tokens, in tokens: chosen on one processor, for a MiniLM of 6 layers. Half or twice as
# much hardly changes how batches are cut.
BATCH_OVERHEAD = 16

Options = Mapping[str, str]
Encode = Callable[[Options, int, int], dict[str, str]]


def _encode_unchanged(options: Options, threads: int, runs: int) -> dict[str, str]:  # noqa: ARG001
    return dict(options)


def _encode_for_openvino(options: Options, threads: int, runs: int) -> dict[str, str]:
    """OpenVINO has its own threads, divided among its streams, and takes the properties of a device as JSON."""
    shared = {"INFERENCE_NUM_THREADS": str(threads * runs), "NUM_STREAMS": str(runs)}
    return {"load_config": json.dumps({"CPU": {**options, **shared}})}


def _encode_for_tensorrt(options: Options, threads: int, runs: int) -> dict[str, str]:  # noqa: ARG001
    """Engines take minutes to build, and onnxruntime would cache them in the folder where the process was started."""
    cache = cache_folder()
    return {"trt_engine_cache_path": str(cache / "tensorrt"), **options} if cache else dict(options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One execution provider that a variant may name."""

    ort_name: str
    extra: str  # of mtl-export
    wheel: str  # the one that contains it
    plugin: str | None = None  # module of a wheel next to onnxruntime's, which knows the library to register
    # Its library in the wheel; it needs CUDA, and without CUDA onnxruntime would continue without the provider.
    cuda_library: str | None = None
    defaults: Options = field(default_factory=dict)  # unless the variant sets them
    encode: Encode = _encode_unchanged  # options, threads of a run, runs at once -> what onnxruntime gets
    # They run the nodes that this one does not support; the CPU always comes last.
    fallback_providers: tuple[str, ...] = ()
    disabled_optimizers: tuple[str, ...] = ()  # rewrites of onnxruntime that make graphs slower there
    compiles: bool = False  # its part of the graph becomes one node that cannot be written to a file
    cache_option: str | None = None  # names the folder for what it compiles
    uncached_wheel: str | None = None  # has the provider built in, and gains nothing by a cache
    is_everywhere: bool = False  # in every wheel of onnxruntime
    is_device: bool = False  # it computes on a device of its own instead of the CPU's cores
    max_batch_tokens: int = 512  # default limit of padded tokens in a batch, without measurements
    batch_overhead: int = BATCH_OVERHEAD  # what a batch costs besides its tokens, in tokens
    max_batch_size: int | None = None  # texts in a batch, if what it compiles takes no more


# fp32 means fp32: TF32 and bf16, which OpenVINO prefers, round to 10 and 7 bits, and would look like a broken export.
PROVIDERS: Mapping[str, Provider] = {
    "cpu": Provider(
        ort_name="CPUExecutionProvider",
        extra="cpu",
        wheel="onnxruntime",
        # A fused node for addition and normalization is slower here than the two nodes: docs/quantization.md.
        disabled_optimizers=("SkipLayerNormFusion",),
        is_everywhere=True,
    ),
    "openvino": Provider(
        ort_name="OpenVINOExecutionProvider",
        extra="openvino",
        wheel="onnxruntime-ep-openvino",
        plugin="onnxruntime_ep_openvino",
        defaults={"INFERENCE_PRECISION_HINT": "f32"},
        encode=_encode_for_openvino,
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
        batch_overhead=4096,  # not measured: large enough to fill a batch before another begins
    ),
    "tensorrt": Provider(
        ort_name="TensorrtExecutionProvider",
        extra="gpu",
        wheel="onnxruntime-gpu",
        cuda_library="onnxruntime_providers_tensorrt",
        encode=_encode_for_tensorrt,
        fallback_providers=("cuda",),
        compiles=True,
        is_device=True,
        max_batch_tokens=16384,
        batch_overhead=4096,  # not measured: large enough to fill a batch before another begins
        max_batch_size=64,
    ),
}


def get_provider(name: str) -> Provider:
    """Return the row of :data:`PROVIDERS`.

    Raises:
        ProviderError: there is no such provider.
    """
    if name not in PROVIDERS:
        raise ProviderError(f"unknown provider {name!r}; known: {', '.join(PROVIDERS)}")
    return PROVIDERS[name]


def cache_option(row: Provider) -> str | None:
    """Name the option for the folder of compiled graphs; None if a cache gains nothing here.

    The wheel onnxruntime-openvino takes longer to open a cached graph than to compile it again (measured with 1.24.1:
    docs/runtime-speed.md), because it reads and serializes the whole graph in both cases. With the plugin the cache
    pays.
    """
    if row.cache_option is None or row.uncached_wheel in installed_wheels():
        return None
    return row.cache_option


def installed_wheels() -> dict[str, str]:
    """Find the installed wheels that contain the module ``onnxruntime``, with their versions."""
    versions = installed_with_prefix("onnxruntime")
    return {name: versions[name] for name in ONNXRUNTIME_WHEELS if name in versions}


def is_installed(provider: str) -> bool:
    """Whether there is such a provider, and a wheel that contains it is installed; nothing is imported for that."""
    row = PROVIDERS.get(provider)
    if row is None or row.is_everywhere:
        return row is not None
    return not {row.wheel, row.uncached_wheel}.isdisjoint(installed_with_prefix("onnxruntime"))


def check_one_wheel(wheels: Mapping[str, str] | None = None) -> None:
    """Check that exactly one onnxruntime wheel is installed, not counting plugins.

    Raises:
        MissingPackageError: none or several are; the message holds the commands that fix it.
    """
    installed = installed_wheels() if wheels is None else wheels
    if not installed:
        raise MissingPackageError(
            "onnxruntime is not installed; run `pip install 'mtl-export[cpu]'` (or [gpu] for CUDA)"
        )
    if len(installed) > 1:
        names = " ".join(installed)
        raise MissingPackageError(
            f"{' and '.join(installed)} are both installed and overwrite each other's files; "
            f"run `pip uninstall -y {names}` and then `pip install 'mtl-export[cpu]'` (or [gpu])"
        )
