"""checkpoint + bundle + sentences -> results file of the runtime's speed, measurement by measurement.

python -m mtl_bench.studies.runtime CHECKPOINT BUNDLE --data test.csv -o runtime.json [--only throughput,soak]
"""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mtl_bench.effort import RUNTIME_STUDY
from mtl_bench.results.files import read_results, write_results
from mtl_bench.studies.command_line import study_command
from mtl_bench.studies.runtime.cold_start import measure_cold_start
from mtl_bench.studies.runtime.context import StudyContext, verified_variants
from mtl_bench.studies.runtime.kernel_bound import measure_kernel_bound
from mtl_bench.studies.runtime.overhead import measure_overhead
from mtl_bench.studies.runtime.results import RuntimeMeasurement, RuntimeResults
from mtl_bench.studies.runtime.sentences import read_sentences
from mtl_bench.studies.runtime.soak import measure_soak
from mtl_bench.studies.runtime.tables import CHECK_COLUMNS, check_rows
from mtl_bench.studies.runtime.tasks import measure_tasks
from mtl_bench.studies.runtime.throughput import measure_throughput
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.cli.terminal import print_table

__all__ = ["MEASUREMENTS", "main"]

# By the field of RuntimeResults that each fills.
MEASUREMENTS: Mapping[str, Callable[[StudyContext], RuntimeMeasurement]] = {
    "throughput": measure_throughput,
    "kernel_bound": measure_kernel_bound,
    "tasks": measure_tasks,
    "overhead": measure_overhead,
    "cold_start": measure_cold_start,
    "soak": measure_soak,
}
_log = logging.getLogger(__name__)
_FILE = click.Path(path_type=Path)


def _names(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple(value.split(",")) if value else tuple(MEASUREMENTS)
    if unknown := [name for name in names if name not in MEASUREMENTS]:
        raise click.BadParameter(f"no measurement {unknown[0]!r}; there are: {', '.join(MEASUREMENTS)}")
    return names


def _effort_option(option: str, field: str, help_text: str, *, least: int = 1) -> Callable[[Any], Any]:
    default = getattr(RUNTIME_STUDY, field)
    return click.option(option, field, default=default, show_default=True, type=click.IntRange(least), help=help_text)


@click.command()
@click.argument("checkpoint", type=_FILE)
@click.argument("bundle", type=_FILE)
@click.option("--data", required=True, type=_FILE, help="Sentences with labels, in the columns of the tasks' names.")
@click.option("-o", "--output", required=True, type=_FILE, help="Results file (JSON); earlier measurements in it stay.")
@click.option("--only", callback=_names, help=f"Of {','.join(MEASUREMENTS)}; default: all.")
@click.option("--sentences", type=click.IntRange(1), help="So many, evenly spread over the file; default: all.")
@_effort_option("--rounds", "rounds", "Of interleaved passes.")
@_effort_option("--calls", "short_calls", "Of one short text.")
@_effort_option("--processes", "launches", "Fresh ones.")
@_effort_option("--soak-calls", "soak_calls", "Ragged ones.", least=2)
def main(
    checkpoint: Path,
    bundle: Path,
    data: Path,
    output: Path,
    only: tuple[str, ...],
    sentences: int | None,
    **effort: int,
) -> None:
    """Measure how fast BUNDLE, exported from CHECKPOINT, answers here."""
    with study_command(), tempfile.TemporaryDirectory() as folder:
        opened = Bundle.open(bundle.absolute())
        results = read_results(RuntimeResults, output) if output.is_file() else RuntimeResults()
        context = StudyContext(
            checkpoint=checkpoint.absolute(),
            bundle=opened,
            sentences=read_sentences(opened, data, count=sentences),
            variants=verified_variants(opened),
            folder=Path(folder),
            effort=replace(RUNTIME_STUDY, **effort),  # type: ignore[arg-type]
        )
        for name in only:
            _log.info("%s:", name)
            measurement: dict[str, Any] = {name: MEASUREMENTS[name](context)}
            results = replace(results, **measurement)
            write_results(results, output)
    print_table("The runtime's speed", CHECK_COLUMNS, check_rows(results.checks))
