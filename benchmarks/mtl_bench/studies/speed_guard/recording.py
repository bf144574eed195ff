"""recording.json <-> SpeedRecording: the seconds of both sides, pair by pair."""

from collections.abc import Mapping
from dataclasses import dataclass

from mtl_runtime.core.machine import MachineFacts

__all__ = ["MEASURES", "Measure", "Pair", "Seconds", "SpeedRecording"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is timed."""

    title: str
    rounds: int  # in each pair of processes


MEASURES: Mapping[str, Measure] = {
    "kernel_bound": Measure("batches in the model alone", rounds=8),
    "pipeline": Measure("text to answers", rounds=8),
    "overhead": Measure("calls of one short text without the model", rounds=8),
    "cold_start": Measure("fresh process to its first answer", rounds=3),
}

Seconds = Mapping[str, tuple[float, ...]]  # by measure, one for each round


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A process of each side, which ran at the same time and in turn."""

    base: Seconds
    candidate: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedRecording:
    """One run of the guard."""

    base: str  # commit
    candidate: str  # commit, and whether the working tree differs from it
    slowdown: float  # share by which the candidate's model was slowed on purpose
    measured_at: str
    machine: MachineFacts
    variants: Mapping[str, str]  # by side, what `load` chose
    pairs: tuple[Pair, ...]
