"""bundle + sentences -> results file of the server's speed and of what it does under load and abuse.

python -m mtl_bench.studies.serving BUNDLE --data test.csv --kit build/peers/kit -o serve_speed.json [--only overload]
"""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from mtl_bench.effort import SERVING_STUDY
from mtl_bench.results.files import read_results, write_results
from mtl_bench.studies.command_line import names_option, study_command
from mtl_bench.studies.runtime.sentences import read_sentences
from mtl_bench.studies.serving.cancellations import measure_cancellations
from mtl_bench.studies.serving.context import ServingContext
from mtl_bench.studies.serving.overload import measure_overload
from mtl_bench.studies.serving.results import ServingResults
from mtl_bench.studies.serving.server_process import confined, cores_of_both_sides
from mtl_bench.studies.serving.servers import SERVERS, ServedBundle
from mtl_bench.studies.serving.slow_clients import measure_slow_clients
from mtl_bench.studies.serving.speed import measure_speed
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core.installed_packages import MAKERS, installed_versions
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.loading.load import load

__all__ = ["PARTS", "main"]

# By the field of ServingResults that each fills.
PARTS = ("speed", "overload", "cancellations", "slow_clients")
_log = logging.getLogger(__name__)
_FILE = click.Path(path_type=Path, exists=True)


@click.command()
@click.argument("bundle", type=_FILE)
@click.option("--data", required=True, type=_FILE, help="Sentences with labels, in the columns of the tasks' names.")
@click.option("--kit", required=True, type=click.Path(path_type=Path), help="Weights of `make peers`.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file; its parts stay.")
@click.option("--rounds", default=SERVING_STUDY.rounds, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=SERVING_STUDY.server_seconds, show_default=True, help="Of a measurement.")
@names_option("--only", PARTS)
@names_option("--servers", SERVERS)
def main(
    bundle: Path,
    data: Path,
    kit: Path,
    output: Path,
    rounds: int,
    seconds: float,
    only: tuple[str, ...],
    servers: tuple[str, ...],
) -> None:
    """Measure `mtl serve` with BUNDLE: the server on one core, its clients on another."""
    with study_command(), tempfile.TemporaryDirectory() as folder:
        opened = Bundle.open(bundle.absolute())
        core, own_core = cores_of_both_sides()
        context = ServingContext(
            served=ServedBundle(bundle.absolute(), kit.absolute(), tuple(task.name for task in opened.manifest.tasks)),
            sentences=read_sentences(opened, data, count=SERVING_STUDY.timed_texts).texts,
            core=core,
            folder=Path(folder),
            rounds=rounds,
            seconds=seconds,
        )
        measurements: Mapping[str, Callable[[ServingContext], Any]] = {
            "speed": partial(measure_speed, names=servers),
            "overload": measure_overload,
            "cancellations": measure_cancellations,
            "slow_clients": measure_slow_clients,
        }
        results = read_results(ServingResults, output) if output.is_file() else ServingResults()
        results = _with_circumstances(results, context, opened.digest)
        with confined({own_core}):
            for name in only:
                _log.info("%s:", name)
                results = replace(results, **{name: measurements[name](context)})
                write_results(results, output)


def _with_circumstances(results: ServingResults, context: ServingContext, digest: str) -> ServingResults:
    with confined({context.core}):
        variant = load(context.served.bundle).info.variant
    return replace(
        results,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine_facts(),
        made_with=installed_versions((*MAKERS, "uvicorn", "starlette", "uvloop")),
        bundle=digest,
        variant=variant,
        sentences=len(context.sentences),
    )
