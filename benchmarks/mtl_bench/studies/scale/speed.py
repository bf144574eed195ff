"""bundle -> rows/s of shards on processes of one core each, compared with plain ``mtl predict`` on one core.

    python -m mtl_bench.studies.scale.speed build/demo/bundle -o benchmarks/results/scale_speed.json

Each condition answers a long and a short parquet file in each round, and its rate is that of the difference: so start,
loading and planning count nowhere. Processes are pinned to as many cores as the condition has. What two cores of the
machine can give is measured as two plain commands at once, each pinned to a core of its own: cores that share units
give less than twice one. Ends with exit code 1 if a promise is broken.
"""

import logging
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click

from mtl_bench.results.files import write_results
from mtl_bench.studies.command_line import run_process, study_command
from mtl_bench.studies.scale.predict_command import MTL, write_parquet
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import MachineFacts, machine_facts
from mtl_runtime.errors import CheckFailedError

__all__ = ["ShardCondition", "ShardSpeedResults"]

SCHEMA_VERSION = 1
_log = logging.getLogger(__name__)
_GROUP_ROWS = 1000
_SHORT = 5  # times shorter than the long file
_PLAIN, _TWO_PLAIN = "plain", "two plain commands at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """A row of the table of ways to answer."""

    options: Sequence[str]  # of `mtl predict`
    least: float = 0.0  # rate that is promised, as a multiple of the plain command's
    commands: int = 1  # at once, each on the whole file and on cores of its own
    cores: int = 1  # of each command


_WAYS: Mapping[str, _Way] = {
    _PLAIN: _Way(options=("--threads", "1")),
    "one process": _Way(options=("--on", "local", "--processes", "1"), least=0.95),
    "two processes": _Way(options=("--on", "local", "--processes", "2"), cores=2, least=1.9),
    _TWO_PLAIN: _Way(options=("--threads", "1"), commands=2),
}
# Of what two plain commands give, where that is less than what is promised: then it is the cores that share units.
_OF_THE_MACHINE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCondition:
    """Rows/s of one way to answer, in each round."""

    cores: int
    rows_per_second: tuple[float, ...]
    times_plain: float  # median of the rounds' ratios
    least: float  # what is promised of it


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSpeedResults:
    """Content of the results file."""

    schema_version: int
    machine: MachineFacts
    made_with: Mapping[str, str]
    bundle_digest: str
    variant: str
    rows: int  # of the long file
    conditions: Mapping[str, ShardCondition]

    def problems(self) -> list[str]:
        """Broken promises."""
        limit = _OF_THE_MACHINE * self.conditions[_TWO_PLAIN].times_plain
        return [
            f"{name}: {condition.times_plain:.2f} times plain, promised are {least:.2f}"
            for name, condition in self.conditions.items()
            if condition.times_plain
            < (least := min(condition.least, limit if condition.cores > 1 else condition.least))
        ]


def _time(bundle: Path, variant: str, way: _Way, source: Path, target: Path) -> float:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < way.commands * way.cores:
        raise CheckFailedError(f"{way.commands * way.cores} cores are needed, this process may use {len(allowed)}")
    shards = ("--shard-rows", str(_GROUP_ROWS)) if "--on" in way.options else ()

    def run(number: int) -> None:
        cores = ",".join(map(str, allowed[number * way.cores : (number + 1) * way.cores]))
        output = target.with_name(f"{target.name}-{number}{'' if shards else '.parquet'}")
        command = ["taskset", "-c", cores, *MTL, "predict", bundle, source, "-o", output, "--variant", variant]
        run_process("mtl predict", [*command, *way.options, *shards], {**os.environ, "OMP_NUM_THREADS": "1"})

    started = time.perf_counter()
    with ThreadPoolExecutor(way.commands) as pool:
        list(pool.map(run, range(way.commands)))
    return time.perf_counter() - started


def _compare(bundle: Path, variant: str, folder: Path, *, rows: int, rounds: int) -> dict[str, ShardCondition]:
    long, short = folder / "long.parquet", folder / "short.parquet"
    write_parquet(long, rows, seed=0, group_rows=_GROUP_ROWS)
    write_parquet(short, rows // _SHORT, seed=1, group_rows=_GROUP_ROWS)
    rates: dict[str, list[float]] = {name: [] for name in _WAYS}
    for number in range(rounds):
        for position, (name, way) in enumerate(_WAYS.items()):
            seconds = [
                _time(bundle, variant, way, source, folder / f"{number}-{position}-{source.stem}")
                for source in (long, short)
            ]
            rates[name].append(way.commands * (rows - rows // _SHORT) / (seconds[0] - seconds[1]))
            _log.info("round %d, %s: %.0f rows/s", number + 1, name, rates[name][-1])
    return {
        name: ShardCondition(
            cores=way.commands * way.cores,
            rows_per_second=tuple(rates[name]),
            times_plain=median(rate / plain for rate, plain in zip(rates[name], rates[_PLAIN], strict=True)),
            least=way.least,
        )
        for name, way in _WAYS.items()
    }


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file (JSON).")
@click.option("--variant", default="cpu-int8", show_default=True)
@click.option("--rows", default=20_000, show_default=True, type=click.IntRange(min=100), help="Of the long file.")
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(min=1))
def main(bundle: Path, output: Path, variant: str, rows: int, rounds: int) -> None:
    """Measure shards of BUNDLE on processes of one core each (a quarter of an hour)."""
    with study_command(), tempfile.TemporaryDirectory(prefix="mtl-scale-") as temporary:
        folder = Path(temporary)
        results = ShardSpeedResults(
            schema_version=SCHEMA_VERSION,
            machine=machine_facts(),
            made_with=installed_versions(),
            bundle_digest=Bundle.open(bundle).digest,
            variant=variant,
            rows=rows,
            conditions=_compare(bundle, variant, folder, rows=rows, rounds=rounds),
        )
        write_results(results, output)
    if problems := results.problems():
        raise click.ClickException("; ".join(problems))


if __name__ == "__main__":
    main()
