"""name of a variant -> Recipe: graph, provider and options; or why there is no such variant."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import onnx_ir as ir

from mtl_export.graphs.graph_builder import GraphBuilder
from mtl_export.graphs.half_precision import convert_encoder, fp16_overflow_nodes
from mtl_export.graphs.int8.qdq import insert_qdq
from mtl_export.graphs.int8.quantize_attention import INT8_ATTENTION, PROJECTIONS, fuse_qattention
from mtl_export.graphs.int8.quantize_matmuls import INT8_OPERATOR, quantize_embeddings, quantize_matmuls
from mtl_export.graphs.int8.smoothquant import SEARCH_WORK
from mtl_export.variant_names import check_variant_names
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.providers.registry import get_provider
from mtl_runtime.providers.session import provider_problem

__all__ = ["PORTABLE_GRAPH", "RECIPES", "AutoVariants", "Recipe", "auto_variants", "resolve_recipes"]

PORTABLE_GRAPH = "model.onnx"

# (what graphs are made of, names of nodes that stay in fp32) -> graph
Build = Callable[[GraphBuilder, frozenset[str]], ir.Model]
Options = Callable[[GraphBuilder], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one variant is made."""

    provider: str
    graph: str = PORTABLE_GRAPH
    build: Build | None = None  # None: the portable graph as it is
    base: Callable[[GraphBuilder], ir.Model] = lambda graphs: graphs.portable  # what build starts from
    options: Options = lambda _: {}
    build_work: float = 500.0  # in sentences that cpu-fp32 answers (mtl_runtime.core.work)
    search_work: float = 0.0  # in the same, of a search that is a stage of its own
    repairable: bool = False  # MatMuls of the base can go back to fp32 one by one
    sums_fit_16_bits: bool = False  # as in the manifest
    # The provider has to run these for all MatMuls, and each stands for so many; others would be slow.
    operators: Mapping[str, int] = field(default_factory=dict)
    emulated_on: str | None = None  # a provider that runs the graph with other arithmetic, where its own is absent

    @property
    def can_be_compared_here(self) -> bool:
        """Whether this machine can say if the variant gives PyTorch's answers: by its own provider, or imitated."""
        return self.emulated_on is not None or provider_problem(self.provider) is None

    @property
    def loads_on_cpu(self) -> bool:
        """Whether the CPU provider can at least open the graph."""
        return "cpu" in (self.provider, self.emulated_on)


def _fused_base(graphs: GraphBuilder) -> ir.Model:
    return graphs.fused


def _int8(graphs: GraphBuilder, excluded: frozenset[str], *, bits: int = 8) -> ir.Model:
    matmuls = quantize_matmuls(*graphs.fused_for_int8, bits=bits, excluded=excluded)
    return quantize_embeddings(fuse_qattention(matmuls))


def _qdq(graphs: GraphBuilder, excluded: frozenset[str]) -> ir.Model:
    return insert_qdq(*graphs.portable_for_int8, excluded=excluded)


def _fused(graphs: GraphBuilder, _excluded: frozenset[str]) -> ir.Model:
    return graphs.fused


def _fp16(graphs: GraphBuilder, excluded: frozenset[str]) -> ir.Model:
    excluded |= set(fp16_overflow_nodes(graphs.fused, graphs.value_ranges))
    return convert_encoder(graphs.fused, ir.DataType.FLOAT16, excluded=excluded)


def _bf16(graphs: GraphBuilder, excluded: frozenset[str]) -> ir.Model:
    return convert_encoder(graphs.fused, ir.DataType.BFLOAT16, excluded=excluded)


