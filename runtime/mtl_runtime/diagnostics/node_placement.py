"""variant of a bundle -> the nodes that onnxruntime really runs and their providers, according to its profile."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import VariantSpec
from mtl_runtime.loading.load import open_tokenizer
from mtl_runtime.providers.registry import PROVIDERS
from mtl_runtime.providers.session import profile
from mtl_runtime.providers.variant_session import verified_graph_path
from mtl_runtime.text.batch import Batch

__all__ = [
    "RunningNode",
    "count_operators",
    "count_providers",
    "describe_placement",
    "profile_nodes",
    "read_profile",
    "running_nodes",
]

_REPORTED_OPERATORS = (
    "MultiHeadAttention",
    "QAttention",
    "Attention",
    "SkipLayerNormalization",
    "LayerNormalization",
    "BiasGelu",
    "MatMulIntegerToFloat",
    "QuantizeLinear",
    "DynamicQuantizeMatMul",
    "MatMulNBits",
    "MatMul",
    "FusedMatMul",
)


@dataclass(frozen=True, slots=True)
class RunningNode:
    """A node of the graph that onnxruntime really runs, after its optimizations."""

    name: str
    operator: str
    provider: str  # onnxruntime's name


def running_nodes(bundle: Bundle, variant: str, *, text: str) -> list[RunningNode]:
    """Run the graph of ``variant`` on ``text`` and list its nodes; a part that a provider compiles is one node.

    Raises:
        IntegrityError, MissingPackageError, ProviderError, BundleError: as :func:`mtl_runtime.load`.
        OSError: there is no folder for temporary files, to which onnxruntime could write its profile.
    """
    spec = bundle.manifest.variants[variant]
    batch = Batch.of(open_tokenizer(bundle).encode([text]), pad_id=bundle.manifest.encoder.pad_id)
    graph = verified_graph_path(bundle, spec.graph)
    return profile_nodes(graph, batch, spec)


def profile_nodes(graph: Path, batch: Batch, spec: VariantSpec) -> list[RunningNode]:
    """Run the file ``graph`` on one batch as ``spec`` says, and list its nodes.

    Raises:
        MissingPackageError, ProviderError, BundleError: as :func:`mtl_runtime.load`.
    """
    with tempfile.TemporaryDirectory(prefix="mtl-profile-") as folder:
        file = profile(
            graph,
            batch,
            Path(folder),
            provider=spec.provider,
            provider_options=spec.provider_options,
            sums_fit_16_bits=spec.sums_fit_16_bits,
        )
        return read_profile(file)


def read_profile(file: Path) -> list[RunningNode]:
    """Read the distinct nodes in a profile that onnxruntime wrote."""
    events = json.loads(file.read_text("utf-8"))
    kernels = {
        (event["args"].get("node_index"), event["name"]): RunningNode(
            event["name"], event["args"].get("op_name", ""), event["args"]["provider"]
        )
        for event in events
        if event.get("cat") == "Node" and "provider" in event.get("args", {})
    }
    return list(kernels.values())


def count_providers(nodes: Iterable[RunningNode]) -> dict[str, int]:
    """Count the nodes that ran on each provider (onnxruntime's names), the largest count first."""
    return dict(Counter(node.provider for node in nodes).most_common())


def count_operators(nodes: Iterable[RunningNode]) -> dict[str, int]:
    """Count the nodes of the operators that show whether fusion and quantization took place."""
    counts = Counter(node.operator for node in nodes)
    return {name: counts[name] for name in _REPORTED_OPERATORS if counts[name]}


def describe_placement(provider: str, nodes: Mapping[str, int]) -> str:
    """Describe the counts in a sentence for ``provider`` (a name of PROVIDERS), the one that was requested."""
    row = PROVIDERS[provider]
    own = nodes.get(row.ort_name, 0)
    sentence = f"{_plural(own)} on {row.ort_name}"
    if row.compiles and own:
        sentence += " (one such node is a whole part of the graph, compiled)"
    fallbacks = [f"{_plural(count)} fell back to {name}" for name, count in nodes.items() if name != row.ort_name]
    return "; ".join([sentence, *fallbacks])


def _plural(count: int) -> str:
    return f"{count} node" if count == 1 else f"{count} nodes"
