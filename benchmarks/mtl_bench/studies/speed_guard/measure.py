"""two checkouts + a bundle of each -> SpeedRecording: fresh processes of both sides, in the same rounds."""

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import mtl_bench
from mtl_bench.processes.interleave import run_interleaved
from mtl_bench.processes.worker_process import Environment, WorkerProcess, start_worker
from mtl_bench.studies.runtime.cold_start import time_first_answer
from mtl_bench.studies.speed_guard.checkouts import RUNTIME
from mtl_bench.studies.speed_guard.recording import MEASURES, Pair, Seconds
from mtl_bench.studies.speed_guard.timed_runtime import SHORT_TEXT
from mtl_runtime.errors import MtlError

__all__ = ["Side", "measure_pair", "measure_pairs"]

_log = logging.getLogger(__name__)

_PREPARE = "mtl_bench.studies.speed_guard.timed_runtime:prepare"
_FIRST_ANSWER = """
import sys
from mtl_runtime import load
prediction = load(sys.argv[1])(sys.argv[2])
print(*prediction, flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one side runs."""

    name: str
    checkout: Path
    bundle: Path
    slowdown: float = 0.0

    @property
    def environment(self) -> Environment:
        """This interpreter with the checkout's runtime; all else, this package too, is the same on both sides."""
        return Environment(path=[self.checkout / RUNTIME, Path(mtl_bench.__path__[0]).parent])


def measure_pairs(base: Side, candidate: Side, texts: Sequence[str], count: int) -> tuple[list[Pair], dict[str, str]]:
    """So many pairs of processes, and the variants that both sides ran; the side that starts first alternates."""
    pairs: list[Pair] = []
    variants: dict[str, str] = {}
    for number in range(count):
        _log.info("speed guard: pair %d of %d", number + 1, count)
        sides = (base, candidate) if number % 2 else (candidate, base)
        pair, variants = measure_pair(sides, texts)
        pairs.append(Pair(base=pair[base.name], candidate=pair[candidate.name]))
    return pairs, variants


def measure_pair(sides: Sequence[Side], texts: Sequence[str]) -> tuple[dict[str, Seconds], dict[str, str]]:
    """One process of each side, whose runs alternate; then fresh processes, each to its first answer."""
    with contextlib.ExitStack() as stack:
        processes = {side.name: stack.enter_context(_process(side, texts)) for side in sides}
        by_measure = {
            measure: run_interleaved(
                {name: partial(_seconds, process, measure) for name, process in processes.items()},
                rounds=MEASURES[measure].rounds,
            )
            for measure in MEASURES
            if measure != "cold_start"
        }
        variants = {name: str(process.facts["variant"]) for name, process in processes.items()}
    starts = {side.name: partial(_first_answer, side) for side in sides}
    by_measure["cold_start"] = run_interleaved(starts, rounds=MEASURES["cold_start"].rounds)
    seconds: dict[str, Seconds] = {
        side.name: {measure: tuple(by_measure[measure][side.name]) for measure in MEASURES} for side in sides
    }
    return seconds, variants


@contextlib.contextmanager
def _process(side: Side, texts: Sequence[str]) -> Iterator[WorkerProcess]:
    with start_worker(
        _PREPARE, environment=side.environment, bundle=str(side.bundle), texts=texts, slowdown=side.slowdown
    ) as process:
        runtime = Path(process.facts["runtime"])
        if not runtime.is_relative_to(side.checkout.resolve()):
            raise MtlError(f"{side.name} imported {runtime} in place of the runtime in {side.checkout}")
        yield process


def _seconds(process: WorkerProcess, run: str) -> float:
    return process.run(run).seconds


def _first_answer(side: Side) -> float:
    command = [sys.executable, "-c", _FIRST_ANSWER, str(side.bundle), SHORT_TEXT]
    return time_first_answer(command, side.environment.all_variables())[0]
