"""benchmarks/results/hostile.json <-> HostileResults: what became of each kind of hostile bundle and input."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

__all__ = ["SCHEMA_VERSION", "HostileResults", "Outcomes"]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of the attempts of one kind."""

    attempts: int
    refused: int  # in one line
    answered: int  # as the sound bundle, or with the right rows
    faults: Mapping[str, str] = field(default_factory=dict)  # name of an attempt -> what went wrong
    slowest_seconds: float = 0.0

    def with_outcome(self, name: str, *, refused: bool, fault: str | None, seconds: float) -> Self:
        """And one more attempt."""
        return replace(
            self,
            attempts=self.attempts + 1,
            refused=self.refused + (refused and fault is None),
            answered=self.answered + (not refused and fault is None),
            faults=self.faults if fault is None else {**self.faults, name: fault},
            slowest_seconds=max(self.slowest_seconds, seconds),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileResults:
    """All kinds, and where they were tried."""

    schema_version: int = SCHEMA_VERSION
    kinds: Mapping[str, Outcomes]
    versions: Mapping[str, str]
    processor: str
    cores: int
    measured_at: str  # UTC, ISO 8601
