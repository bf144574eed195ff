"""module:function + arguments -> a process of its own that runs what the function prepared, one run at a time."""

import contextlib
import json
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

__all__ = ["HERE", "PREPARE", "Environment", "Reply", "WorkerError", "WorkerProcess", "start_worker"]

PREPARE = "mtl_bench.worker.scenarios:prepare"  # what a process that is measured runs
_MODULE = "mtl_bench.worker.child"
_MOST_SECONDS = 900.0  # of one run: what takes longer hangs
_END_SECONDS = 30.0  # that a process has to end by itself
# Everything measured lies on this disk: what a hub or a usage counter answers must not be in the figures.
_OFFLINE = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}


class WorkerError(MtlError):
    """The child could not do what it was told; the message is its own."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a child runs: an interpreter, folders that it imports from beside its own packages, and variables."""

    python: str = sys.executable
    path: Sequence[Path] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def all_variables(self) -> dict[str, str]:
        """Those of this process too; a child with folders of its own is a peer's, and sees no hub."""
        paths = {**_OFFLINE, "PYTHONPATH": os.pathsep.join(str(folder) for folder in self.path)} if self.path else {}
        return {**os.environ, **paths, **self.variables}


HERE = Environment()


@dataclass(frozen=True, slots=True)
class Reply:
    """One run."""

    seconds: float  # by the child's own clock, pipes not counted
    value: Any


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A process that waits to be told; between runs it does nothing."""

    facts: Mapping[str, Any]
    started: float  # by time.perf_counter, just before its start
    pid: int
    _process: "subprocess.Popen[str]"

    def run(self, name: str, **arguments: Any) -> Reply:
        """Let it do the run ``name``, and wait.

        Raises:
            WorkerError: it failed.
        """
        answer = _ask(self._process, json.dumps({"run": name, "arguments": arguments}))
        return Reply(answer["seconds"], answer["value"])


@contextlib.contextmanager
def start_worker(
    function: str, *, environment: Environment = HERE, log: Path | None = None, **arguments: Any
) -> Iterator[WorkerProcess]:
    """Start a process, let it prepare, and end it with the block.

    Each way has threads, memory and libraries of its own, so that none disturbs another, and what importing and
    opening cost is not timed.

    Args:
        function: ``module:function`` that returns a :class:`mtl_bench.worker.child.Prepared`.
        environment: default: this process's.
        log: what it prints is added to this file; None: goes to this process's stderr.
        arguments: of the function; JSON.

    Raises:
        WorkerError: it failed.
    """
    with contextlib.ExitStack() as stack:
        stderr = stack.enter_context(log.open("ab")) if log is not None else None
        started = time.perf_counter()
        process = _started(function, environment, stderr)
        stack.callback(_end, process)
        try:
            yield WorkerProcess(_ask(process, json.dumps(arguments))["facts"], started, process.pid, process)
        except (KeyboardInterrupt, SystemExit):  # whoever runs this wants to stop, and not to wait for thirty systems
            _kill(process)
            raise


def _started(function: str, environment: Environment, stderr: IO[bytes] | None) -> "subprocess.Popen[str]":
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


def _end(process: "subprocess.Popen[str]") -> None:
    """It ends when nothing more will come."""
    with contextlib.suppress(BrokenPipeError):
        _pipe(process.stdin).close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)
    _kill(process)
    _pipe(process.stdout).close()


def _kill(process: "subprocess.Popen[str]") -> None:
    """End it, where it does not by itself, and all that it started and left behind."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _ask(process: "subprocess.Popen[str]", line: str) -> dict[str, Any]:
    with contextlib.suppress(BrokenPipeError):  # it has ended, and told why
        _pipe(process.stdin).write(line + "\n")
        _pipe(process.stdin).flush()
    watchdog = threading.Timer(_MOST_SECONDS, _kill, [process])
    watchdog.daemon = True  # a signal may come before it can be cancelled: it must not hold up the end
    try:
        watchdog.start()
        told = _pipe(process.stdout).readline()
    finally:
        watchdog.cancel()
    answer: dict[str, Any] = json.loads(told) if told else {"error": f"it ended with code {process.wait()}"}
    if "error" in answer:
        raise WorkerError(answer["error"])
    return answer


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # noqa: S101 - Popen was told to make pipes
    return stream
