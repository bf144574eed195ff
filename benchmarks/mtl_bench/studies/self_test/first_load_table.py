"""results file of the first loads -> the table of docs/runtime-speed.md, between its markers.

python -m mtl_bench.studies.self_test.first_load_table benchmarks/results/first_load.json docs/runtime-speed.md
"""

from mtl_bench.report.markdown_table import markdown_table, tables_command
from mtl_bench.studies.runtime.tables import CHECK_COLUMNS, check_rows
from mtl_bench.studies.self_test.results import FirstLoadResults

__all__ = ["page_tables"]


def page_tables(results: FirstLoadResults) -> dict[str, str]:
    """The table by the name of its markers."""
    machine, version = results.circumstances.machine, results.circumstances.made_with.get("onnxruntime", "")
    rows = [[*row, f"{machine.cpu}, {machine.cores_allowed} cores, {version}"] for row in check_rows(results.checks)]
    return {"first loads": markdown_table([*CHECK_COLUMNS, "processor, onnxruntime"], rows, "lrrrll")}


if __name__ == "__main__":
    tables_command(FirstLoadResults, page_tables)()
