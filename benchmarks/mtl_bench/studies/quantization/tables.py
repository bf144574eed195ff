"""results file -> the tables of docs/quantization.md, between their markers.

python -m mtl_bench.studies.quantization.tables benchmarks/results/quantization.json docs/quantization.md
"""

import re
from collections.abc import Callable, Sequence

from mtl_bench.analysis.bootstrap import Interval
from mtl_bench.report.markdown_table import markdown_table, tables_command
from mtl_bench.studies.quantization.results import MethodFigures, MethodResult, QuantizationResults

__all__ = ["page_tables"]

# Operators in which methods differ; the others are in the results file.
_SHOWN_OPERATORS = re.compile("MatMul|Attention|SkipLayer|^DynamicQuantizeLinear$")


def page_tables(results: QuantizationResults) -> dict[str, str]:
    """All tables by the name of their markers."""
    tasks = next(list(result.figures.tasks) for result in results.methods.values() if result.figures)
    return {"cost": _cost(results), "answers": _answers(results, tasks), "accuracy": _accuracy(results, tasks)}


def _cost(results: QuantizationResults) -> str:
    header = ["method", "MB", "throughput, times fp32", "operators that run"]
    return _table(results, header, _cost_cells, "lrrl")


def _cost_cells(figures: MethodFigures) -> list[str]:
    speed = figures.speed
    operators = [f"{count} {name}" for name, count in figures.operators.items() if _SHOWN_OPERATORS.search(name)]
    return [
        f"{figures.bytes / 1e6:.1f}",
        f"{speed.median:.2f} ({speed.low:.2f} to {speed.high:.2f})",
        ", ".join(operators),
    ]


def _answers(results: QuantizationResults, tasks: Sequence[str]) -> str:
    header = [
        "method",
        *(f"{task}: same label, %" for task in tasks),
        *(f"{task}: macro-F1, points" for task in tasks),
        "largest logit difference",
        "flips by neighbours",
        "logits by neighbours",
    ]
    return _table(results, header, lambda figures: _answer_cells(figures, tasks), "l" + "r" * (len(header) - 1))


def _answer_cells(figures: MethodFigures, tasks: Sequence[str]) -> list[str]:
    by_task = [figures.tasks[task] for task in tasks]
    return [
        *(f"{100 * task.agreement:.2f}" for task in by_task),
        *(_interval(task.macro_f1) for task in by_task),
        f"{max(task.max_logit_difference for task in by_task):.2g}",
        str(figures.neighbours.flips),
        f"{figures.neighbours.max_logit_difference:.0e}",
    ]


def _accuracy(results: QuantizationResults, tasks: Sequence[str]) -> str:
    header = ["method", *(f"{task}: accuracy, points" for task in tasks)]
    return _table(
        results,
        header,
        lambda figures: [_interval(figures.tasks[task].accuracy) for task in tasks],
        "l" + "r" * len(tasks),
    )


def _table(
    results: QuantizationResults, header: Sequence[str], cells: Callable[[MethodFigures], list[str]], align: str
) -> str:
    rows = [[result.title, *_cells(result, cells, len(header) - 1)] for result in results.methods.values()]
    return markdown_table(header, rows, align)


def _cells(result: MethodResult, cells: Callable[[MethodFigures], list[str]], width: int) -> list[str]:
    if result.figures is None:
        return [f"failed: {(result.error or '').splitlines()[0]}", *[""] * (width - 1)]
    return cells(result.figures)


def _interval(change: Interval) -> str:
    return f"{change.difference:+.2f} ({change.low:+.2f} to {change.high:+.2f})"


if __name__ == "__main__":
    tables_command(QuantizationResults, page_tables)()
