"""a system + its measurements launch by launch -> SystemResult, its row in the results file."""

from collections.abc import Sequence
from dataclasses import replace

from mtl_bench.analysis.warnings import system_warnings
from mtl_bench.results.scenarios import ColdStart, Memory, Offline, SingleStream
from mtl_bench.results.schema import AnswerScores, SystemResult
from mtl_bench.suite.final_scenarios import FinalResults
from mtl_bench.suite.launches import SystemMeasurements
from mtl_bench.systems.systems import System

__all__ = ["failed_result", "merge_launches"]


def failed_result(system: System, command: str, error: str) -> SystemResult:
    """The row of a system that dropped out."""
    return SystemResult(
        title=system.title,
        kind=system.kind,
        command=command,
        variant=system.variant,
        precision=system.precision,
        size_bytes=system.size_bytes,
        facts=system.facts,
        error=error,
    )


def merge_launches(
    system: System,
    command: str,
    launches: Sequence[SystemMeasurements],
    answers: AnswerScores,
    *,
    texts: int,
    soak_calls: int,
) -> SystemResult:
    """The row of a system that ran to the end.

    Args:
        system: that was measured.
        command: that measures it alone.
        launches: of the system, in order.
        answers: its scores.
        texts: number of timed texts.
        soak_calls: of the effort.
    """
    last = launches[-1]
    result = SystemResult(
        title=system.title,
        kind=system.kind,
        command=command,
        variant=system.variant,
        provider=last.facts.get("provider"),
        precision=system.precision,
        status=_status(system, last),
        size_bytes=system.size_bytes,
        facts={**last.facts, **system.facts, **_gpu_facts(launches)},
        answers=answers,
        offline=_offline(launches, texts),
        single_stream=SingleStream(latencies=tuple(launch.latencies for launch in launches)),
        server=last.final.server if last.final else None,
        cold_start=ColdStart(
            seconds=tuple(launch.cold_seconds for launch in launches),
            load_seconds=tuple(launch.load_seconds for launch in launches),
        ),
        memory=_memory(launches, last.final, soak_calls),
    )
    return replace(result, warnings=(*system_warnings(result), *(last.final.warnings if last.final else ())))


def _status(system: System, launch: SystemMeasurements) -> str | None:
    """The gate's status of a variant, on this kind of machine and the onnxruntime that ran it."""
    if system.kind != "ours":
        return None
    return system.statuses.get(launch.facts.get("onnxruntime", ""), "unverified")


def _gpu_facts(launches: Sequence[SystemMeasurements]) -> dict[str, str]:
    clocks = [launch.gpu_clock for launch in launches if launch.gpu_clock]
    return {"GPU clock": clocks[-1]} if clocks else {}


def _offline(launches: Sequence[SystemMeasurements], texts: int) -> Offline:
    batch_size = launches[0].batch_size
    return Offline(
        texts=texts,
        unit=launches[-1].unit,
        size=batch_size.size,
        sweep=batch_size.sweep,
        seconds=tuple(launch.seconds for launch in launches),
        kernel_seconds=tuple(launch.kernel_seconds for launch in launches if launch.kernel_seconds),
    )


def _memory(launches: Sequence[SystemMeasurements], final: FinalResults | None, soak_calls: int) -> Memory:
    soak = final.soak if final else None
    return Memory(
        loaded=tuple(launch.loaded_bytes for launch in launches),
        peak=tuple(launch.peak_bytes for launch in launches if launch.peak_bytes is not None),
        soaked=() if soak is None else (soak["resident"],),
        early=() if soak is None else (soak["early"],),
        soak_calls=soak_calls,
        device=tuple(launch.device_bytes for launch in launches if launch.device_bytes is not None),
    )
