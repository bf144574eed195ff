"""results file -> the tables of docs/quantization.md, put between their marks.

python -m mtl_bench.studies.quantization.tables benchmarks/results/quantization.json docs/quantization.md
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from mtl_bench.analysis.bootstrap import Interval
from mtl_bench.report.markdown_table import markdown_table
from mtl_bench.studies.quantization.results import Figures, Result, Study
from mtl_runtime.core import records

__all__ = ["TABLES", "filled", "main"]

_MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
# Operators that a method decides about; the others are in the results file.
_TELLING = re.compile("MatMul|Attention|SkipLayer|^DynamicQuantizeLinear$")


def filled(page: str, study: Study) -> str:
    """``page`` with each table between its marks made anew."""
    return _MARKED.sub(lambda found: f"{found[1]}{TABLES[found[2]](study)}{found[3]}", page)


def _cost(study: Study) -> str:
    rows = [
        [
            result.title,
            *_cells(result, lambda figures: [f"{figures.bytes / 1e6:.1f}", _speed(figures), _operators(figures)], 3),
        ]
        for result in study.methods.values()
    ]
    return markdown_table(["method", "MB", "throughput, times fp32", "operators that run"], rows, "lrrl")


def _answers(study: Study) -> str:
    tasks = _tasks(study)
    header = [
        "method",
        *(f"{task}: same label, %" for task in tasks),
        *(f"{task}: macro-F1, points" for task in tasks),
        "largest logit difference",
        "flips by neighbours",
        "logits by neighbours",
    ]
    rows = [
        [result.title, *_cells(result, lambda figures: _judged(figures, tasks), len(header) - 1)]
        for result in study.methods.values()
    ]
    return markdown_table(header, rows, "l" + "r" * (len(header) - 1))


def _judged(figures: Figures, tasks: list[str]) -> list[str]:
    found = [figures.tasks[task] for task in tasks]
    return [
        *(f"{100 * task.agreement:.2f}" for task in found),
        *(_interval(task.macro_f1) for task in found),
        f"{max(task.max_logit_difference for task in found):.2g}",
        str(figures.neighbours.flips),
        f"{figures.neighbours.max_logit_difference:.0e}",
    ]


def _accuracy(study: Study) -> str:
    tasks = _tasks(study)
    rows = [
        [
            result.title,
            *_cells(result, lambda figures: [_interval(figures.tasks[task].accuracy) for task in tasks], len(tasks)),
        ]
        for result in study.methods.values()
    ]
    return markdown_table(["method", *(f"{task}: accuracy, points" for task in tasks)], rows, "l" + "r" * len(tasks))


TABLES: Mapping[str, Callable[[Study], str]] = {"cost": _cost, "answers": _answers, "accuracy": _accuracy}


def _tasks(study: Study) -> list[str]:
    return next(list(result.figures.tasks) for result in study.methods.values() if result.figures)


def _cells(result: Result, show: Callable[[Figures], list[str]], width: int) -> list[str]:
    if result.figures is None:
        return [f"failed: {(result.error or '').splitlines()[0]}", *[""] * (width - 1)]
    return show(result.figures)


def _speed(figures: Figures) -> str:
    return f"{figures.speed.median:.2f} ({figures.speed.low:.2f} to {figures.speed.high:.2f})"


def _operators(figures: Figures) -> str:
    return ", ".join(f"{count} {name}" for name, count in figures.operators.items() if _TELLING.search(name))


def _interval(change: Interval) -> str:
    return f"{change.difference:+.2f} ({change.low:+.2f} to {change.high:+.2f})"


@click.command()
@click.argument("results", type=click.Path(path_type=Path, exists=True))
@click.argument("page", type=click.Path(path_type=Path, exists=True))
def main(results: Path, page: Path) -> None:
    """Put the tables of RESULTS into PAGE."""
    study = records.from_json(Study, results.read_text("utf-8"), where=results.name)
    page.write_text(filled(page.read_text("utf-8"), study), "utf-8")


if __name__ == "__main__":
    main()
