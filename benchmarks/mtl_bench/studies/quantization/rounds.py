"""sessions + batches -> seconds of each by round: every round runs all of them, in an order of its own."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch

__all__ = ["timed"]

_SEED = 0


def timed(
    sessions: Mapping[str, Session],
    batches: Sequence[Batch],
    outputs: Sequence[str],
    *,
    rounds: int,
    report: Callable[[str], None],
) -> dict[str, list[float]]:
    """Seconds that each session takes for all ``batches``, by round.

    What slows the machine for a while slows all of a round; a random order keeps what one session leaves in the
    caches from meeting always the same other one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    generator = np.random.default_rng(_SEED)
    for session in sessions.values():
        _run(session, batches, outputs)
    for number in range(rounds):
        report(f"round {number + 1} of {rounds}")
        for name in generator.permutation(list(sessions)):
            _run(sessions[name], batches[:1], outputs)  # its weights back into the caches
            seconds[name].append(_run(sessions[name], batches, outputs))
    return seconds


def _run(session: Session, batches: Sequence[Batch], outputs: Sequence[str]) -> float:
    start = time.perf_counter()
    for batch in batches:
        session.run(batch, outputs)
    return time.perf_counter() - start
