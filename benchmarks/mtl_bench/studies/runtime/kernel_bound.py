"""sentences -> KernelBoundMeasurement: the pipeline, text to answers, against its own batches in session.run alone."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from mtl_bench.processes.interleave import round_ratios, run_interleaved
from mtl_bench.processes.worker_process import start_worker
from mtl_bench.studies.runtime.context import StudyContext
from mtl_bench.studies.runtime.results import KernelBoundMeasurement, TargetCheck, current_circumstances
from mtl_bench.systems.batches import batches_of
from mtl_bench.worker.serve import Worker
from mtl_runtime import load
from mtl_runtime.bundle.manifest import logits_output

__all__ = ["TARGET", "measure_kernel_bound", "prepare"]

TARGET = 0.90

_log = logging.getLogger(__name__)
_SIDES = ("pipeline", "kernel")


def measure_kernel_bound(context: StudyContext) -> KernelBoundMeasurement:
    """Time both in each round, in one process and on the same session."""
    circumstances = current_circumstances(context.sentences)
    _log.info("kernel bound: preparing batches")
    bundle, texts = str(context.bundle.path), context.sentences.texts
    with start_worker(f"{__name__}:prepare", bundle=bundle, texts=texts) as process:
        for side in _SIDES:
            process.run(side)
        runs = {side: (lambda side=side: process.run(side).seconds) for side in _SIDES}
        seconds = run_interleaved(runs, rounds=context.effort.rounds, stage="kernel bound")
    share = round_ratios(seconds["kernel"], seconds["pipeline"])
    return KernelBoundMeasurement(
        circumstances=circumstances,
        checks=(TargetCheck.of("pipeline, share of its kernel bound", "share", share, at_least=TARGET),),
        variant=process.facts["variant"],
        workers=process.facts["workers"],
        batches=process.facts["batches"],
        max_batch_tokens=process.facts["max_batch_tokens"],
        pipeline=tuple(seconds["pipeline"]),
        kernel=tuple(seconds["kernel"]),
    )


def prepare(*, bundle: str, texts: Sequence[str]) -> Worker:
    """In the worker process: the classifier that ``load`` gives, and the batches that it would make of ``texts``."""
    classifier = load(bundle)
    batches = batches_of(classifier, texts)
    outputs = [logits_output(task) for task in classifier.tasks]
    # As many threads as the classifier has; started here, so that their start is not timed.
    pool = ThreadPoolExecutor(classifier.info.workers)

    def pipeline() -> None:
        classifier(texts)

    def kernel() -> None:
        for _ in pool.map(lambda batch: classifier.run_batch(batch, outputs), batches):
            pass

    facts = {
        "variant": classifier.info.variant,
        "workers": classifier.info.workers,
        "batches": len(batches),
        "max_batch_tokens": classifier.info.max_batch_tokens,
    }
    return Worker({"pipeline": pipeline, "kernel": kernel}, facts)
