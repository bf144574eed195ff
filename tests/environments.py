"""Tests that need packages of their own: an environment for each, made once, and pytest inside it."""

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"


def find_modules(folder: Path, what: str) -> list[str]:
    """Names that have both a file of packages and a module of tests; one without the other would be skipped."""
    listed = {path.stem for path in (folder / "requirements").glob("*.txt")}
    tested = {path.stem.removeprefix("test_") for path in folder.glob("test_*.py")}
    if lonely := sorted(listed ^ tested):
        raise SystemExit(f"{what} {lonely[0]!r} lacks requirements/{lonely[0]}.txt or test_{lonely[0]}.py")
    return sorted(listed)


def prepare_environment(folder: Path, requirements: Path, *, shared: str | None = None) -> Path:
    """The Python of the environment in ``folder``, made again if its packages have changed.

    Packages of the folder ``shared`` are found too, behind the environment's own.
    """
    python, mark = folder / "bin" / "python", folder / "installed.txt"
    packages = requirements.read_text("utf-8") + CONSTRAINTS.read_text("utf-8")
    if not mark.is_file() or mark.read_text("utf-8") != packages:
        started = time.monotonic()
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--requirement", requirements], check=True)
        if shared is not None:
            (site,) = folder.glob("lib/python*/site-packages")
            (site / "shared.pth").write_text(f"{shared}\n", "utf-8")
        mark.write_text(packages, "utf-8")
        print(f"{folder.name}: installed in {time.monotonic() - started:.0f} s", flush=True)
    return python


def run_tests(python: Path, module: Path, environment: Mapping[str, str]) -> bool:
    """Run one module; the conftest.py beside it lets no test be skipped."""
    print(f"{module.stem}:", flush=True)
    # What other packages warn of is their makers' affair.
    options = ["-q", "-W", "default", "-p", "no:cacheprovider", f"--confcutdir={module.parent}"]
    command = [python, "-m", "pytest", *options, module]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0
