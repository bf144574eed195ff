"""sentences + every way to answer them -> Throughput: seconds, labels, and ours as multiples of the others."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtl_bench.processes.interleave import interleaved, ratios
from mtl_bench.processes.worker_process import Reply, WorkerError, WorkerProcess, start_worker
from mtl_bench.studies.runtime.bench import Bench
from mtl_bench.studies.runtime.results import Line, Throughput, WayResult, circumstances
from mtl_bench.studies.runtime.sentences import Labels, Sentences, accuracy, agreement
from mtl_bench.systems.separate_graphs import separate_graphs
from mtl_runtime.bundle.gate_config import DEFAULTS

__all__ = ["BASELINE", "OURS", "WANTED", "Way", "compared", "measured", "throughput", "ways"]

BASELINE, OURS = "separate-graphs", "ours"
COMPILED, COMPILED_FP32 = "torch-compiled", "torch-compiled-fp32"
# What ours is to be, times another way.
WANTED: Mapping[str, float] = {BASELINE: 14.0, COMPILED: 1.2, COMPILED_FP32: 1.2}
# Fewer of fp32's labels than any precision of ours may keep: such a way answers something else.
_LEAST_AGREEMENT = min(limits.min_agreement for name, limits in DEFAULTS.items() if name != "fp32")


@dataclass(frozen=True, slots=True)
class Way:
    """One row of the comparison: what a process of its own prepares, to be told ``answer``."""

    title: str
    function: str  # module:function, which returns a Prepared
    arguments: Mapping[str, Any]  # of the function, texts aside


def ways(bench: Bench, folder: Path) -> dict[str, Way]:
    """All ways; the graphs of the baseline are written to ``folder``."""
    package = "mtl_bench.studies.runtime"
    bundle = str(bench.bundle.path)
    rows = {
        BASELINE: Way(
            "separate fp32 graphs, onnxruntime, batches of 32 in arrival order",
            f"{package}.plain_graphs:prepare",
            {"bundle": bundle, "graphs": separate_graphs(bench.bundle, folder)},
        ),
        **_torch_ways(str(bench.checkpoint)),
        OURS: Way("**ours, as it comes**", f"{package}.ours:prepare", {"bundle": bundle}),
    }
    for variant in bench.variants:
        named = Way(f"ours, `{variant}`", f"{package}.ours:prepare", {"bundle": bundle, "variant": variant})
        rows[f"{OURS}-{variant}"] = named
    return rows


def _torch_ways(checkpoint: str) -> dict[str, Way]:
    """One model for all tasks, in sorted batches; fp32 too, which processors without AMX may run faster than bf16."""
    settings = {
        "torch-eager": ("PyTorch bf16, sorted batches", "bfloat16", False),
        COMPILED: ("PyTorch bf16, torch.compile and freezing, sorted batches", "bfloat16", True),
        COMPILED_FP32: ("PyTorch fp32, torch.compile and freezing, sorted batches", "float32", True),
    }
    return {
        name: Way(
            title,
            "mtl_bench.studies.runtime.torch_model:prepare",
            {"checkpoint": checkpoint, "precision": precision, "compiled": compiled},
        )
        for name, (title, precision, compiled) in settings.items()
    }


def throughput(bench: Bench) -> Throughput:
    """Measure the rows of :func:`ways`."""
    return measured(bench, ways(bench, bench.folder))


def measured(bench: Bench, rows: Mapping[str, Way]) -> Throughput:
    """Let each way answer all sentences in each round, in its own process.

    Raises:
        ChildError: the baseline or ours failed, or another one in the middle of the rounds.
    """
    now = circumstances(bench.sentences)
    with contextlib.ExitStack() as stack:
        children, errors = _started(rows, bench.sentences.texts, stack, bench.report)
        done = interleaved(_runs(children), rounds=bench.rounds, report=bench.report)
    found = {
        name: WayResult(title=way.title, error=errors[name])
        if name in errors
        else _result(way, children[name], done[name], done[BASELINE], bench.sentences)
        for name, way in rows.items()
    }
    return Throughput(circumstances=now, lines=compared(found), ways=found)


def compared(found: Mapping[str, WayResult]) -> tuple[Line, ...]:
    """Ours as a multiple of the ways in :data:`WANTED`; one that failed is no line."""
    ours = found[OURS]
    return tuple(
        Line.of(
            f"throughput, times: {other.title}",
            "times",
            ratios(other.seconds, ours.seconds),
            at_least=WANTED[name],
            doubts=(*_doubts(ours), *_doubts(other)),
        )
        for name, other in found.items()
        if name in WANTED and not other.error
    )


def _started(
    rows: Mapping[str, Way], texts: Sequence[str], stack: contextlib.ExitStack, report: Callable[[str], None]
) -> tuple[dict[str, WorkerProcess], dict[str, str]]:
    """Each way's process, warmed up by one pass, or its error; ours and the baseline must work."""
    children: dict[str, WorkerProcess] = {}
    errors: dict[str, str] = {}
    for name, way in rows.items():
        report(f"preparing {name}")
        try:
            started = stack.enter_context(start_worker(way.function, texts=texts, **way.arguments))
            started.run("answer")
        except WorkerError as error:
            if name in (BASELINE, OURS):
                raise
            report(f"  {error}")
            errors[name] = str(error).splitlines()[0]
        else:
            children[name] = started
    return children, errors


def _runs(children: Mapping[str, WorkerProcess]) -> dict[str, Callable[[], Reply]]:
    return {name: lambda way=way: way.run("answer") for name, way in children.items()}  # type: ignore[misc]


def _result(
    way: Way, process: WorkerProcess, done: Sequence[Reply], baseline: Sequence[Reply], sentences: Sentences
) -> WayResult:
    """Time and answers of all rounds; the worst round counts, since none may be wrong."""
    answers: list[Labels] = [each.value for each in done]
    return WayResult(
        title=way.title,
        facts=process.facts,
        seconds=tuple(each.seconds for each in done),
        accuracy=_least([accuracy(given, sentences.labels) for given in answers]),
        agreement=_least([agreement(given, other.value) for given, other in zip(answers, baseline, strict=True)]),
    )


def _least(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {task: min(each[task] for each in shares) for task in shares[0]}


def _doubts(way: WayResult) -> tuple[str, ...]:
    return tuple(
        f"{way.title}: {task} has only {100 * share:.1f} % of fp32's labels"
        for task, share in way.agreement.items()
        if share < _LEAST_AGREEMENT
    )
