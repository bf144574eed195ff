"""a bundle -> does `mtl predict` keep its promises for bulk files? Memory, speed, and bytes after kills.

    python -m mtl_bench.studies.bulk_files build/demo/bundle -o benchmarks/results/bulk.json

One process answers a csv of distinct short texts; its peak memory and rows/s are recorded. Then a smaller csv is
answered by one uninterrupted process, and again by processes that are killed with SIGKILL at random moments and
resumed. Ends with exit code 1 if the memory is over its limit or the bytes differ.
"""

import hashlib
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from mtl_bench.effort import BULK_STUDY, Effort
from mtl_bench.results.files import write_results
from mtl_bench.studies.command_line import study_command
from mtl_runtime.bulk.work_folder import read_job, work_folder_path
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import MachineFacts, machine_facts
from mtl_runtime.errors import CheckFailedError

__all__ = ["BulkFilesResults", "KilledRuns", "ProcessKill", "UninterruptedRun", "write_texts"]

SCHEMA_VERSION = 1

_log = logging.getLogger(__name__)
_MTL = (sys.executable, "-c", "from mtl_runtime.cli.app import main; main()")
_WORDS = """
    the film was warm funny slow great awful a plot and cast we loved hated nothing council votes on budget next week
    battery died after two days but service answered quickly never again would buy prices rose in march they say
""".split()  # noqa: SIM905 - a list would take a line for each word

