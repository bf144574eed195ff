"""Jobs on engines and object stores as their makers publish them: each in an environment of its own, none skipped.

``python tests/engines/run.py [NAME...]`` runs all, or those named. An engine is a file with its packages in
requirements/ and a module test_NAME.py. What it shares with this project (pytest, numpy, pyarrow, onnxruntime) is that
of the environment which runs this script, whose folder comes after the engine's own. Environments stay in build/engines
until their packages change. MTL_ENGINE_KILLS=10 kills as often as a release asks for, in place of a few times.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "engines"


def main(names: Sequence[str]) -> None:
    engines = find_engines()
    if unknown := sorted(set(names) - set(engines)):
        raise SystemExit(f"no engine {unknown[0]!r}; there are: {', '.join(engines)}")
    pythons = {name: prepare_environment(name) for name in names or engines}
    failed = [name for name, python in pythons.items() if not run_tests(name, python)]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def find_engines() -> list[str]:
    """Names that have both a file of packages and a module of tests; one without the other would be skipped."""
    listed = {path.stem for path in (HERE / "requirements").glob("*.txt")}
    tested = {path.stem.removeprefix("test_") for path in HERE.glob("test_*.py")}
    if lonely := sorted(listed ^ tested):
        raise SystemExit(f"engine {lonely[0]!r} lacks requirements/{lonely[0]}.txt or test_{lonely[0]}.py")
    return sorted(listed)


def prepare_environment(name: str) -> Path:
    """The Python of an engine's environment, made again if its packages have changed."""
    folder, requirements = BUILD / name, HERE / "requirements" / f"{name}.txt"
    python, mark = folder / "bin" / "python", folder / "installed.txt"
    packages = requirements.read_text("utf-8")
    if not mark.is_file() or mark.read_text("utf-8") != packages:
        started = time.monotonic()
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--requirement", requirements], check=True)
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "shared.pth").write_text(f"{sysconfig.get_path('purelib')}\n", "utf-8")
        mark.write_text(packages, "utf-8")
        print(f"{name}: installed in {time.monotonic() - started:.0f} s", flush=True)
    return python


def run_tests(name: str, python: Path) -> bool:
    """Run one engine's module; conftest.py lets no test be skipped."""
    print(f"{name}:", flush=True)
    # What an engine warns of is its makers' affair.
    options = ["-q", "-W", "default", "-p", "no:cacheprovider", f"--confcutdir={HERE}"]
    path = os.pathsep.join((str(ROOT), str(ROOT / "runtime")))
    # A machine that is busy starts a node of Ray more slowly than Ray expects.
    patience = {"RAY_raylet_start_wait_time_s": "180", "RAY_health_check_timeout_ms": "60000"}
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **patience}
    command = [python, "-m", "pytest", *options, HERE / f"test_{name}.py"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


if __name__ == "__main__":
    main(sys.argv[1:])
