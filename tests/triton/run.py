"""A bundle in a real Triton, which unmodified clients ask: ``python -m tests.triton.run WHEEL``.

Triton, its python backend and a stub for Python 3.8 to 3.13 are in the wheel nvidia-pytriton, for Linux on x86-64; they
need no GPU. WHEEL is that of this project. Everything is installed in one environment in build/triton, where ``mtl
triton`` writes the models; what the library answers is computed outside of it.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.clients.run import BUNDLE, expected_answers, find_free_ports, running
from tests.environments import CONSTRAINTS, ROOT, prepare_environment, run_tests

HERE = Path(__file__).resolve().parent
BUILD = ROOT / "build" / "triton"
TRITON = "nvidia-pytriton==0.7.0"
STUB = "triton_python_backend_stub"
MODEL = "bundle"


def main(wheel: Path) -> None:
    python = prepare_environment(BUILD / "environment", HERE / "requirements.txt")
    install(python, wheel)
    repository, expected = BUILD / "repository", BUILD / "expected.json"
    shutil.rmtree(repository, ignore_errors=True)
    write_model = [python.with_name("mtl"), "triton", BUNDLE, "-o", repository, "--name", MODEL]
    subprocess.run(write_model, check=True)
    expected.write_text(json.dumps(expected_answers()), "utf-8")
    with running_triton(python, repository, BUILD / "triton.log") as addresses:
        environment = {
            **os.environ,
            **addresses,
            "MTL_TEST_EXPECTED": str(expected),
            "MTL_TEST_WRITE_MODEL": json.dumps([*map(str, write_model), "--force"]),
        }
        passed = run_tests(python, HERE / "test_tritonserver.py", environment)
    if not passed:
        raise SystemExit(f"failed; Triton's log is {BUILD / 'triton.log'}")


def install(python: Path, wheel: Path) -> None:
    """Put Triton and this project into the environment, with the versions of constraints.txt that its clients allow."""
    constraints = BUILD / "constraints.txt"
    held_back = ("numpy==", "protobuf==", "ml_dtypes==")
    lines = [line for line in CONSTRAINTS.read_text("utf-8").splitlines() if not line.startswith(held_back)]
    constraints.write_text("\n".join(lines), "utf-8")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", TRITON], check=True)
    subprocess.run([*pip, "--constraint", constraints, f"{wheel}[cpu]"], check=True)
    subprocess.run(
        [*pip, "--no-deps", "--force-reinstall", wheel], check=True
    )  # a wheel of the same version, built again


@contextlib.contextmanager
def running_triton(python: Path, repository: Path, log: Path) -> Iterator[dict[str, str]]:
    """Triton as a process, until the end of the block; gives the variables that lead to it."""
    port, grpc_port = find_free_ports()
    packages = next((python.parents[1] / "lib").glob("python3.*/site-packages"))
    triton, backends = packages / "pytriton" / "tritonserver", BUILD / "backends"
    lay_out_backends(triton, backends, packages.parent.name.removeprefix("python"))
    command = [triton / "bin" / "tritonserver", "--model-repository", repository, "--backend-directory", backends]
    command += ["--model-control-mode", "explicit", "--load-model", "*", "--allow-metrics", "false"]
    command += [
        "--http-address",
        "127.0.0.1",
        "--http-port",
        port,
        "--grpc-address",
        "127.0.0.1",
        "--grpc-port",
        grpc_port,
    ]
    # The stub finds the packages of the first python3 on the PATH, as a shell in which the environment is active does.
    environment = {
        **os.environ,
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs"),
    }
    with running(command, f"http://127.0.0.1:{port}", log, env=environment):
        yield {"MTL_TEST_URL": f"http://127.0.0.1:{port}", "MTL_TEST_GRPC": f"127.0.0.1:{grpc_port}"}


def lay_out_backends(triton: Path, backends: Path, version: str) -> None:
    """Put the stub for this version of Python where Triton looks for it, and let it and the server be executed."""
    shutil.rmtree(backends, ignore_errors=True)
    shutil.copytree(triton / "backends", backends)
    stub = backends / "python" / STUB
    shutil.copyfile(triton / "python_backend_stubs" / version / STUB, stub)
    for program in (stub, triton / "bin" / "tritonserver"):
        program.chmod(0o755)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
