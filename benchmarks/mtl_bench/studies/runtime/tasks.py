"""sentences -> Tasks: what seven further tasks cost, on bundles that share everything but the number of heads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtl_bench.extras.flops import flops_of
from mtl_bench.extras.many_heads import with_copied_heads
from mtl_bench.processes.interleave import interleaved, ratios
from mtl_bench.processes.worker_process import start_worker
from mtl_bench.studies.runtime.bench import Bench
from mtl_bench.studies.runtime.results import Line, Tasks, circumstances
from mtl_bench.worker.child import Worker
from mtl_runtime import Classifier, load
from mtl_runtime.bundle.bundle import Bundle

__all__ = ["MANY", "WANTED", "prepare", "tasks"]

WANTED = 1.05
MANY = 8
ONE, ALL, ONE_OF_MANY = "1 task", f"{MANY} tasks", f"1 of {MANY} tasks"


def tasks(bench: Bench) -> Tasks:
    """Make both bundles from the variant that ``load`` takes of the real one, and time both at its pace."""
    now = circumstances(bench.sentences)
    classifier = load(bench.bundle.path)
    variant, first = classifier.info.variant, classifier.tasks[0]
    one, many = (
        with_copied_heads(bench.bundle, variant, [first] * count, bench.folder / f"bundle-{count}")
        for count in (1, MANY)
    )
    length = round(float(np.mean([len(text) for text in classifier.tokenize(bench.sentences.texts)])))
    share = _shares(one, many, variant, length)
    seconds, agreement = _timed(bench, classifier, str(one.path), str(many.path))
    cost = ratios(seconds[ALL], seconds[ONE])
    return Tasks(
        circumstances=now,
        lines=(Line.of(f"time of {MANY} tasks, times that of one", "times", cost, at_most=WANTED),),
        variant=variant,
        heads=f"copies of the bundle's first, {first}",
        seconds={name: tuple(values) for name, values in seconds.items()},
        parameters=share.parameters,
        flops=share.flops,
        agreement=agreement,
    )


@dataclass(frozen=True, slots=True)
class _Shares:
    """What part of a model its heads are."""

    parameters: float
    flops: float  # for one sentence


def _shares(one: Bundle, many: Bundle, variant: str, tokens: int) -> _Shares:
    """Of the graph with many heads, which are alike and are all that it has more than the graph with one."""

    def share(small: int, large: int) -> float:
        return (large - small) * MANY / (MANY - 1) / large

    return _Shares(
        parameters=share(_parameters(one, variant), _parameters(many, variant)),
        flops=share(flops_of(one, variant).of([tokens]), flops_of(many, variant).of([tokens])),
    )


def _parameters(bundle: Bundle, variant: str) -> int:
    import onnx

    graph = onnx.load(bundle.check(bundle.manifest.variants[variant].graph)).graph
    return sum(int(np.prod(given.dims)) for given in graph.initializer)


def _timed(bench: Bench, classifier: Classifier, one: str, many: str) -> tuple[dict[str, list[float]], float]:
    info = classifier.info
    with start_worker(
        f"{__name__}:prepare",
        one=one,
        many=many,
        texts=bench.sentences.texts,
        variant=info.variant,
        workers=info.workers,
        threads=info.cores,
        max_batch_tokens=info.max_batch_tokens,
    ) as process:
        runs = {name: (lambda name=name: process.run(name).seconds) for name in (ONE, ALL, ONE_OF_MANY)}
        interleaved(runs, rounds=1)
        return interleaved(runs, rounds=bench.rounds, report=bench.report), process.facts["agreement"]


def prepare(
    *, one: str, many: str, texts: Sequence[str], variant: str, workers: int, threads: int, max_batch_tokens: int
) -> Worker:
    """In the child: both classifiers, and the share of texts that all tasks answer alike, being copies."""
    alone, together = (
        load(bundle, variant=variant, workers=workers, threads=threads, max_batch_tokens=max_batch_tokens)
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
    return Worker(runs, {"agreement": float(np.mean(alike))})
