"""checkpoint + sentences -> results file of the study.

python -m mtl_bench.studies.quantization CHECKPOINT --calibration train.csv --data test.csv -o quantization.json
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import click

from mtl_bench.effort import QUANTIZATION_STUDY
from mtl_bench.results.files import read_results, write_results
from mtl_bench.studies.command_line import study_command
from mtl_bench.studies.quantization.results import QuantizationResults
from mtl_bench.studies.quantization.study import run_study

__all__ = ["main"]

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("checkpoint", type=_FILE)
@click.option("--calibration", required=True, type=_FILE, help="Sentences from which ranges are taken.")
@click.option("--data", required=True, type=_FILE, help="Sentences with labels.")
@click.option("-o", "--output", required=True, type=_FILE, help="Results file (JSON).")
@click.option("--rounds", default=QUANTIZATION_STUDY.rounds, show_default=True, help="Of timing.")
@click.option("--time-again", is_flag=True, help="Keep the answers in the results file, and measure time only.")
def main(checkpoint: Path, calibration: Path, data: Path, output: Path, rounds: int, *, time_again: bool) -> None:
    """Measure int8 methods on CHECKPOINT."""
    with study_command(), tempfile.TemporaryDirectory() as folder:
        earlier = read_results(QuantizationResults, output) if time_again else None
        effort = replace(QUANTIZATION_STUDY, rounds=rounds)
        results = run_study(checkpoint, calibration, data, Path(folder), effort=effort, earlier=earlier)
        write_results(results, output)
