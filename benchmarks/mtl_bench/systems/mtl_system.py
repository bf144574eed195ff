"""bundle -> SystemDriver: this project's classifier, as ``load`` opens it."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mtl_bench.systems.batches import batches_of
from mtl_bench.worker.system import Labels, SystemDriver
from mtl_runtime import Classifier, load
from mtl_runtime.bundle.manifest import logits_output
from mtl_runtime.providers.execution_config import OptimizeFor, candidate_batch_tokens

__all__ = ["open"]


def open(
    *,
    bundle: str,
    variant: str | None = None,
    optimize_for: OptimizeFor = "throughput",
    workers: int | None = None,
    threads: int | None = None,
) -> SystemDriver:
    """Open a variant; the arguments are those of :func:`mtl_runtime.load`, and the batch size is swept.

    Raises:
        MtlError: as ``load``.
    """
    classifier = load(bundle, variant=variant, optimize_for=optimize_for, workers=workers, threads=threads)
    by_size = {classifier.info.max_batch_tokens: classifier}

    def with_size(size: int | None) -> Classifier:
        tokens = size or classifier.info.max_batch_tokens
        if tokens not in by_size:
            by_size[tokens] = classifier.with_settings(max_batch_tokens=tokens)
        return by_size[tokens]

    def answer(texts: Sequence[str], size: int | None) -> Labels:
        predictions = [classifier(texts[0])] if len(texts) == 1 else with_size(size)(texts)
        return {task: [prediction[task].value for prediction in predictions] for task in classifier.tasks}

    info = classifier.info
    return SystemDriver(
        answer=answer,
        unit="tokens",
        sizes=sorted({info.max_batch_tokens, *candidate_batch_tokens(info.provider)}),
        usual=info.max_batch_tokens,  # the fastest in the gate's measurement
        facts={
            "variant": info.variant,
            "provider": info.provider,
            "onnxruntime": info.onnxruntime,
            "optimized for": optimize_for,
            "workers x threads": f"{info.workers} x {info.threads}",
        },
        concurrency=info.workers,
        kernel=lambda texts, size: _kernel(with_size(size), texts),
    )


def _kernel(classifier: Classifier, texts: Sequence[str]) -> Callable[[], Any]:
    """The batches that a call with ``texts`` runs, in the session alone, by as many threads as the classifier has."""
    outputs = [logits_output(task) for task in classifier.tasks]
    batches = batches_of(classifier, texts)
    pool = ThreadPoolExecutor(classifier.info.workers)
    return lambda: list(pool.map(lambda batch: classifier.run_batch(batch, outputs), batches))
