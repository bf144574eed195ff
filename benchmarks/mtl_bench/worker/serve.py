"""``python -m mtl_bench.worker.serve module:function``: prepare once, then run what the parent process asks for.

The first line of stdin holds the function's keyword arguments (JSON); the reply holds the worker's facts. Each further
line names a run and its keyword arguments; its reply holds seconds and value. What libraries print goes to stderr.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

__all__ = ["Worker"]


@dataclass(frozen=True)
class Worker:
    """What a worker process can run; a value must be JSON."""

    runs: Mapping[str, Callable[..., Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)


def main() -> None:
    """Serve until stdin ends."""
    requests, replies = _take_over_pipes()

    def reply(**content: Any) -> None:
        replies.write(json.dumps(content) + "\n")

    try:
        module, _, function = sys.argv[1].partition(":")
        worker: Worker = getattr(importlib.import_module(module), function)(**json.loads(requests.readline()))
        reply(facts=worker.facts)
        for line in requests:
            request = json.loads(line)
            run = worker.runs[request["run"]]
            start = time.perf_counter()
            value = run(**request["arguments"])
            reply(seconds=time.perf_counter() - start, value=value)
    except Exception as error:  # a peer may raise anything, and its failure is a result
        reply(error=f"{type(error).__name__}: {error}")
        raise


def _take_over_pipes() -> tuple[IO[str], IO[str]]:
    """Requests and replies; what a peer starts inherits 0 and 1, and must neither read nor write here."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return requests, replies


if __name__ == "__main__":
    main()
