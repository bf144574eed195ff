"""benchmarks/results/small_data.json <-> SmallDataResults: what each method answered on each set and seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.metrics import task_metrics
from mtl_runtime.dataset.targets import encode_labels

__all__ = ["SCHEMA_VERSION", "MethodRun", "SmallDataResults", "TaskScore"]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """One task's answers to the test rows."""

    accuracy: float
    macro_f1: float
    correct: str  # a digit for each test row: 1 right, 0 wrong

    @classmethod
    def of(cls, predicted: Sequence[str], truth: Sequence[str]) -> "TaskScore":
        """Compare the labels of the test rows with the true ones."""
        labels = tuple(sorted({*predicted, *truth}))
        task = TaskSpec(name="task", kind="single_label", labels=labels)
        index = {label: position for position, label in enumerate(labels)}
        one_hot = np.eye(len(labels), dtype=np.float32)[[index[label] for label in predicted]]
        metrics = task_metrics(task, encode_labels(task, truth), one_hot)
        return cls(
            accuracy=metrics.values["accuracy"],
            macro_f1=metrics.values["macro_f1"],
            correct="".join("01"[own == true] for own, true in zip(predicted, truth, strict=True)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodRun:
    """One method, trained on one set with one seed."""

    data_set: str
    seed: int
    method: str
    train_rows: int
    validation_rows: int  # of the validation file; 0: held out of the training rows
    test_rows: int
    seconds: float  # of the training processes, from their start to their end
    tasks: Mapping[str, TaskScore]
    facts: Mapping[str, str]  # what the method chose by itself, and its versions
    measured_at: str  # UTC, ISO 8601: the end
    processor: str
    cores: int  # that the training may use

    @property
    def key(self) -> tuple[str, int, str]:
        """Set, seed and method."""
        return self.data_set, self.seed, self.method


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallDataResults:
    """Content of the results file."""

    schema_version: int = SCHEMA_VERSION
    runs: tuple[MethodRun, ...] = field(default=())

    def has(self, data_set: str, seed: int, method: str) -> bool:
        """Whether there is such a run."""
        return any(run.key == (data_set, seed, method) for run in self.runs)

    def with_run(self, run: MethodRun) -> "SmallDataResults":
        """These results with ``run``, in place of an earlier run of the same set, seed and method."""
        others = tuple(other for other in self.runs if other.key != run.key)
        return replace(self, runs=(*others, run))

    def of(self, data_set: str, method: str) -> tuple[MethodRun, ...]:
        """The runs of a method on a set, by seed."""
        runs = (run for run in self.runs if (run.data_set, run.method) == (data_set, method))
        return tuple(sorted(runs, key=lambda run: run.seed))
