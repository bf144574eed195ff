"""``python -m mtl_bench.worker.child module:function`` -> a process that prepares once, and runs when told.

It reads the function's keyword arguments from the first line of stdin (JSON), answers with facts, and then with
seconds and value for each further line: the name of a run and its keyword arguments. What libraries print goes to
stderr.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Worker"]


@dataclass(frozen=True)
class Worker:
    """What a child can do; a value must be JSON."""

    runs: Mapping[str, Callable[..., Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)


def main() -> None:
    """Serve until stdin ends."""
    # What a peer starts inherits 0 and 1: it must neither eat commands nor write between answers.
    commands, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)

    def tell(**content: Any) -> None:
        answers.write(json.dumps(content) + "\n")

    try:
        module, _, function = sys.argv[1].partition(":")
        prepared: Worker = getattr(importlib.import_module(module), function)(**json.loads(commands.readline()))
        tell(facts=prepared.facts)
        for line in commands:
            told = json.loads(line)
            run = prepared.runs[told["run"]]
            start = time.perf_counter()
            value = run(**told["arguments"])
            tell(seconds=time.perf_counter() - start, value=value)
    except Exception as error:  # a peer raises what it likes, and its failure is a result
        tell(error=f"{type(error).__name__}: {error}")
        raise


if __name__ == "__main__":
    main()
