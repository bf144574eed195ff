"""bundle + its separate graphs + texts -> Worker: plain onnxruntime answers them in batches of 32."""

from collections.abc import Sequence

from mtl_bench.systems.separate_graphs import BATCH_SIZE, open
from mtl_bench.worker.serve import Worker

__all__ = ["prepare"]


def prepare(*, bundle: str, graphs: dict[str, str], texts: Sequence[str]) -> Worker:
    """The system that :func:`mtl_bench.systems.separate_graphs.open` gives, asked for all texts."""
    system = open(bundle=bundle, graphs=graphs)
    return Worker(
        {"answer": lambda: system.answer(texts, BATCH_SIZE)}, {"batches": f"{BATCH_SIZE} texts in arrival order"}
    )
