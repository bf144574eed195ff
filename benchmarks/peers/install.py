"""requirements/<environment>.txt -> build/peers/<environment>/, each an environment of its own, or <environment>.error.

    python benchmarks/peers/install.py [ENVIRONMENT ...]

An environment is made again where its requirements changed. One that fails does not stop the others and does not make
the command fail: that a peer cannot run is a result, and the benchmark shows the error in its row.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REQUIREMENTS = HERE / "requirements"
ENVIRONMENTS = ROOT / "build" / "peers"
INSTALLED = "installed.txt"  # inside an environment: the requirements that it was made from
_LAST_LINES = 20  # of pip's output that an error holds
_NOISE = ("WARNING: ", "[notice]")

Run = Callable[[Sequence[str]], None]


class InstallError(Exception):
    """A step failed; the message is the end of its output."""


def run(command: Sequence[str]) -> None:
    """Run a step in the repository's root.

    Raises:
        InstallError: it failed.
    """
    process = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if process.returncode:
        lines = [line for line in process.stdout.splitlines() if line.strip() and not line.startswith(_NOISE)]
        raise InstallError("\n".join(lines[-_LAST_LINES:]) or f"{command[0]} ended with {process.returncode}")


def install(requirements: Path, environments: Path, *, step: Run = run) -> str | None:
    """Make one environment, unless it is there already.

    Args:
        requirements: file whose name, without its ending, is the environment's.
        environments: folder of all environments.
        step: runs a command, or raises InstallError.

    Returns:
        The error, which is also written next to the environment; None: it is there.
    """
    folder, error_file = environments / requirements.stem, environments / f"{requirements.stem}.error"
    wanted, stamp = requirements.read_text("utf-8"), folder / INSTALLED
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    error_file.unlink(missing_ok=True)
    environments.mkdir(parents=True, exist_ok=True)
    try:
        step([sys.executable, "-m", "venv", str(folder)])
        step([str(folder / "bin" / "python"), "-m", "pip", "install", "--requirement", str(requirements)])
    except InstallError as error:
        shutil.rmtree(folder, ignore_errors=True)
        error_file.write_text(f"{error}\n", "utf-8")
        return str(error)
    stamp.write_text(wanted, "utf-8")
    return None


@click.command()
@click.argument("names", nargs=-1)
def main(names: Sequence[str]) -> None:
    """Make the environments NAMES, or all of them."""
    files = {file.stem: file for file in sorted(REQUIREMENTS.glob("*.txt"))}
    if unknown := [name for name in names if name not in files]:
        raise click.UsageError(f"there is no environment {', '.join(unknown)}; there are: {', '.join(files)}")
    failed = []
    for name in names or files:
        start = time.monotonic()
        problem = install(files[name], ENVIRONMENTS)
        failed += [name] if problem else []
        print(f"{name}: {'FAILED' if problem else 'ready'} ({time.monotonic() - start:.0f} s)", flush=True)
        if problem:
            print(f"    {problem.splitlines()[-1]}")
    if failed:
        print(f"{len(failed)} failed: {', '.join(failed)}; the whole errors: {ENVIRONMENTS}/*.error")


if __name__ == "__main__":
    main()
