"""contenders -> ColdStart of each: fresh processes from their start to their first answer, in turn."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mtl_bench.children import ChildError, child
from mtl_bench.contenders import Contender
from mtl_bench.rounds import interleaved
from mtl_bench.schema import ColdStart, Values
from mtl_bench.sittings import opened

__all__ = ["cold_starts"]

_REFERENCE = "reference product"


def cold_starts(
    rows: Mapping[str, Contender], text: str, *, processes: int, step: Callable[[str], None]
) -> tuple[dict[str, ColdStart], Values]:
    """Start ``processes`` of each; files are in the page cache, since each has been opened before.

    Returns:
        By system; and the reference product's seconds, one in each round.

    Raises:
        ChildError: one failed that had worked before; the message tells which.
    """
    with child("mtl_bench.reference:prepare") as reference:
        reference.run("product")
        runs: dict[str, Callable[[], Any]] = {_REFERENCE: lambda: (reference.run("product").seconds,)}
        runs |= {name: partial(_first_answer, name, row, text) for name, row in rows.items()}
        done = interleaved(runs, rounds=processes, report=lambda line: step(f"cold start, {line}"))
    products = tuple(done.pop(_REFERENCE))
    starts = {
        name: ColdStart(
            seconds=tuple(seconds for seconds, _ in found), load_seconds=tuple(loading for _, loading in found)
        )
        for name, found in done.items()
    }
    return starts, products


def _first_answer(name: str, row: Contender, text: str) -> tuple[float, float]:
    try:
        with opened(row, row.settings, [text]) as process:
            process.run("single_stream", count=1)
            return time.perf_counter() - process.started, process.facts["load_seconds"]
    except ChildError as error:
        raise ChildError(f"{name}: {error}") from error
