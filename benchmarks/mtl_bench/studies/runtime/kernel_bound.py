"""sentences -> KernelBound: the pipeline, text in and answers out, against its own batches in session.run alone."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from mtl_bench.processes.interleave import interleaved, ratios
from mtl_bench.processes.worker_process import start_worker
from mtl_bench.studies.runtime.bench import Bench
from mtl_bench.studies.runtime.results import KernelBound, Line, circumstances
from mtl_bench.systems.batches import batches_of
from mtl_bench.worker.child import Worker
from mtl_runtime import load
from mtl_runtime.bundle.manifest import logits_output

__all__ = ["WANTED", "kernel_bound", "prepare"]

WANTED = 0.90
_SIDES = ("pipeline", "kernel")


def kernel_bound(bench: Bench) -> KernelBound:
    """Time both in each round, in one process and on the same session."""
    now = circumstances(bench.sentences)
    bench.report("preparing batches")
    with start_worker(f"{__name__}:prepare", bundle=str(bench.bundle.path), texts=bench.sentences.texts) as process:
        for side in _SIDES:
            process.run(side)
        runs = {side: (lambda side=side: process.run(side).seconds) for side in _SIDES}
        seconds = interleaved(runs, rounds=bench.rounds, report=bench.report)
    share = ratios(seconds["kernel"], seconds["pipeline"])
    return KernelBound(
        circumstances=now,
        lines=(Line.of("pipeline, share of its kernel bound", "share", share, at_least=WANTED),),
        variant=process.facts["variant"],
        workers=process.facts["workers"],
        batches=process.facts["batches"],
        max_batch_tokens=process.facts["max_batch_tokens"],
        pipeline=tuple(seconds["pipeline"]),
        kernel=tuple(seconds["kernel"]),
    )


def prepare(*, bundle: str, texts: Sequence[str]) -> Worker:
    """In the child: the classifier that ``load`` gives, and the batches that it would make of ``texts``."""
    classifier = load(bundle)
    batches = batches_of(classifier, texts)
    outputs = [logits_output(task) for task in classifier.tasks]
    # As many threads as the classifier has; started here, so that their start is not timed.
    pool = ThreadPoolExecutor(classifier.info.workers)

    def pipeline() -> None:
        classifier(texts)

    def kernel() -> None:
        for _ in pool.map(lambda batch: classifier.run(batch, outputs), batches):
            pass

    facts = {
        "variant": classifier.info.variant,
        "workers": classifier.info.workers,
        "batches": len(batches),
        "max_batch_tokens": classifier.max_batch_tokens,
    }
    return Worker({"pipeline": pipeline, "kernel": kernel}, facts)
