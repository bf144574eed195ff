"""benchmarks/results/training_cost.json <-> TrainingCostResults: timed trainings by condition and round."""

from collections.abc import Mapping
from dataclasses import dataclass

from mtl_runtime.core.machine import MachineFacts
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.gate.speed import median_ratio

__all__ = [
    "EVALUATION",
    "OTHER",
    "PIECES",
    "SCHEMA_VERSION",
    "ConditionResult",
    "TimedTraining",
    "TrainingCostResults",
]

SCHEMA_VERSION = 1
OTHER, EVALUATION = "other", "evaluation"
# Of a step, in the order of their work; OTHER is what transformers and the callbacks do between them.
PIECES = ("data loading", "collation", "forward", "backward", "clipping", "optimizer", OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedTraining:
    """One process: seconds of a step, of an evaluation, and of their matrix products alone."""

    steps: int  # of the whole run, of which a few were timed
    evaluations: int  # of the whole run, the last one included
    batch_size: int
    precision: str
    preparation: float  # from the start of training to its first step: reading, tokenizing, initial heads
    pieces: Mapping[str, float]  # of a step, mean over the timed ones
    products: float  # of a step
    evaluation: float  # one
    evaluation_products: float

    @property
    def step(self) -> float:
        """Seconds of a step."""
        return sum(self.pieces.values())

    @property
    def run(self) -> float:
        """Seconds of the whole run, from those of its parts."""
        return self.preparation + self.steps * self.step + self.evaluations * self.evaluation

    @property
    def run_products(self) -> float:
        """Seconds of the matrix products of all steps and evaluations."""
        return self.steps * self.products + self.evaluations * self.evaluation_products


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionResult:
    """The same training under one condition."""

    title: str
    environment: Mapping[str, str]  # variables that the process had in addition
    busy: bool  # whether another program kept all cores busy
    rounds: tuple[TimedTraining, ...]

    @property
    def step_ratio(self) -> Estimate:
        """A step as a multiple of its matrix products, by round."""
        return median_ratio([each.step / each.products for each in self.rounds])

    @property
    def run_ratio(self) -> Estimate:
        """The whole run as a multiple of its matrix products, by round."""
        return median_ratio([each.run / each.run_products for each in self.rounds])

    @property
    def step_seconds(self) -> Estimate:
        """Seconds of a step, by round."""
        return median_ratio([each.step for each in self.rounds])


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCostResults:
    """Content of the results file."""

    schema_version: int = SCHEMA_VERSION
    machine: MachineFacts
    made_with: Mapping[str, str]
    measured_at: str  # UTC, ISO 8601
    timed_steps: int  # of each process
    conditions: Mapping[str, ConditionResult]
