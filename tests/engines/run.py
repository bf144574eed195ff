"""Jobs on engines and object stores as their makers publish them: each in an environment of its own, none skipped.

``python -m tests.engines.run [NAME...]`` runs all, or those named. An engine is a file with its packages in
requirements/ and a module test_NAME.py. What it shares with this project (pytest, numpy, pyarrow, onnxruntime) is that
of the environment which runs this script, whose folder comes after the engine's own. Environments stay in build/engines
until their packages change. MTL_ENGINE_KILLS=10 kills as often as a release asks for, in place of once.
"""

import os
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.environments import ROOT, find_modules, prepare_environment, run_tests

HERE = Path(__file__).resolve().parent
BUILD = ROOT / "build" / "engines"


def main(names: Sequence[str]) -> None:
    engines = find_modules(HERE, "engine")
    if unknown := sorted(set(names) - set(engines)):
        raise SystemExit(f"no engine {unknown[0]!r}; there are: {', '.join(engines)}")
    pythons = {
        name: prepare_environment(
            BUILD / name, HERE / "requirements" / f"{name}.txt", shared=sysconfig.get_path("purelib")
        )
        for name in names or engines
    }
    variables = environment_of_tests()
    failed = [name for name, python in pythons.items() if not run_tests(python, HERE / f"test_{name}.py", variables)]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def environment_of_tests() -> Mapping[str, str]:
    """Variables of the tests; a machine that is busy starts a node of Ray more slowly than Ray expects."""
    patience = {"RAY_raylet_start_wait_time_s": "180", "RAY_health_check_timeout_ms": "60000"}
    path = os.pathsep.join((str(ROOT), str(ROOT / "runtime")))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **patience}


if __name__ == "__main__":
    main(sys.argv[1:])
