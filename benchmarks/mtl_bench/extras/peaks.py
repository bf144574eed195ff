"""provider and precision -> a Worker that runs the machine's fastest matrix product, over and over."""

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np

from mtl_bench.extras.matmul_graph import OUTPUT, TABLE_ROWS, ProductShape, product_graph
from mtl_bench.worker.serve import Worker
from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.providers.execution_config import worker_layouts
from mtl_runtime.providers.registry import get_provider
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch

__all__ = ["PEAK_STYLES", "PRODUCTS", "PeakStyle", "peak_name", "prepare"]

PRODUCTS = "products"
_TRIAL_SECONDS, _ROUND_SECONDS = 0.1, 0.5
# Batches of 256 to 4096 tokens, and the products of small, base and large encoders.
_SHAPES = tuple(
    ProductShape(rows=rows, inner=inner, columns=columns)
    for rows, inner, columns in (
        (256, 384, 1536),
        (512, 768, 768),
        (1024, 768, 3072),
        (1024, 3072, 768),
        (2048, 1024, 1024),
        (4096, 1024, 4096),
    )
)
# The largest takes a processor seconds, and a device needs it to show what it can do.
_DEVICE_SHAPES = (*_SHAPES[2:], ProductShape(rows=4096, inner=4096, columns=4096))
_PRODUCTS_ON_A_DEVICE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakStyle:
    """How a provider is made to compute in a precision: as the exporter's variants do it."""

    style: str  # of mtl_bench.extras.matmul_graph.STYLES
    options: Mapping[str, str] = field(default_factory=dict)
    sums_fit_16_bits: bool = False  # of the weights; where they do not, some processors take slower kernels


# By the name of a variant, with spaces.
PEAK_STYLES: Mapping[str, PeakStyle] = {
    "cpu fp32": PeakStyle(style="float32"),
    "cpu int8": PeakStyle(style="integers"),
    "cpu avx2 int8": PeakStyle(style="integers", sums_fit_16_bits=True),
    "openvino fp32": PeakStyle(style="float32", options={"INFERENCE_PRECISION_HINT": "f32"}),
    "openvino bf16": PeakStyle(style="float32", options={"INFERENCE_PRECISION_HINT": "bf16"}),
    "openvino int8": PeakStyle(style="qdq"),
    "cuda fp32": PeakStyle(style="float32"),
    "cuda fp16": PeakStyle(style="float16"),
    "cuda bf16": PeakStyle(style="bfloat16"),
    "tensorrt fp16": PeakStyle(style="float32", options={"trt_fp16_enable": "1"}),
}


def peak_name(variant: str) -> str:
    """Name of the row in :data:`PEAK_STYLES`, and in a results file."""
    return variant.replace("-", " ")


def prepare(*, name: str, folder: str) -> Worker:
    """In the worker process: the fastest of several shapes and layouts of the allowed cores, ready to run again.

    All of the session's workers compute the same product at the same time, as a classifier's do. The facts are the
    shape, the layout, and the operations of a run.

    Args:
        name: of :data:`PEAK_STYLES`.
        folder: for temporary graphs.

    Raises:
        ProviderError: the provider is not available here; the message says how to change that.
    """
    highest, best = 0.0, None
    for candidate in _candidates(name, Path(folder)):
        flops = candidate.flops_per_second()
        if best is None or flops > highest:
            highest, best = flops, candidate
    assert best is not None  # noqa: S101 - there are always candidates
    repeats = math.ceil(_ROUND_SECONDS * highest / best.flops)
    facts = {
        "shape": (best.shape.rows, best.shape.inner, best.shape.columns),
        "workers": best.workers,
        "threads": best.threads,
        "flops": repeats * best.flops,
    }
    return Worker({PRODUCTS: partial(best.run, repeats)}, facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A product, ready to run in one layout."""

    session: Session
    shape: ProductShape
    products: int  # of a run of the session
    workers: int
    threads: int
    pool: ThreadPoolExecutor

    @property
    def flops(self) -> int:
        """Of one repetition."""
        return self.workers * self.products * self.shape.flops

    def run(self, repeats: int) -> None:
        """Let every worker run its product so many times."""
        ids = np.arange(self.shape.rows, dtype=np.int64)[None] % TABLE_ROWS
        batch = Batch(ids, ids, ids)  # the graph takes the token ids alone

        def work(_: int) -> None:
            for _ in range(repeats):
                self.session.run(batch, [OUTPUT])

        list(self.pool.map(work, range(self.workers)))

    def flops_per_second(self) -> float:
        """Operations per second of the fastest repetition, without the first one."""
        self.run(1)
        moments = [perf_counter()]
        while moments[-1] - moments[0] < _TRIAL_SECONDS:
            self.run(1)
            moments.append(perf_counter())
        return self.flops / min(later - earlier for earlier, later in pairwise(moments))


def _candidates(name: str, folder: Path) -> Iterator[_Candidate]:
    style, provider = PEAK_STYLES[name], name.partition(" ")[0]
    is_device = get_provider(provider).is_device
    products = _PRODUCTS_ON_A_DEVICE if is_device else 1
    for shape in _DEVICE_SHAPES if is_device else _SHAPES:
        graph = folder / f"{name}-{shape.rows}x{shape.inner}x{shape.columns}.onnx".replace(" ", "-")
        graph.write_bytes(product_graph(style.style, shape, products=products).SerializeToString())
        for workers, threads in worker_layouts(provider, threads=allowed_cores()):
            session = Session.open(
                graph,
                provider=provider,
                provider_options=style.options,
                threads=threads,
                runs=workers,
                sums_fit_16_bits=style.sums_fit_16_bits,
            )
            yield _Candidate(
                session=session,
                shape=shape,
                products=products,
                workers=workers,
                threads=threads,
                pool=ThreadPoolExecutor(workers),
            )
        graph.unlink()
