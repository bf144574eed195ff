"""a bundle -> does `mtl predict` keep its promises for bulk files? Memory, speed, and bytes after kills.

    python -m mtl_bench.studies.bulk_files build/demo/bundle -o benchmarks/results/bulk.json

One process answers a csv of distinct short texts; its peak memory and rows/s are recorded. Then a smaller csv is
answered once in peace, and again by processes that are killed with SIGKILL at random moments and resumed. Ends with
exit code 1 if the memory is over its limit or the bytes differ.
"""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from mtl_runtime.bulk.work_folder import read_job, work_folder_path
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core import records
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import MachineFacts, machine_facts
from mtl_runtime.errors import CheckFailedError

__all__ = ["BulkResult", "Kill", "Kills", "Run", "make_texts"]

SCHEMA_VERSION = 1
_MTL = (sys.executable, "-c", "from mtl_runtime.cli.app import main; main()")
_WORDS = """
    the film was warm funny slow great awful a plot and cast we loved hated nothing council votes on budget next week
    battery died after two days but service answered quickly never again would buy prices rose in march they say
""".split()  # noqa: SIM905 - a list would take a line for each word


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One uninterrupted process."""

    rows: int
    input_bytes: int
    seconds: float  # start and loading included
    rows_per_second: float
    peak_rss_mb: float  # largest resident memory as the kernel told it at the last look, in 2^20 bytes
    sampled_rss_mb: float  # the largest of the looks, ten a second
    sha256: str  # of the output


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One process that was killed."""

    after_seconds: float  # of its start
    chunks_done: int  # by then, this process's and those before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Kills:
    """A file answered again and again by processes that were killed, until there were enough of them."""

    rows: int
    kills: tuple[Kill, ...]
    outputs: int  # finished in spite of them
    identical: int  # of the outputs, to that of the uninterrupted process


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkResult:
    """Content of the results file."""

    schema_version: int
    machine: MachineFacts
    made_with: Mapping[str, str]
    bundle_digest: str
    variant: str
    seed: int
    limit_mb: float
    large: Run
    small: Run
    killed: Kills

    def problems(self) -> list[str]:
        """What was promised and not kept."""
        found = []
        if self.large.peak_rss_mb > self.limit_mb:
            found.append(f"{self.large.peak_rss_mb:.0f} MB of memory, the limit is {self.limit_mb:.0f} MB")
        if self.killed.identical < self.killed.outputs:
            found.append(f"{self.killed.outputs - self.killed.identical} outputs differ after kills")
        return found


def make_texts(path: Path, rows: int, *, seed: int) -> None:
    """Write a csv of ``rows`` distinct texts of 4 to 16 words."""
    draw = random.Random(seed)  # noqa: S311 - a workload, no secret
    with path.open("w", encoding="utf-8") as stream:
        stream.write("id,text\n")
        for row in range(rows):
            stream.write(f"{row},{' '.join(draw.choices(_WORDS, k=draw.randint(3, 15)))} {row}\n")


def run_whole(argv: Sequence[str | Path], source: Path, target: Path, rows: int) -> Run:
    """Run a process to its end and measure it."""
    start = time.perf_counter()
    process = subprocess.Popen([*argv, source, "-o", target, "--json"], stdout=subprocess.DEVNULL)
    peak = sampled = 0.0
    while process.poll() is None:
        # Not from wait4: what it tells of a child begins with the peak of the process that started it.
        peak, sampled = (max(pair) for pair in zip((peak, sampled), _memory_mb(process.pid), strict=True))
        time.sleep(0.1)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise CheckFailedError(f"mtl predict ended with exit code {process.returncode}")
    return Run(
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
    told = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    highest, now = (float(told.get(name, ["0"])[0]) / 1024 for name in ("VmHWM", "VmRSS"))
    return highest, now


def run_killed(argv: Sequence[str | Path], source: Path, target: Path, *, peace: Run, count: int, seed: int) -> Kills:
    """Answer ``source`` with processes that are killed, ``count`` in all, and compare each output that gets done."""
    draw = random.Random(seed)  # noqa: S311 - a workload, no secret
    kills: list[Kill] = []
    outputs = identical = 0
    while len(kills) < count or work_folder_path(target).exists():
        delay = draw.uniform(0, peace.seconds) if len(kills) < count else None
        resume = [*argv, source, "-o", target, "--resume", "--json"]
        with subprocess.Popen(resume, stdout=subprocess.DEVNULL) as process:
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                process.kill()
        if process.returncode == -signal.SIGKILL and delay is not None:
            kills.append(Kill(after_seconds=delay, chunks_done=_chunks_done(target)))
        elif process.returncode:
            raise CheckFailedError(f"mtl predict --resume ended with exit code {process.returncode}")
        if target.exists() and not work_folder_path(target).exists():
            outputs += 1
            identical += _sha256(target) == peace.sha256
            target.unlink()
    return Kills(rows=peace.rows, kills=tuple(kills), outputs=outputs, identical=identical)


def _chunks_done(target: Path) -> int:
    """Chunks that the ledger of ``target`` tells of."""
    if read_job(target) is None:
        return 0
    return max(0, (work_folder_path(target) / "ledger.jsonl").read_bytes().count(b"\n") - 1)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file (JSON).")
@click.option("--variant", default="cpu-int8", show_default=True)
@click.option("--rows", default=1_000_000, show_default=True, type=click.IntRange(min=1))
@click.option("--kills", default=20, show_default=True, type=click.IntRange(min=0))
@click.option("--kill-rows", default=30_000, show_default=True, type=click.IntRange(min=1), help="Rows of the file.")
@click.option("--limit-mb", default=600.0, show_default=True, help="Memory that the large file may take.")
@click.option("--seed", default=0, show_default=True)
def main(
    bundle: Path, output: Path, variant: str, rows: int, kills: int, kill_rows: int, limit_mb: float, seed: int
) -> None:
    """Measure `mtl predict` of BUNDLE on a large file, and kill it on a smaller one."""
    if os.name != "posix" or not Path("/proc/self/status").exists():
        raise click.UsageError("this needs Linux: SIGKILL and /proc.")
    argv: list[str | Path] = [*_MTL, "predict", bundle, "--variant", variant]
    folder = Path(tempfile.mkdtemp(prefix="mtl-bulk-"))
    try:
        large, small = folder / "large.csv", folder / "small.csv"
        make_texts(large, rows, seed=seed)
        make_texts(small, kill_rows, seed=seed + 1)
        whole = run_whole(argv, large, folder / "large.out.csv", rows)
        click.echo(f"{rows:,} rows: {whole.rows_per_second:,.0f} rows/s, {whole.peak_rss_mb:.0f} MB", err=True)
        peace = run_whole(argv, small, folder / "small.out.csv", kill_rows)
        killed = run_killed(argv, small, folder / "killed.csv", peace=peace, count=kills, seed=seed)
    finally:
        shutil.rmtree(folder)
    result = BulkResult(
        schema_version=SCHEMA_VERSION,
        machine=machine_facts(),
        made_with=installed_versions(),
        bundle_digest=Bundle.open(bundle).digest,
        variant=variant,
        seed=seed,
        limit_mb=limit_mb,
        large=whole,
        small=peace,
        killed=killed,
    )
    output.write_text(records.to_json(result), "utf-8")
    click.echo(f"{len(killed.kills)} kills: {killed.identical} of {killed.outputs} outputs identical", err=True)
    if problems := result.problems():
        raise click.ClickException("; ".join(problems))


if __name__ == "__main__":
    main()
