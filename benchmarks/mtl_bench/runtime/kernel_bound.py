"""sentences -> KernelBound: the pipeline, text in and answers out, against its own batches in session.run alone."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from mtl_bench.runtime.bench import Bench
from mtl_bench.runtime.child import Prepared
from mtl_bench.runtime.children import child
from mtl_bench.runtime.results import KernelBound, Line, circumstances
from mtl_bench.runtime.rounds import interleaved, ratios
from mtl_runtime import Classifier, load
from mtl_runtime.batch import Batch
from mtl_runtime.chunks import Chunk
from mtl_runtime.classifier import CHUNK_TEXTS
from mtl_runtime.longtext import windows_of
from mtl_runtime.manifest import logits_output
from mtl_runtime.scheduler import plan_batches

__all__ = ["WANTED", "batches_of", "kernel_bound", "prepare"]

WANTED = 0.90
_SIDES = ("pipeline", "kernel")


def kernel_bound(bench: Bench) -> KernelBound:
    """Time both in each round, in one process and on the same session."""
    now = circumstances(bench.sentences)
    bench.report("preparing batches")
    with child(f"{__name__}:prepare", bundle=str(bench.bundle.path), texts=bench.sentences.texts) as process:
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
        token_budget=process.facts["token_budget"],
        pipeline=tuple(seconds["pipeline"]),
        kernel=tuple(seconds["kernel"]),
    )


def prepare(*, bundle: str, texts: Sequence[str]) -> Prepared:
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
        "token_budget": classifier.token_budget,
    }
    return Prepared({"pipeline": pipeline, "kernel": kernel}, facts)


def batches_of(classifier: Classifier, texts: Sequence[str]) -> list[Batch]:
    """The batches that a call with ``texts`` runs, in its order."""
    chunk, _ = Chunk.distinct(texts)
    batches = []
    for some in chunk.cut(CHUNK_TEXTS):
        windows, _ = windows_of(classifier.tokenize(some.texts))
        plan = plan_batches([len(text) for text in windows], token_budget=classifier.token_budget)
        pad_id = classifier.manifest.encoder.pad_id
        batches += [Batch.of([windows[index] for index in indices], pad_id=pad_id) for indices in plan]
    return batches