def _tensorrt(graphs: GraphBuilder) -> Mapping[str, str]:
    """Engines for one token alone up to a full batch of the longest texts, tuned for 16 of 32 tokens.

    A shape outside of that is an error, so the runtime keeps its batches within.
    """
    spec = graphs.model.spec.encoder
    shapes = {
        "min": (1, 1),
        "opt": (16, min(32, spec.max_length)),
        "max": (get_provider("tensorrt").max_batch_size, spec.max_length),
    }
    profiles = {
        f"trt_profile_{name}_shapes": ",".join(f"{value}:{rows}x{tokens}" for value in graphs.model.inputs)
        for name, (rows, tokens) in shapes.items()
    }
    return {"trt_fp16_enable": "1", "trt_engine_cache_enable": "1", **profiles}


RECIPES: Mapping[str, Recipe] = {  # of all VARIANTS
    DEFAULT_VARIANT: Recipe(provider="cpu"),
    "cpu-int8": Recipe(
        provider="cpu",
        graph="model.cpu-int8.onnx",
        build=_int8,
        build_work=1700.0,
        search_work=SEARCH_WORK,
        base=_fused_base,
        repairable=True,
        operators={INT8_OPERATOR: 1, INT8_ATTENTION: PROJECTIONS},
    ),
    "cpu-avx2-int8": Recipe(
        provider="cpu",
        graph="model.cpu-avx2-int8.onnx",
        build=partial(_int8, bits=7),
        search_work=SEARCH_WORK,
        base=_fused_base,
        repairable=True,
        sums_fit_16_bits=True,
        operators={INT8_OPERATOR: 1, INT8_ATTENTION: PROJECTIONS},
    ),
    "openvino-fp32": Recipe(provider="openvino", options=lambda _: {"INFERENCE_PRECISION_HINT": "f32"}),
    "openvino-bf16": Recipe(provider="openvino", options=lambda _: {"INFERENCE_PRECISION_HINT": "bf16"}),
    "openvino-int8": Recipe(
        provider="openvino",
        graph="model.qdq-int8.onnx",
        build=_qdq,
        build_work=1700.0,
        search_work=SEARCH_WORK,
        repairable=True,
        emulated_on="cpu",
    ),
    "cuda-fp32": Recipe(provider="cuda", graph="model.fused.onnx", build=_fused, emulated_on="cpu"),
    "cuda-fp16": Recipe(provider="cuda", graph="model.cuda-fp16.onnx", build=_fp16, emulated_on="cpu"),
    "cuda-bf16": Recipe(provider="cuda", graph="model.cuda-bf16.onnx", build=_bf16),
    "tensorrt-fp16": Recipe(provider="tensorrt", options=_tensorrt),
}

_AUTO = (DEFAULT_VARIANT, "cpu-int8", "cpu-avx2-int8", "openvino-bf16", "cuda-fp16")
_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}


def resolve_recipes(names: Sequence[str]) -> dict[str, Recipe]:
    """The recipes of ``names``, cpu-fp32 first: every bundle has it, as what the others are compared with.

    Raises:
        ConfigError: as :func:`mtl_export.variant_names.check_variant_names`.
    """
    check_variant_names(names)
    return {name: RECIPES[name] for name in dict.fromkeys((DEFAULT_VARIANT, *names))}


@dataclass(frozen=True, slots=True)
class AutoVariants:
    """What "auto" stands for on one machine."""

    names: tuple[str, ...]
    left_out: Mapping[str, str]  # name of a variant that another machine would get -> why this one does not


def auto_variants() -> AutoVariants:
    """What this machine and its likely targets need: a bundle for GPUs is twice as large, so it takes one to get it."""
    machine = machine_facts()
    left_out = {}
    if provider_problem("openvino"):
        left_out["openvino-bf16"] = "OpenVINO's provider cannot run here"
    elif not _BF16_FLAGS & set(machine.cpu_flags):
        left_out["openvino-bf16"] = "this processor has no bf16 units"
    if not machine.gpus and provider_problem("cuda"):
        left_out["cuda-fp16"] = "there is no NVIDIA GPU here"
    return AutoVariants(tuple(name for name in _AUTO if name not in left_out), left_out)
