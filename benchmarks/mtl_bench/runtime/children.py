"""module:function + arguments -> a process of its own that runs what the function prepared, one run at a time."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from mtl_runtime.errors import MtlError

__all__ = ["Child", "ChildError", "Done", "child"]


class ChildError(MtlError):
    """The child could not do what it was told; the message is its own."""


@dataclass(frozen=True, slots=True)
class Done:
    """One run."""

    seconds: float  # by the child's own clock, pipes not counted
    value: Any


@dataclass(frozen=True, slots=True)
class Child:
    """A process that waits to be told; between runs it does nothing."""

    facts: Mapping[str, Any]
    _process: "subprocess.Popen[str]"

    def run(self, name: str) -> Done:
        """Let it do the run ``name``, and wait.

        Raises:
            ChildError: it failed.
        """
        answer = _ask(self._process, name)
        return Done(answer["seconds"], answer["value"])


@contextlib.contextmanager
def child(function: str, **arguments: Any) -> Iterator[Child]:
    """Start a process, let it prepare, and end it with the block.

    Each way has threads, memory and libraries of its own, so that none disturbs another, and what importing and
    opening cost is not timed.

    Args:
        function: ``module:function`` that returns a :class:`mtl_bench.runtime.child.Prepared`.
        arguments: of the function; JSON.

    Raises:
        ChildError: it failed.
    """
    command = [sys.executable, "-m", "mtl_bench.runtime.child", function]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        yield Child(_ask(process, json.dumps(arguments))["facts"], process)
    finally:
        with contextlib.suppress(BrokenPipeError):
            _pipe(process.stdin).close()
        process.wait()
        _pipe(process.stdout).close()


def _ask(process: "subprocess.Popen[str]", line: str) -> dict[str, Any]:
    with contextlib.suppress(BrokenPipeError):  # it has ended, and told why
        _pipe(process.stdin).write(line + "\n")
        _pipe(process.stdin).flush()
    told = _pipe(process.stdout).readline()
    answer: dict[str, Any] = json.loads(told) if told else {"error": f"it ended with code {process.wait()}"}
    if "error" in answer:
        raise ChildError(answer["error"])
    return answer


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # noqa: S101 - Popen was told to make pipes
    return stream
