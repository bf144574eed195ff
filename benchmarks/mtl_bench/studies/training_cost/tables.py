"""results file -> the tables of docs/training.md about the cost of a step, between their markers.

python -m mtl_bench.studies.training_cost.tables benchmarks/results/training_cost.json docs/training.md
"""

from collections.abc import Callable
from statistics import median

from mtl_bench.report.markdown_table import markdown_table, tables_command
from mtl_bench.studies.training_cost.results import PIECES, ConditionResult, TimedTraining, TrainingCostResults
from mtl_runtime.evidence.schema import Estimate

__all__ = ["page_tables"]


def page_tables(results: TrainingCostResults) -> dict[str, str]:
    """All tables by the name of their markers."""
    return {"training cost": _conditions(results), "training pieces": _pieces(results)}


def _conditions(results: TrainingCostResults) -> str:
    rows = [
        [
            condition.title,
            _assignments(condition),
            condition.rounds[0].precision,
            _interval(condition.step_seconds, ".3f"),
            _interval(condition.step_ratio, ".2f"),
            _interval(condition.run_ratio, ".2f"),
            f"{median(each.run for each in condition.rounds) / 60:.1f}",
            f"{results.machine.cpu}, {results.machine.cores_allowed} cores",
        ]
        for condition in results.conditions.values()
    ]
    header = [
        "condition",
        "set for the process",
        "precision",
        "seconds of a step",
        "times its products",
        "whole run, times its products",
        "whole run, min",
        "processor",
    ]
    return markdown_table(header, rows, "lllrrrrl")


def _pieces(results: TrainingCostResults) -> str:
    def row(title: str, seconds: Callable[[TimedTraining], float]) -> list[str]:
        cells = []
        for condition in results.conditions.values():
            value = median(seconds(each) for each in condition.rounds)
            share = median(seconds(each) / each.products for each in condition.rounds)
            cells.append(f"{1000 * value:.1f} ms ({share:.2f}x)")
        return [title, *cells]

    rows = [
        row("matrix products alone", lambda each: each.products),
        *(row(piece, lambda each, piece=piece: each.pieces[piece]) for piece in PIECES),  # type: ignore[misc]
        row("evaluations, spread over the steps", lambda each: each.evaluations * each.evaluation / each.steps),
        row("before the first step, spread over the steps", lambda each: each.preparation / each.steps),
    ]
    header = ["of a step", *(condition.title for condition in results.conditions.values())]
    return markdown_table(header, rows, "l" + "r" * len(results.conditions))


def _assignments(condition: ConditionResult) -> str:
    return " ".join(f"`{name}={value}`" for name, value in condition.environment.items())


def _interval(estimate: Estimate, form: str) -> str:
    return f"{estimate.median:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"


if __name__ == "__main__":
    tables_command(TrainingCostResults, page_tables)()
