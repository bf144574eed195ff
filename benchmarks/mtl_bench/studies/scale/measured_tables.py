"""results files of the two measurements -> the tables of docs/scale.md, between their markers.

python -m mtl_bench.studies.scale.measured_tables SPEED.json MEMORY.json docs/scale.md
"""

from collections.abc import Mapping
from pathlib import Path

import click

from mtl_bench.report.markdown_table import markdown_table, rewrite_page
from mtl_bench.results.files import read_results
from mtl_bench.studies.command_line import study_command
from mtl_bench.studies.scale.speed import ShardSpeedResults
from mtl_bench.studies.scale.worker_memory import WorkerMemoryResults

__all__ = ["measured_tables"]


def measured_tables(speed: ShardSpeedResults, memory: WorkerMemoryResults) -> dict[str, str]:
    """All tables by the name of their markers."""
    return {"scale speed": _speed(speed), "scale memory": _memory(memory)}


def _speed(results: ShardSpeedResults) -> str:
    rows = [
        [
            name,
            str(condition.cores),
            f"{min(condition.rows_per_second):.0f} to {max(condition.rows_per_second):.0f}",
            f"{condition.times_plain:.2f}",
            f"{condition.least:g}" if condition.least else "",
        ]
        for name, condition in results.conditions.items()
    ]
    return markdown_table(["`mtl predict`", "cores", "rows/s", "times plain", "promised"], rows, "lrrrr")


def _memory(results: WorkerMemoryResults) -> str:
    header: Mapping[str, str] = {
        f"{10 * tenth + 10} %": f"{highest:.0f}" for tenth, highest in enumerate(results.tenths_mb)
    }
    return markdown_table(["of the job", *header], [["MiB at most", *header.values()]], "l" + "r" * len(header))


@click.command()
@click.argument("speed", type=click.Path(path_type=Path))
@click.argument("memory", type=click.Path(path_type=Path))
@click.argument("page", type=click.Path(path_type=Path, exists=True))
def main(speed: Path, memory: Path, page: Path) -> None:
    """Put the tables of SPEED and MEMORY into PAGE."""
    with study_command():
        tables = measured_tables(read_results(ShardSpeedResults, speed), read_results(WorkerMemoryResults, memory))
        rewrite_page(page, tables)


if __name__ == "__main__":
    main()
