"""sentences + all systems -> ThroughputMeasurement: seconds, labels, and ours as a multiple of the others."""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtl_bench.processes.interleave import round_ratios, run_interleaved
from mtl_bench.processes.worker_process import Reply, WorkerError, WorkerProcess, start_worker
from mtl_bench.studies.runtime.context import StudyContext
from mtl_bench.studies.runtime.results import (
    TargetCheck,
    ThroughputMeasurement,
    TimedSystemResult,
    current_circumstances,
)
from mtl_bench.studies.runtime.sentences import LabelledSentences, TaskLabels, label_accuracy, label_agreement
from mtl_bench.systems.separate_graphs import write_separate_graphs
from mtl_runtime.bundle.gate_config import DEFAULTS

__all__ = [
    "BASELINE",
    "OURS",
    "TARGETS",
    "TimedSystem",
    "check_targets",
    "measure_throughput",
    "time_systems",
    "timed_systems",
]

BASELINE, OURS = "separate-graphs", "ours"
COMPILED, COMPILED_FP32 = "torch-compiled", "torch-compiled-fp32"
# Throughput of ours as a multiple of another system's.
TARGETS: Mapping[str, float] = {BASELINE: 14.0, COMPILED: 1.2, COMPILED_FP32: 1.2}

_log = logging.getLogger(__name__)
_PACKAGE = "mtl_bench.studies.runtime"
# A smaller share of fp32's labels than any precision of ours may have: such a system answers something else.
_MIN_AGREEMENT = min(limits.min_agreement for name, limits in DEFAULTS.items() if name != "fp32")


@dataclass(frozen=True, slots=True)
class TimedSystem:
    """One row of the comparison: a process of its own prepares it, and has the run ``answer``."""

    title: str
    function: str  # module:function, which returns a Worker
    arguments: Mapping[str, Any]  # of the function, texts aside


def timed_systems(context: StudyContext, folder: Path) -> dict[str, TimedSystem]:
    """All systems; the graphs of the baseline are written to ``folder``."""
    bundle = str(context.bundle.path)
    ours = f"{_PACKAGE}.our_labels:prepare"
    systems = {
        BASELINE: TimedSystem(
            "separate fp32 graphs, onnxruntime, batches of 32 in arrival order",
            f"{_PACKAGE}.separate_graph_labels:prepare",
            {"bundle": bundle, "graphs": write_separate_graphs(context.bundle, folder)},
        ),
        **_torch_systems(str(context.checkpoint)),
        OURS: TimedSystem("**ours, default settings**", ours, {"bundle": bundle}),
    }
    for variant in context.variants:
        arguments = {"bundle": bundle, "variant": variant}
        systems[f"{OURS}-{variant}"] = TimedSystem(f"ours, `{variant}`", ours, arguments)
    return systems


def _torch_systems(checkpoint: str) -> dict[str, TimedSystem]:
    """One model for all tasks, in sorted batches; fp32 too, which processors without AMX may run faster than bf16."""
    settings = {
        "torch-eager": ("PyTorch bf16, sorted batches", "bfloat16", False),
        COMPILED: ("PyTorch bf16, torch.compile and freezing, sorted batches", "bfloat16", True),
        COMPILED_FP32: ("PyTorch fp32, torch.compile and freezing, sorted batches", "float32", True),
    }
    return {
        name: TimedSystem(
            title,
            f"{_PACKAGE}.torch_labels:prepare",
            {"checkpoint": checkpoint, "precision": precision, "compiled": compiled},
        )
        for name, (title, precision, compiled) in settings.items()
    }


def measure_throughput(context: StudyContext) -> ThroughputMeasurement:
    """Time the systems of :func:`timed_systems`."""
    return time_systems(context, timed_systems(context, context.folder))


def time_systems(context: StudyContext, systems: Mapping[str, TimedSystem]) -> ThroughputMeasurement:
    """Let each system answer all sentences in each round, in its own process.

    Raises:
        WorkerError: the baseline or ours failed, or another one in the middle of the rounds.
    """
    circumstances = current_circumstances(context.sentences)
    with contextlib.ExitStack() as stack:
        processes, errors = _start_all(systems, context.sentences.texts, stack)
        replies = run_interleaved(_runs(processes), rounds=context.effort.rounds, stage="throughput")
    results = {
        name: TimedSystemResult(title=system.title, error=errors[name])
        if name in errors
        else _result(system, processes[name], replies[name], replies[BASELINE], context.sentences)
        for name, system in systems.items()
    }
    return ThroughputMeasurement(circumstances=circumstances, checks=check_targets(results), systems=results)


def check_targets(results: Mapping[str, TimedSystemResult]) -> tuple[TargetCheck, ...]:
    """Ours as a multiple of the systems in :data:`TARGETS`; one that failed has no check."""
    ours = results[OURS]
    return tuple(
        TargetCheck.of(
            f"throughput, times: {other.title}",
            "times",
            round_ratios(other.seconds, ours.seconds),
            at_least=TARGETS[name],
            warnings=(*_label_warnings(ours), *_label_warnings(other)),
        )
        for name, other in results.items()
        if name in TARGETS and not other.error
    )


def _start_all(
    systems: Mapping[str, TimedSystem], texts: Sequence[str], stack: contextlib.ExitStack
) -> tuple[dict[str, WorkerProcess], dict[str, str]]:
    """Each system's process, warmed up by one pass, or its error; ours and the baseline must work."""
    processes: dict[str, WorkerProcess] = {}
    errors: dict[str, str] = {}
    for name, system in systems.items():
        _log.info("throughput: preparing %s", name)
        try:
            process = stack.enter_context(start_worker(system.function, texts=texts, **system.arguments))
            process.run("answer")
        except WorkerError as error:
            if name in (BASELINE, OURS):
                raise
            _log.info("%s drops out: %s", name, error)
            errors[name] = str(error).splitlines()[0]
        else:
            processes[name] = process
    return processes, errors


def _runs(processes: Mapping[str, WorkerProcess]) -> dict[str, Callable[[], Reply]]:
    return {name: lambda process=process: process.run("answer") for name, process in processes.items()}  # type: ignore[misc]


def _result(
    system: TimedSystem,
    process: WorkerProcess,
    replies: Sequence[Reply],
    baseline: Sequence[Reply],
    sentences: LabelledSentences,
) -> TimedSystemResult:
    """Time and answers of all rounds; the worst round counts, since none may be wrong."""
    answers: list[TaskLabels] = [reply.value for reply in replies]
    return TimedSystemResult(
        title=system.title,
        facts=process.facts,
        seconds=tuple(reply.seconds for reply in replies),
        accuracy=_lowest([label_accuracy(labels, sentences.labels) for labels in answers]),
        agreement=_lowest(
            [label_agreement(labels, reference.value) for labels, reference in zip(answers, baseline, strict=True)]
        ),
    )


def _lowest(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {task: min(of_round[task] for of_round in shares) for task in shares[0]}


def _label_warnings(result: TimedSystemResult) -> tuple[str, ...]:
    return tuple(
        f"{result.title}: {task} has only {100 * share:.1f} % of fp32's labels"
        for task, share in result.agreement.items()
        if share < _MIN_AGREEMENT
    )
