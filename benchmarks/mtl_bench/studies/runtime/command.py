"""checkpoint + bundle + sentences -> results file of the runtime's speed, measurement by measurement.

python -m mtl_bench.studies.runtime CHECKPOINT BUNDLE --data test.csv -o runtime.json [--only throughput,soak]
"""

import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from mtl_bench.studies.runtime.bench import Amounts, Bench, verified_here
from mtl_bench.studies.runtime.cold_start import cold_start
from mtl_bench.studies.runtime.kernel_bound import kernel_bound
from mtl_bench.studies.runtime.overhead import overhead
from mtl_bench.studies.runtime.results import Measurement, RuntimeSpeed
from mtl_bench.studies.runtime.sentences import read_sentences
from mtl_bench.studies.runtime.soak import soak
from mtl_bench.studies.runtime.tables import line_rows
from mtl_bench.studies.runtime.tasks import tasks
from mtl_bench.studies.runtime.throughput import throughput
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.cli.terminal import print_table
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError

__all__ = ["MEASUREMENTS", "main"]

# By the field of RuntimeSpeed that each fills.
MEASUREMENTS: Mapping[str, Callable[[Bench], Measurement]] = {
    "throughput": throughput,
    "kernel_bound": kernel_bound,
    "tasks": tasks,
    "overhead": overhead,
    "cold_start": cold_start,
    "soak": soak,
}
_FILE = click.Path(path_type=Path)
_USUAL = Amounts()


def _names(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple(value.split(",")) if value else tuple(MEASUREMENTS)
    if unknown := [name for name in names if name not in MEASUREMENTS]:
        raise click.BadParameter(f"no measurement {unknown[0]!r}; there are: {', '.join(MEASUREMENTS)}")
    return names


@click.command()
@click.argument("checkpoint", type=_FILE)
@click.argument("bundle", type=_FILE)
@click.option("--data", required=True, type=_FILE, help="Sentences with labels, in the columns of the tasks' names.")
@click.option("-o", "--output", required=True, type=_FILE, help="Results file (JSON); what is in it already is kept.")
@click.option("--only", callback=_names, help=f"Of {','.join(MEASUREMENTS)}; default: all.")
@click.option("--sentences", type=click.IntRange(1), help="So many, evenly spread over the file; default: all.")
@click.option(
    "--rounds", default=_USUAL.rounds, show_default=True, type=click.IntRange(1), help="Of interleaved passes."
)
@click.option("--calls", default=_USUAL.calls, show_default=True, type=click.IntRange(1), help="Of one short text.")
@click.option("--processes", default=_USUAL.processes, show_default=True, type=click.IntRange(1), help="Fresh ones.")
@click.option("--soak-calls", default=_USUAL.soak_calls, show_default=True, type=click.IntRange(2), help="Ragged ones.")
def main(
    checkpoint: Path,
    bundle: Path,
    data: Path,
    output: Path,
    only: tuple[str, ...],
    sentences: int | None,
    **amounts: int,
) -> None:
    """Measure how fast BUNDLE, exported from CHECKPOINT, answers here."""
    try:
        opened = Bundle.open(bundle.absolute())
        found = _known(output)
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(
                checkpoint=checkpoint.absolute(),
                bundle=opened,
                sentences=read_sentences(opened, data, count=sentences),
                variants=verified_here(opened),
                folder=Path(folder),
                amounts=Amounts(**amounts),
                report=lambda line: click.echo(line, err=True),
            )
            for name in only:
                bench.report(f"{name}:")
                measured: dict[str, Any] = {name: MEASUREMENTS[name](bench)}
                found = dataclasses.replace(found, **measured)
                output.write_text(records.to_json(found), "utf-8")
    except MtlError as error:
        raise click.ClickException(str(error)) from error
    print_table("The runtime's speed", ("what", "median", "95 % interval", "wanted", "holds"), line_rows(found.lines))


def _known(output: Path) -> RuntimeSpeed:
    """What the file holds already."""
    if not output.is_file():
        return RuntimeSpeed()
    return records.from_json(RuntimeSpeed, output.read_text("utf-8"), where=output.name)
