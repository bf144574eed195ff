"""sentences -> TasksMeasurement: the cost of seven further tasks, on bundles that differ in their heads alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtl_bench.extras.flops import flops_of
from mtl_bench.extras.many_heads import with_copied_heads
from mtl_bench.processes.interleave import round_ratios, run_interleaved
from mtl_bench.processes.worker_process import start_worker
from mtl_bench.studies.runtime.context import StudyContext
from mtl_bench.studies.runtime.results import TargetCheck, TasksMeasurement, current_circumstances
from mtl_bench.worker.serve import Worker
from mtl_runtime import Classifier, load
from mtl_runtime.bundle.bundle import Bundle

__all__ = ["ALL", "MANY", "ONE", "ONE_OF_MANY", "TARGET", "measure_tasks", "prepare"]

TARGET = 1.05
MANY = 8
ONE, ALL, ONE_OF_MANY = "1 task", f"{MANY} tasks", f"1 of {MANY} tasks"


def measure_tasks(context: StudyContext) -> TasksMeasurement:
    """Make both bundles from the variant that ``load`` takes of the real one, and time both with its settings."""
    circumstances = current_circumstances(context.sentences)
    classifier = load(context.bundle.path)
    variant, first = classifier.info.variant, classifier.tasks[0]
    single, several = (
        with_copied_heads(context.bundle, variant, [first] * count, context.folder / f"bundle-{count}")
        for count in (1, MANY)
    )
    length = round(float(np.mean([len(text) for text in classifier.tokenize(context.sentences.texts)])))
    share = _head_share(single, several, variant, length)
    seconds, agreement = _time_bundles(context, classifier, str(single.path), str(several.path))
    cost = round_ratios(seconds[ALL], seconds[ONE])
    return TasksMeasurement(
        circumstances=circumstances,
        checks=(TargetCheck.of(f"time of {MANY} tasks, times that of one", "times", cost, at_most=TARGET),),
        variant=variant,
        heads=f"copies of the bundle's first, {first}",
        seconds={name: tuple(values) for name, values in seconds.items()},
        parameters=share.parameters,
        flops=share.flops,
        agreement=agreement,
    )


@dataclass(frozen=True, slots=True)
class _HeadShare:
    """The heads' part of a model."""

    parameters: float
    flops: float  # for one sentence


def _head_share(single: Bundle, several: Bundle, variant: str, tokens: int) -> _HeadShare:
    """Of the graph with many heads, which are alike and are its only difference from the graph with one."""

    def share(small: int, large: int) -> float:
        return (large - small) * MANY / (MANY - 1) / large

    return _HeadShare(
        parameters=share(_count_parameters(single, variant), _count_parameters(several, variant)),
        flops=share(flops_of(single, variant).of([tokens]), flops_of(several, variant).of([tokens])),
    )


def _count_parameters(bundle: Bundle, variant: str) -> int:
    import onnx

    graph = onnx.load(bundle.check(bundle.manifest.variants[variant].graph)).graph
    return sum(int(np.prod(tensor.dims)) for tensor in graph.initializer)


def _time_bundles(
    context: StudyContext, classifier: Classifier, single: str, several: str
) -> tuple[dict[str, list[float]], float]:
    info = classifier.info
    with start_worker(
        f"{__name__}:prepare",
        single=single,
        several=several,
        texts=context.sentences.texts,
        variant=info.variant,
        workers=info.workers,
        threads=info.cores,
        max_batch_tokens=info.max_batch_tokens,
    ) as process:
        runs = {name: (lambda name=name: process.run(name).seconds) for name in (ONE, ALL, ONE_OF_MANY)}
        run_interleaved(runs, rounds=1)
        seconds = run_interleaved(runs, rounds=context.effort.rounds, stage="tasks")
        return seconds, process.facts["agreement"]


def prepare(
    *, single: str, several: str, texts: Sequence[str], variant: str, workers: int, threads: int, max_batch_tokens: int
) -> Worker:
    """In the worker process: both classifiers, and the share of texts to which all tasks, being copies, agree."""
    alone, together = (
        load(bundle, variant=variant, workers=workers, threads=threads, max_batch_tokens=max_batch_tokens)
        for bundle in (single, several)
    )

    def answer(classifier: Classifier, tasks: Sequence[str] | None = None) -> None:
        classifier(texts, tasks=tasks)

    runs = {
        ONE: lambda: answer(alone),
        ALL: lambda: answer(together),
        ONE_OF_MANY: lambda: answer(together, together.tasks[:1]),
    }
    pairs = zip(alone(texts), together(texts), strict=True)
    alike = [{b[task].label for task in b} == {a[alone.tasks[0]].label} for a, b in pairs]
    return Worker(runs, {"agreement": float(np.mean(alike))})
