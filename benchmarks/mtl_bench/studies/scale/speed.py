"""bundle -> rows/s of shards on processes of one core each, compared with plain ``mtl predict`` on one core; memory.

    python -m mtl_bench.studies.scale.speed build/demo/bundle -o benchmarks/results/scale_speed.json

Each condition answers a long and a short parquet file in each round, and its rate is that of the difference: so start,
loading and planning count nowhere. Processes are pinned to as many cores as the condition has. Ends with exit code 1 if
a promise is broken.
"""

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click

from mtl_bench.results.files import write_results
from mtl_bench.studies.bulk_files import write_texts
from mtl_bench.studies.command_line import run_process, study_command
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import MachineFacts, machine_facts
from mtl_runtime.errors import CheckFailedError

__all__ = ["ShardCondition", "ShardSpeedResults", "WorkerMemory"]

SCHEMA_VERSION = 1
_log = logging.getLogger(__name__)
_MTL = (sys.executable, "-c", "from mtl_runtime.cli.app import main; main()")
_GROUP_ROWS = 2000
_SHORT = 5  # times shorter than the long file
_SECONDS_BETWEEN_SAMPLES = 0.5
# Condition -> cores, the options of `mtl predict`, and the least rate compared with plain.
_PLAIN = "plain"
_CONDITIONS: Mapping[str, tuple[int, Sequence[str], float]] = {
    _PLAIN: (1, ("--threads", "1"), 1.0),
    "one process": (1, ("--on", "local", "--processes", "1"), 0.95),
    "two processes": (2, ("--on", "local", "--processes", "2"), 1.9),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCondition:
    """Rows/s of one way to answer, in each round."""

    cores: int
    rows_per_second: tuple[float, ...]
    times_plain: float  # median of the rounds' ratios
    least: float  # what is promised of it


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerMemory:
    """Resident memory of a worker process over a job."""

    rows: int
    first_mb: float  # highest in the second tenth of the job
    last_mb: float  # highest in the last tenth


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
    memory: WorkerMemory

    def problems(self) -> list[str]:
        """Broken promises."""
        problems = [
            f"{name}: {condition.times_plain:.2f} times plain, promised are {condition.least}"
            for name, condition in self.conditions.items()
            if condition.times_plain < condition.least
        ]
        if self.memory.last_mb > 1.05 * self.memory.first_mb:
            problems.append(f"a worker grew from {self.memory.first_mb:.0f} to {self.memory.last_mb:.0f} MB")
        return problems


def _write_parquet(path: Path, rows: int, *, seed: int) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    texts = path.with_suffix(".csv")
    write_texts(texts, rows, seed=seed)
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(texts), path, row_group_size=_GROUP_ROWS)
    texts.unlink()


def _time(bundle: Path, variant: str, name: str, source: Path, target: Path) -> float:
    cores, options, _ = _CONDITIONS[name]
    target = target.with_suffix(".parquet") if name == _PLAIN else target
    shards = () if name == _PLAIN else ("--shard-rows", str(_GROUP_ROWS))
    command = [*_pin(cores), *_MTL, "predict", bundle, source, "-o", target, "--variant", variant, *options, *shards]
    started = time.perf_counter()
    run_process(name, command, {**os.environ, "OMP_NUM_THREADS": "1"})
    return time.perf_counter() - started


def _pin(cores: int) -> list[str]:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < cores:
        raise CheckFailedError(f"{cores} cores are needed, this process may use {len(allowed)}")
    return ["taskset", "-c", ",".join(map(str, allowed[:cores]))]


def _compare(bundle: Path, variant: str, folder: Path, *, rows: int, rounds: int) -> dict[str, ShardCondition]:
    long, short = folder / "long.parquet", folder / "short.parquet"
    _write_parquet(long, rows, seed=0)
    _write_parquet(short, rows // _SHORT, seed=1)
    rates: dict[str, list[float]] = {name: [] for name in _CONDITIONS}
    for number in range(rounds):
        for name in _CONDITIONS:
            seconds = [
                _time(bundle, variant, name, source, folder / f"{number}-{name.replace(' ', '-')}-{source.stem}")
                for source in (long, short)
            ]
            rates[name].append((rows - rows // _SHORT) / (seconds[0] - seconds[1]))
            _log.info("round %d, %s: %.0f rows/s", number + 1, name, rates[name][-1])
    return {
        name: ShardCondition(
            cores=cores,
            rows_per_second=tuple(rates[name]),
            times_plain=median(rate / plain for rate, plain in zip(rates[name], rates[_PLAIN], strict=True)),
            least=least,
        )
        for name, (cores, _, least) in _CONDITIONS.items()
    }


def _watch_memory(bundle: Path, variant: str, folder: Path, *, rows: int) -> WorkerMemory:
    """Answer a file on one worker process, whose memory is sampled."""
    source, target = folder / "memory.parquet", folder / "memory"
    _write_parquet(source, rows, seed=2)
    command: list[str | Path] = [*_MTL, "predict", bundle, source, "-o", target, "--variant", variant]
    command += ["--on", "local", "--processes", "1", "--shard-rows", str(10 * _GROUP_ROWS)]
    samples: list[float] = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as driver:
        while driver.poll() is None:
            samples += [_resident_mb(pid) for pid in _children(driver.pid)]
            time.sleep(_SECONDS_BETWEEN_SAMPLES)
    if driver.returncode or len(samples) < 10:
        raise CheckFailedError(f"the job whose memory is sampled ended with exit code {driver.returncode}")
    tenth = len(samples) // 10
    return WorkerMemory(rows=rows, first_mb=max(samples[tenth : 2 * tenth]), last_mb=max(samples[-tenth:]))


def _children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            facts = status.read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(facts[1]) == pid:
            found.append(int(status.parent.name))
    return found


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1])
    except OSError:  # it has just ended
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file (JSON).")
@click.option("--variant", default="cpu-int8", show_default=True)
@click.option("--rows", default=60_000, show_default=True, type=click.IntRange(min=100), help="Of the long file.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--memory-rows", default=1_000_000, show_default=True, type=click.IntRange(min=100))
def main(bundle: Path, output: Path, variant: str, rows: int, rounds: int, memory_rows: int) -> None:
    """Measure shards of BUNDLE on processes of one core each, and their memory (over an hour)."""
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
            memory=_watch_memory(bundle, variant, folder, rows=memory_rows),
        )
        write_results(results, output)
    if problems := results.problems():
        raise click.ClickException("; ".join(problems))


if __name__ == "__main__":
    main()