Command = Sequence[str | Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class UninterruptedRun:
    """One process that ran to its end."""

    rows: int
    input_bytes: int
    seconds: float  # start and loading included
    rows_per_second: float
    peak_rss_mb: float  # largest resident memory by the kernel's count at the last sample, in 2^20 bytes
    sampled_rss_mb: float  # the largest of the samples, ten a second
    sha256: str  # of the output


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessKill:
    """One process that was killed."""

    after_seconds: float  # of its start
    chunks_done: int  # by then, by this process and those before it


@dataclass(frozen=True, slots=True, kw_only=True)
class KilledRuns:
    """A file answered again and again by processes that were killed, until there were enough kills."""

    rows: int
    kills: tuple[ProcessKill, ...]
    outputs: int  # finished in spite of them
    identical: int  # of the outputs, to that of the uninterrupted process


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkFilesResults:
    """Content of the results file."""

    schema_version: int
    machine: MachineFacts
    made_with: Mapping[str, str]
    bundle_digest: str
    variant: str
    seed: int
    limit_mb: float
    large: UninterruptedRun
    small: UninterruptedRun
    killed: KilledRuns

    def problems(self) -> list[str]:
        """Broken promises."""
        problems = []
        if self.large.peak_rss_mb > self.limit_mb:
            problems.append(f"{self.large.peak_rss_mb:.0f} MB of memory, the limit is {self.limit_mb:.0f} MB")
        if self.killed.identical < self.killed.outputs:
            problems.append(f"{self.killed.outputs - self.killed.identical} outputs differ after kills")
        return problems


def write_texts(path: Path, rows: int, *, seed: int) -> None:
    """Write a csv of ``rows`` distinct texts of 4 to 16 words."""
    draw = random.Random(seed)  # noqa: S311 - a workload, no secret
    with path.open("w", encoding="utf-8") as stream:
        stream.write("id,text\n")
        for row in range(rows):
            stream.write(f"{row},{' '.join(draw.choices(_WORDS, k=draw.randint(3, 15)))} {row}\n")


def run_uninterrupted(command: Command, source: Path, target: Path, rows: int) -> UninterruptedRun:
    """Run a process to its end and measure it."""
    start = time.perf_counter()
    process = subprocess.Popen([*command, source, "-o", target, "--json"], stdout=subprocess.DEVNULL)
    peak = sampled = 0.0
    while process.poll() is None:
        # Not from wait4: its figure of a child begins with the peak of the process that started it.
        peak, sampled = (max(pair) for pair in zip((peak, sampled), _memory_mb(process.pid), strict=True))
        time.sleep(0.1)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise CheckFailedError(f"mtl predict ended with exit code {process.returncode}")
    return UninterruptedRun(
        rows=rows,
        input_bytes=source.stat().st_size,
        seconds=seconds,
        rows_per_second=rows / seconds,
        peak_rss_mb=peak,
        sampled_rss_mb=sampled,
        sha256=_sha256(target),
    )


def _memory_mb(pid: int) -> tuple[float, float]:
    """Resident memory of a process, at its highest and now; zeros once it has ended."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    fields = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    highest, now = (float(fields.get(name, ["0"])[0]) / 1024 for name in ("VmHWM", "VmRSS"))
    return highest, now


def run_killed(
    command: Command, source: Path, target: Path, *, uninterrupted: UninterruptedRun, count: int, seed: int
) -> KilledRuns:
    """Answer ``source`` with processes that are killed, ``count`` in all, and compare each finished output."""
    draw = random.Random(seed)  # noqa: S311 - a workload, no secret
    kills: list[ProcessKill] = []
    outputs = identical = 0
    while len(kills) < count or work_folder_path(target).exists():
        delay = draw.uniform(0, uninterrupted.seconds) if len(kills) < count else None
        if _resume(command, source, target, delay):
            kills.append(ProcessKill(after_seconds=delay or 0.0, chunks_done=_chunks_done(target)))
            _log.debug("kill %d of %d", len(kills), count)
        if target.exists() and not work_folder_path(target).exists():
            outputs += 1
            identical += _sha256(target) == uninterrupted.sha256
            target.unlink()
    return KilledRuns(rows=uninterrupted.rows, kills=tuple(kills), outputs=outputs, identical=identical)


def _resume(command: Command, source: Path, target: Path, delay: float | None) -> bool:
    """Run a process for so many seconds, or to its end; whether it was killed."""
    with subprocess.Popen([*command, source, "-o", target, "--resume", "--json"], stdout=subprocess.DEVNULL) as process:
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.kill()
    if process.returncode == -signal.SIGKILL and delay is not None:
        return True
    if process.returncode:
        raise CheckFailedError(f"mtl predict --resume ended with exit code {process.returncode}")
    return False


def _chunks_done(target: Path) -> int:
    """Number of chunks in the journal of ``target``."""
    if read_job(target) is None:
        return 0
    return max(0, (work_folder_path(target) / "ledger.jsonl").read_bytes().count(b"\n") - 1)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _measure(bundle: Path, effort: Effort, *, variant: str, limit_mb: float, seed: int) -> BulkFilesResults:
    command: Command = [*_MTL, "predict", bundle, "--variant", variant]
    with tempfile.TemporaryDirectory(prefix="mtl-bulk-") as temporary:
        folder = Path(temporary)
        large, small = folder / "large.csv", folder / "small.csv"
        write_texts(large, effort.bulk_rows, seed=seed)
        write_texts(small, effort.killed_rows, seed=seed + 1)
        large_run = run_uninterrupted(command, large, folder / "large.out.csv", effort.bulk_rows)
        rows, rate = f"{effort.bulk_rows:,}", f"{large_run.rows_per_second:,.0f}"
        _log.info("%s rows: %s rows/s, %.0f MB", rows, rate, large_run.peak_rss_mb)
        small_run = run_uninterrupted(command, small, folder / "small.out.csv", effort.killed_rows)
        killed = run_killed(
            command, small, folder / "killed.csv", uninterrupted=small_run, count=effort.kills, seed=seed
        )
    _log.info("%d kills: %d of %d outputs identical", len(killed.kills), killed.identical, killed.outputs)
    return BulkFilesResults(
        schema_version=SCHEMA_VERSION,
        machine=machine_facts(),
        made_with=installed_versions(),
        bundle_digest=Bundle.open(bundle).digest,
        variant=variant,
        seed=seed,
        limit_mb=limit_mb,
        large=large_run,
        small=small_run,
        killed=killed,
    )


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file (JSON).")
@click.option("--variant", default="cpu-int8", show_default=True)
@click.option("--rows", default=BULK_STUDY.bulk_rows, show_default=True, type=click.IntRange(min=1))
@click.option("--kills", default=BULK_STUDY.kills, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--kill-rows",
    default=BULK_STUDY.killed_rows,
    show_default=True,
    type=click.IntRange(min=1),
    help="Rows of the file whose processes are killed.",
)
@click.option("--limit-mb", default=600.0, show_default=True, help="Memory that the large file may take.")
@click.option("--seed", default=0, show_default=True)
def main(
    bundle: Path, output: Path, variant: str, rows: int, kills: int, kill_rows: int, limit_mb: float, seed: int
) -> None:
    """Measure `mtl predict` of BUNDLE on a large file, and kill it on a smaller one."""
    if os.name != "posix" or not Path("/proc/self/status").exists():
        raise click.UsageError("this needs Linux: SIGKILL and /proc.")
    effort = replace(BULK_STUDY, bulk_rows=rows, kills=kills, killed_rows=kill_rows)
    with study_command():
        results = _measure(bundle, effort, variant=variant, limit_mb=limit_mb, seed=seed)
        write_results(results, output)
    if problems := results.problems():
        raise click.ClickException("; ".join(problems))


if __name__ == "__main__":
    main()
