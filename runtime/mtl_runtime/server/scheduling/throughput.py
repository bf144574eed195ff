"""Tokens of the last jobs -> seconds that those which wait will take."""

__all__ = ["Throughput"]

_WEIGHT = 0.1  # of the newest job in the moving average


class Throughput:
    """How fast the workers of a scheduler are; they may report at the same time, and a report may be lost then.

    Args:
        workers: that compute at the same time.
    """

    def __init__(self, workers: int) -> None:
        self._workers = max(1, workers)
        self._seconds_per_token = 0.0  # of one worker; 0 as long as nothing is known

    def observe(self, tokens: int, seconds: float) -> None:
        """Take note of a job."""
        latest = seconds / max(1, tokens)
        before = self._seconds_per_token or latest
        self._seconds_per_token = before + _WEIGHT * (latest - before)

    def seconds(self, tokens: int) -> float:
        """How long all workers together will take for ``tokens``; 0 as long as nothing is known."""
        return tokens * self._seconds_per_token / self._workers
