"""bundle folder -> what became of it in a process of its own, within a time limit."""

import json
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

__all__ = ["LIMIT_SECONDS", "Opened", "Opener"]

LIMIT_SECONDS = 5.0
_STARTING_SECONDS = 60.0  # imports, and the first load
_COMMAND = (sys.executable, "-m", "mtl_bench.studies.hostile.open_bundles")


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of a bundle."""

    seconds: float
    decisions: Any = None  # of the texts, where it answered
    refused: str | None = None  # the line
    fault: str | None = None  # a traceback, a crash or a hang


class Opener:
    """A process that opens bundles, started again where one of them ended it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def open(self, bundle: Path, *, variant: str, isolate: bool = False, seconds: float = LIMIT_SECONDS) -> Opened:
        """Load a variant and answer the texts.

        Args:
            bundle: its folder.
            variant: name of the variant.
            isolate: as in :func:`mtl_runtime.load`.
            seconds: after which it hangs; the start of a new process is not counted.
        """
        process = self._process or self._start()
        start = time.monotonic()
        answer = self._ask(process, {"bundle": str(bundle), "variant": variant, "isolate": isolate}, seconds)
        took = time.monotonic() - start
        if answer is None:
            hung = process.poll() is None
            code = None if hung else process.returncode
            self._stop()
            return Opened(took, fault=f"no answer within {seconds:g} s" if hung else f"the process ended with {code}")
        return Opened(took, answer.get("decisions"), answer.get("refused"), _fault(answer))

    def _ask(self, process: "subprocess.Popen[str]", request: Mapping[str, Any], seconds: float) -> Any:
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            process.wait(1)
            return None
        ready, _, _ = select.select([process.stdout], [], [], seconds)
        line = process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        if ready:
            process.wait(10)
        return None

    def _start(self) -> "subprocess.Popen[str]":
        self._process = subprocess.Popen(
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        # A bundle that is not there: everything is imported once it is refused.
        self._ask(self._process, {"bundle": "", "variant": "", "isolate": False}, _STARTING_SECONDS)
        return self._process

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _fault(answer: Mapping[str, Any]) -> str | None:
    line = answer.get("refused")
    if line is not None and ("\n" in line or len(line) > 500):
        return f"not one line of 500 characters: {line[:200]!r}"
    trace: str | None = answer.get("traceback")
    return None if trace is None else f"a traceback: {trace}"
