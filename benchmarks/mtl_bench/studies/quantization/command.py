"""checkpoint + sentences -> results file of the study.

python -m mtl_bench.studies.quantization CHECKPOINT --calibration train.csv --data test.csv -o quantization.json
"""

import tempfile
from pathlib import Path

import click

from mtl_bench.studies.quantization.results import Study
from mtl_bench.studies.quantization.study import Amounts, study
from mtl_runtime.core import records

__all__ = ["main"]

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("checkpoint", type=_FILE)
@click.option("--calibration", required=True, type=_FILE, help="Sentences that ranges come from.")
@click.option("--data", required=True, type=_FILE, help="Sentences with labels.")
@click.option("-o", "--output", required=True, type=_FILE, help="Results file (JSON).")
@click.option("--rounds", default=Amounts().rounds, show_default=True, help="Of timing.")
@click.option("--time-again", is_flag=True, help="Keep the answers in the results file, and measure time only.")
def main(checkpoint: Path, calibration: Path, data: Path, output: Path, rounds: int, *, time_again: bool) -> None:
    """Measure int8 methods on CHECKPOINT."""
    known = records.from_json(Study, output.read_text("utf-8"), where=output.name) if time_again else None
    with tempfile.TemporaryDirectory() as folder:
        found = study(
            checkpoint,
            calibration,
            data,
            Path(folder),
            amounts=Amounts(rounds=rounds),
            report=lambda line: click.echo(line, err=True),
            known=known,
        )
    output.write_text(records.to_json(found), "utf-8")
