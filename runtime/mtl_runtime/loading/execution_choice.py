"""what is wished for + what was measured -> Drive: the pace of a classifier, and why that one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from mtl_runtime.core.machine import allowed_cores, machine_facts
from mtl_runtime.evidence.summary import Verdicts
from mtl_runtime.loading.variant_choice import measured_pace
from mtl_runtime.providers.execution_config import OptimizeFor, Pace, usual_pace
from mtl_runtime.providers.session import onnxruntime_version

__all__ = ["Drive", "drive_of"]


@dataclass(frozen=True, slots=True)
class Drive:
    """A pace, and why it."""

    pace: Pace
    reason: str

    def changed(self, *, workers: int | None, token_budget: int | None) -> Self:
        """The same threads among other workers, or with other batches."""
        _positive(workers=workers, token_budget=token_budget)
        threads = self.pace.workers * self.pace.threads
        runs = workers or self.pace.workers
        pace = Pace(
            workers=runs,
            threads=max(1, threads // runs) if workers else self.pace.threads,
            token_budget=token_budget or self.pace.token_budget,
        )
        asked = [name for name, value in (("workers", workers), ("token_budget", token_budget)) if value]
        return type(self)(pace, f"{_told(pace)}: {' and '.join(asked)} asked for; without: {self.reason}")


def drive_of(
    provider: str,
    variant: str,
    evidence: Sequence[Verdicts],
    *,
    optimize_for: OptimizeFor = "throughput",
    threads: int | None = None,
) -> Drive:
    """The pace that was measured here, where that is what is wished for; else the provider's usual one.

    Args:
        provider: the variant's, a name of :data:`mtl_runtime.providers.registry.PROVIDERS`.
        variant: name of it.
        evidence: of its bundle.
        optimize_for: see :func:`mtl_runtime.load`.
        threads: likewise.

    Raises:
        ProviderError: the provider is unknown.
        ValueError: ``threads`` is less than 1.
    """
    if threads is not None:
        _positive(threads=threads)
        return _usual(provider, threads, optimize_for, "threads asked for")
    if optimize_for == "throughput":
        pace = measured_pace(evidence, machine_facts(), variant, onnxruntime=onnxruntime_version())
        if pace is not None:
            return Drive(pace, f"{_told(pace)}: the fastest measured on this kind of machine")
    return _usual(provider, allowed_cores(), optimize_for, "cores allowed to this process")


def _usual(provider: str, threads: int, optimize_for: OptimizeFor, counted: str) -> Drive:
    pace = usual_pace(provider, threads=threads, optimize_for=optimize_for)
    return Drive(pace, f"{counted}: {threads}; {_told(pace)}: usual for {optimize_for} on {provider}")


def _told(pace: Pace) -> str:
    threads = "thread" if pace.threads == 1 else "threads"
    return f"{pace.workers} x {pace.threads} {threads}, batches of {pace.token_budget} tokens"


def _positive(**values: int | None) -> None:
    for name, value in values.items():
        if value is None:
            continue
        if type(value) is not int:
            raise TypeError(f"{name} is {value!r}; it must be a whole number (int)")
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
