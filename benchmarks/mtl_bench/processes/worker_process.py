"""module:function + arguments -> a process of its own that runs, one by one, what the function prepared."""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from mtl_runtime.errors import MtlError

__all__ = [
    "PREPARE_SCENARIOS",
    "THIS_ENVIRONMENT",
    "Environment",
    "Reply",
    "WorkerError",
    "WorkerProcess",
    "start_worker",
]

PREPARE_SCENARIOS = "mtl_bench.worker.scenarios:prepare"  # the function of a process that is measured

_log = logging.getLogger(__name__)
_MODULE = "mtl_bench.worker.serve"
_RUN_SECONDS = 900.0  # a run that takes longer hangs
_END_SECONDS = 30.0  # that a process has to end by itself
# Everything measured lies on this disk: what a hub or a usage counter answers must not be in the figures.
_OFFLINE = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "ORT_DISABLE_TELEMETRY": "1"}


class WorkerError(MtlError):
    """The worker process could not do what it was asked for; the message is its own."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a worker process runs: an interpreter, further folders that it imports from, and variables."""

    python: str = sys.executable
    path: Sequence[Path] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def all_variables(self) -> dict[str, str]:
        """Those of this process too; a worker with folders of its own is a peer's, and sees no hub."""
        paths = {**_OFFLINE, "PYTHONPATH": os.pathsep.join(str(folder) for folder in self.path)} if self.path else {}
        return {**os.environ, **paths, **self.variables}


THIS_ENVIRONMENT = Environment()


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of one run."""

    seconds: float  # by the worker's own clock, pipes not counted
    value: Any


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A process that waits for requests; between runs it does nothing."""

    facts: Mapping[str, Any]
    started: float  # by time.perf_counter, just before its start
    pid: int
    _process: "subprocess.Popen[str]"

    def run(self, name: str, **arguments: Any) -> Reply:
        """Let it do the run ``name``, and wait.

        Raises:
            WorkerError: it failed.
        """
        reply = _request(self._process, {"run": name, "arguments": arguments})
        return Reply(reply["seconds"], reply["value"])


@contextlib.contextmanager
def start_worker(
    function: str, *, environment: Environment = THIS_ENVIRONMENT, log: Path | None = None, **arguments: Any
) -> Iterator[WorkerProcess]:
    """Start a process, let it prepare, and end it with the block.

    Each process has threads, memory and libraries of its own, so that none disturbs another, and the cost of importing
    and opening is not timed.

    Args:
        function: ``module:function`` that returns a :class:`mtl_bench.worker.serve.Worker`.
        environment: default: this process's.
        log: file to which its output is appended; None: the output goes to this process's stderr.
        arguments: of the function; JSON.

    Raises:
        WorkerError: it failed.
    """
    with contextlib.ExitStack() as stack:
        stderr = stack.enter_context(log.open("ab")) if log is not None else None
        started = time.perf_counter()
        process = _spawn(function, environment, stderr)
        _log.debug("process %d started: %s", process.pid, function)
        stack.callback(_stop, process)
        try:
            yield WorkerProcess(_request(process, arguments)["facts"], started, process.pid, process)
        except (KeyboardInterrupt, SystemExit):  # whoever runs this wants to stop, and not to wait for thirty systems
            _kill(process)
            raise


def _spawn(function: str, environment: Environment, stderr: IO[bytes] | None) -> "subprocess.Popen[str]":
    """A process in a group of its own, so that what it starts can be ended with it."""
    try:
        return subprocess.Popen(
            [environment.python, "-m", _MODULE, function],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment.all_variables(),
            start_new_session=True,
        )
    except OSError as error:
        raise WorkerError(f"{environment.python} cannot be started ({error.strerror})") from error


def _stop(process: "subprocess.Popen[str]") -> None:
    """Close its stdin, at whose end it ends by itself."""
    with contextlib.suppress(BrokenPipeError):
        _pipe(process.stdin).close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)
    _kill(process)
    _pipe(process.stdout).close()
    _log.debug("process %d ended with code %s", process.pid, process.returncode)


def _kill(process: "subprocess.Popen[str]") -> None:
    """End it, where it does not end by itself, and everything that it started and left behind."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _request(process: "subprocess.Popen[str]", content: Mapping[str, Any]) -> dict[str, Any]:
    line = json.dumps(content)
    with contextlib.suppress(BrokenPipeError):  # it has ended, and its last reply says why
        _pipe(process.stdin).write(line + "\n")
        _pipe(process.stdin).flush()
    watchdog = threading.Timer(_RUN_SECONDS, _kill, [process])
    watchdog.daemon = True  # a signal may come before it can be cancelled: it must not delay the end
    try:
        watchdog.start()
        answer = _pipe(process.stdout).readline()
    finally:
        watchdog.cancel()
    reply: dict[str, Any] = json.loads(answer) if answer else {"error": f"it ended with code {process.wait()}"}
    if "error" in reply:
        raise WorkerError(reply["error"])
    return reply


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # noqa: S101 - Popen was asked for pipes
    return stream
