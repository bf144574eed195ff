"""results file -> the tables of docs/small-data.md, between their markers.

python -m mtl_bench.studies.small_data.tables benchmarks/results/small_data.json docs/small-data.md
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from mtl_bench.analysis.bootstrap import Interval, paired_bootstrap
from mtl_bench.report.markdown_table import markdown_table, tables_command
from mtl_bench.studies.small_data.data_sets import DATA_SETS
from mtl_bench.studies.small_data.methods import METHODS
from mtl_bench.studies.small_data.results import MethodRun, SmallDataResults, TaskScore

__all__ = ["accuracy_difference", "page_tables"]

_OURS = "default"
# The other method -> by how many points of accuracy ours may be below it.
_ALLOWED_DEFICITS: Mapping[str, float] = {"probe": 0.0, "fixed": 0.0, "setfit": 1.0}

# Fact of a run of ours -> its column.
_CHOICES: Mapping[str, str] = {
    "steps": "steps",
    "epochs": "epochs",
    "batch_size": "batch size",
    "encoder_learning_rate": "encoder's learning rate",
    "head_learning_rate": "heads' learning rate",
    "precision": "precision",
}
_PACKAGES = ("mtl-export", "setfit", "sentence-transformers", "scikit-learn", "transformers", "torch")


def page_tables(results: SmallDataResults) -> dict[str, str]:
    """All tables by the name of their markers; one without a run is empty."""
    return {
        "accuracy": _scores(results, lambda score: score.accuracy),
        "macro-F1": _scores(results, lambda score: score.macro_f1),
        "differences": _differences(results),
        "choices": _choices(results),
        "circumstances": _circumstances(results),
    }


def accuracy_difference(own: Sequence[MethodRun], other: Sequence[MethodRun], task: str) -> Interval:
    """Points of accuracy by which ``own`` is above ``other``, the mean over the seeds that both have.

    The interval resamples the test rows; the seeds, which draw the training rows too, are those at hand.
    """
    others = {run.seed: run for run in other}
    pairs = [(run, others[run.seed]) for run in own if run.seed in others]
    by_row = np.mean([_right(first, task) - _right(second, task) for first, second in pairs], axis=0)
    return paired_bootstrap(lambda rows: 100 * float(by_row[rows].mean()), len(by_row))


def _right(run: MethodRun, task: str) -> NDArray[np.float64]:
    return np.array([float(digit) for digit in run.tasks[task].correct])


def _set_tasks(results: SmallDataResults) -> Iterator[tuple[str, str]]:
    """Name and task of each set that has runs, in the study's order."""
    for name, data_set in DATA_SETS.items():
        if any(results.of(name, method) for method in METHODS):
            yield from ((name, task) for task in data_set.tasks)


def _methods(results: SmallDataResults) -> dict[str, str]:
    """Name -> title of the methods that have runs, in the study's order."""
    return {name: method.title for name, method in METHODS.items() if any(run.method == name for run in results.runs)}


def _scores(results: SmallDataResults, figure: Callable[[TaskScore], float]) -> str:
    rows, methods = [], _methods(results)
    for name, task in _set_tasks(results):
        runs = {method: results.of(name, method) for method in methods}
        first = next(run for of_method in runs.values() for run in of_method)
        cells = [_spread([figure(run.tasks[task]) for run in of_method]) for of_method in runs.values()]
        rows.append([DATA_SETS[name].title, task, f"{first.train_rows:,}", *cells])
    header = ["data", "task", "training rows", *methods.values()]
    return markdown_table(header, rows, "llr" + "r" * len(methods))


def _spread(values: Sequence[float]) -> str:
    """Mean and range over the seeds."""
    if len(values) < 2:
        return f"{values[0]:.3f}" if values else ""
    return f"{mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _differences(results: SmallDataResults) -> str:
    rows, methods = [], _methods(results)
    others = {name: allowed for name, allowed in _ALLOWED_DEFICITS.items() if name in methods}
    for name, task in _set_tasks(results):
        own = results.of(name, _OURS)
        cells = [_difference(own, results.of(name, other), task, allowed) for other, allowed in others.items()]
        rows += [[DATA_SETS[name].title, task, *cells]] if any(cells) else []
    header = ["data", "task", *(f"above {methods[other]}" for other in others)]
    return markdown_table(header, rows, "ll" + "r" * len(others))


def _difference(own: Sequence[MethodRun], other: Sequence[MethodRun], task: str, allowed_deficit: float) -> str:
    if not {run.seed for run in own} & {run.seed for run in other}:
        return ""
    interval = accuracy_difference(own, other, task)
    text = f"{interval.difference:+.1f} ({interval.low:+.1f} to {interval.high:+.1f})"
    return text if interval.difference >= -allowed_deficit else f"**{text}**"


def _choices(results: SmallDataResults) -> str:
    """What the defaults chose. No seconds: trainings of a long study share the machine with other work."""
    rows = []
    for name, data_set in DATA_SETS.items():
        runs = results.of(name, _OURS)
        if runs:
            rows.append([data_set.title, *(runs[0].facts.get(key, "") for key in _CHOICES)])
    return markdown_table(["data", *_CHOICES.values()], rows, "l" + "r" * len(_CHOICES))


def _circumstances(results: SmallDataResults) -> str:
    rows = []
    for name, method in METHODS.items():
        runs = [run for run in results.runs if run.method == name]
        if not runs:
            continue
        versions = {f"{package} {run.facts[package]}" for run in runs for package in _PACKAGES if package in run.facts}
        processors = sorted({f"{run.processor}, {run.cores} cores" for run in runs})
        days = sorted(run.measured_at[:10] for run in runs)
        rows.append([method.title, str(len(runs)), ", ".join(sorted(versions)), "; ".join(processors), days[-1]])
    return markdown_table(["method", "trainings", "versions", "processor", "last measured"], rows, "lrlll")


if __name__ == "__main__":
    tables_command(SmallDataResults, page_tables)()
