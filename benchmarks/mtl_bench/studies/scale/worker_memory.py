"""bundle -> memory of a worker process that answers a million rows, shard after shard.

    python -m mtl_bench.studies.scale.worker_memory build/demo/bundle -o benchmarks/results/worker_memory.json

Ends with exit code 1 if the worker's memory grows.
"""

import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from mtl_bench.processes.process_tree import find_children, resident_bytes
from mtl_bench.results.files import write_results
from mtl_bench.studies.command_line import study_command
from mtl_bench.studies.scale.predict_command import MTL, write_parquet
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import MachineFacts, machine_facts
from mtl_runtime.errors import CheckFailedError

__all__ = ["WorkerMemoryResults"]

SCHEMA_VERSION = 1
_SHARDS = 50  # of the job
_GROUPS = 10  # row groups of a shard
_SECONDS_BETWEEN_SAMPLES = 0.25
_GROWTH = 1.05  # from the second tenth of the job to the last one: more is a leak


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerMemoryResults:
    """Content of the results file."""

    schema_version: int
    machine: MachineFacts
    made_with: Mapping[str, str]
    bundle_digest: str
    variant: str
    rows: int
    seconds: float
    tenths_mb: tuple[float, ...]  # highest resident memory of the worker, MiB, in each tenth of the job's time

    def problems(self) -> list[str]:
        """Broken promises."""
        _, first, *_, last = self.tenths_mb
        return [f"a worker grew from {first:.0f} to {last:.0f} MiB"] if last > _GROWTH * first else []


def measure_memory(bundle: Path, variant: str, folder: Path, *, rows: int) -> tuple[float, tuple[float, ...]]:
    """Answer a file on one worker process, whose memory is sampled.

    Args:
        bundle: folder.
        variant: of it.
        folder: for the files.
        rows: of the job.

    Returns:
        The job's seconds, and the worker's memory in each tenth of it.

    Raises:
        CheckFailedError: the job failed, or was over before there were samples enough.
    """
    source, target = folder / "memory.parquet", folder / "memory"
    shard_rows = -(-rows // _SHARDS)
    write_parquet(source, rows, seed=2, group_rows=-(-shard_rows // _GROUPS))
    command: list[str | Path] = [*MTL, "predict", bundle, source, "-o", target, "--variant", variant]
    command += ["--on", "local", "--processes", "1", "--shard-rows", str(shard_rows)]
    samples: list[float] = []
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as driver:
        while driver.poll() is None:
            samples += [max(map(resident_bytes, workers)) / 2**20] if (workers := find_children(driver.pid)) else []
            time.sleep(_SECONDS_BETWEEN_SAMPLES)
    if driver.returncode or len(samples) < 10:
        raise CheckFailedError(f"the job ended with exit code {driver.returncode} after {len(samples)} samples")
    tenths = (samples[tenth * len(samples) // 10 : (tenth + 1) * len(samples) // 10] for tenth in range(10))
    return time.perf_counter() - start, tuple(round(max(tenth), 1) for tenth in tenths)


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file (JSON).")
@click.option("--variant", default="cpu-int8", show_default=True)
@click.option("--rows", default=1_000_000, show_default=True, type=click.IntRange(min=1000))
def main(bundle: Path, output: Path, variant: str, rows: int) -> None:
    """Watch the memory of a worker process of BUNDLE (half an hour and more)."""
    with study_command(), tempfile.TemporaryDirectory(prefix="mtl-memory-") as temporary:
        seconds, tenths = measure_memory(bundle, variant, Path(temporary), rows=rows)
        results = WorkerMemoryResults(
            schema_version=SCHEMA_VERSION,
            machine=machine_facts(),
            made_with=installed_versions(),
            bundle_digest=Bundle.open(bundle).digest,
            variant=variant,
            rows=rows,
            seconds=seconds,
            tenths_mb=tenths,
        )
        write_results(results, output)
    if problems := results.problems():
        raise click.ClickException("; ".join(problems))


if __name__ == "__main__":
    main()
