"""sentences -> Tasks: what seven further tasks cost, on bundles that share everything but the number of heads."""

from collections.abc import Sequence

import numpy as np

from mtl_bench.children import child
from mtl_bench.driven.child import Prepared
from mtl_bench.rounds import interleaved, ratios
from mtl_bench.runtime.bench import Bench
from mtl_bench.runtime.results import Line, Tasks, circumstances
from mtl_runtime import Classifier, load
from mtl_runtime.sampling import spread

__all__ = ["MANY", "WANTED", "prepare", "tasks"]

WANTED = 1.05
MANY = 8
ONE, ALL, ONE_OF_MANY = "1 task", f"{MANY} tasks", f"1 of {MANY} tasks"
# For int8's ranges, and for the gate of bundles whose answers nobody uses.
_EXPORT_TEXTS = 128


def tasks(bench: Bench) -> Tasks:
    """Export both bundles in the precision that ``load`` takes of the real one, and time both at its pace."""
    from mtl_bench.runtime.copied_heads import bundle_with, shares

    now = circumstances(bench.sentences)
    classifier = load(bench.bundle.path)
    texts = bench.sentences.texts
    one, many = (
        bundle_with(
            count,
            bench.checkpoint,
            bench.folder,
            variant=classifier.info.variant,
            texts=spread(texts, _EXPORT_TEXTS),
            report=bench.report,
        )
        for count in (1, MANY)
    )
    length = round(float(np.mean([len(text) for text in classifier.tokenize(texts)])))
    share = shares(bench.checkpoint, MANY, length)
    seconds, agreement = _timed(bench, classifier, str(one), str(many))
    cost = ratios(seconds[ALL], seconds[ONE])
    return Tasks(
        circumstances=now,
        lines=(Line.of(f"time of {MANY} tasks, times that of one", "times", cost, at_most=WANTED),),
        variant=classifier.info.variant,
        heads=f"copies of the checkpoint's first, {classifier.tasks[0]}",
        seconds={name: tuple(values) for name, values in seconds.items()},
        parameters=share.parameters,
        flops=share.flops,
        agreement=agreement,
    )


def _timed(bench: Bench, classifier: Classifier, one: str, many: str) -> tuple[dict[str, list[float]], float]:
    info = classifier.info
    with child(
        f"{__name__}:prepare",
        one=one,
        many=many,
        texts=bench.sentences.texts,
        variant=info.variant,
        workers=info.workers,
        threads=info.cores,
        token_budget=info.token_budget,
    ) as process:
        runs = {name: (lambda name=name: process.run(name).seconds) for name in (ONE, ALL, ONE_OF_MANY)}
        interleaved(runs, rounds=1)
        return interleaved(runs, rounds=bench.rounds, report=bench.report), process.facts["agreement"]


def prepare(
    *, one: str, many: str, texts: Sequence[str], variant: str, workers: int, threads: int, token_budget: int
) -> Prepared:
    """In the child: both classifiers, and the share of texts that all tasks answer alike, being copies."""
    alone, together = (
        load(bundle, variant=variant, workers=workers, threads=threads, token_budget=token_budget)
        for bundle in (one, many)
    )

    def answer(classifier: Classifier, asked: Sequence[str] | None = None) -> None:
        classifier(texts, tasks=asked)

    runs = {
        ONE: lambda: answer(alone),
        ALL: lambda: answer(together),
        ONE_OF_MANY: lambda: answer(together, together.tasks[:1]),
    }
    pairs = zip(alone(texts), together(texts), strict=True)
    alike = [{b[task].label for task in b} == {a[alone.tasks[0]].label} for a, b in pairs]
    return Prepared(runs, {"agreement": float(np.mean(alike))})
