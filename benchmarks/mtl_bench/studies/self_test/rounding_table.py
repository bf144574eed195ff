"""results file of the golden differences -> the table of docs/adr/0011, between its markers.

python -m mtl_bench.studies.self_test.rounding_table benchmarks/results/golden_differences.json docs/adr/0011-....md
"""

from collections.abc import Iterable

from mtl_bench.report.markdown_table import markdown_table, tables_command
from mtl_bench.studies.self_test.results import GoldenDifferences, KernelDifferences
from mtl_runtime.evidence.self_tests import AnswerDifference

__all__ = ["DIFFERENCE_COLUMNS", "difference_rows", "page_tables"]

DIFFERENCE_COLUMNS = (
    "kernels",
    "variant",
    "task",
    "mean Δ logit",
    "of allowed",
    "max Δ logit",
    "of allowed",
    "flips",
)


def page_tables(results: GoldenDifferences) -> dict[str, str]:
    """The table by the name of its markers."""
    return {"rounding": markdown_table(DIFFERENCE_COLUMNS, difference_rows(results.kernels), "lllrrrrr")}


def difference_rows(kernels: Iterable[KernelDifferences]) -> list[list[str]]:
    """A row for each task of each variant."""
    return [
        [run.kernels, test.variant, task, *_cells(difference)]
        for run in kernels
        for test in run.self_tests
        for task, difference in test.tasks.items()
    ]


def _cells(difference: AnswerDifference) -> tuple[str, ...]:
    return (
        f"{difference.mean:.1e}",
        f"{difference.mean / difference.mean_allowed:.2f}",
        f"{difference.largest:.1e}",
        f"{difference.largest / difference.largest_allowed:.2f}",
        str(difference.flips),
    )


if __name__ == "__main__":
    tables_command(GoldenDifferences, page_tables)()
