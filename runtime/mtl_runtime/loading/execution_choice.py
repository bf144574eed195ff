"""what is wished for + what was measured -> ExecutionChoice: the pace of a classifier, and why that one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from mtl_runtime.core.machine import allowed_cores, machine_facts
from mtl_runtime.evidence.summary import EvidenceSummary
from mtl_runtime.loading.variant_choice import measured_execution
from mtl_runtime.providers.execution_config import ExecutionConfig, OptimizeFor, default_execution
from mtl_runtime.providers.session import onnxruntime_version

__all__ = ["ExecutionChoice", "choose_execution"]


@dataclass(frozen=True, slots=True)
class ExecutionChoice:
    """A pace, and why it."""

    config: ExecutionConfig
    reason: str

    def changed(self, *, workers: int | None, max_batch_tokens: int | None) -> Self:
        """The same threads among other workers, or with other batches."""
        _require_positive(workers=workers, max_batch_tokens=max_batch_tokens)
        threads = self.config.workers * self.config.threads
        runs = workers or self.config.workers
        pace = ExecutionConfig(
            workers=runs,
            threads=max(1, threads // runs) if workers else self.config.threads,
            max_batch_tokens=max_batch_tokens or self.config.max_batch_tokens,
        )
        asked = [name for name, value in (("workers", workers), ("max_batch_tokens", max_batch_tokens)) if value]
        return type(self)(pace, f"{_describe(pace)}: {' and '.join(asked)} asked for; without: {self.reason}")


def choose_execution(
    provider: str,
    variant: str,
    evidence: Sequence[EvidenceSummary],
    *,
    optimize_for: OptimizeFor = "throughput",
    threads: int | None = None,
) -> ExecutionChoice:
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
        _require_positive(threads=threads)
        return _default(provider, threads, optimize_for, "threads asked for")
    if optimize_for == "throughput":
        pace = measured_execution(evidence, machine_facts(), variant, onnxruntime=onnxruntime_version())
        if pace is not None:
            return ExecutionChoice(pace, f"{_describe(pace)}: the fastest measured on this kind of machine")
    return _default(provider, allowed_cores(), optimize_for, "cores allowed to this process")


def _default(provider: str, threads: int, optimize_for: OptimizeFor, counted: str) -> ExecutionChoice:
    pace = default_execution(provider, threads=threads, optimize_for=optimize_for)
    return ExecutionChoice(pace, f"{counted}: {threads}; {_describe(pace)}: usual for {optimize_for} on {provider}")


def _describe(pace: ExecutionConfig) -> str:
    threads = "thread" if pace.threads == 1 else "threads"
    return f"{pace.workers} x {pace.threads} {threads}, batches of {pace.max_batch_tokens} tokens"


def _require_positive(**values: int | None) -> None:
    for name, value in values.items():
        if value is None:
            continue
        if type(value) is not int:
            raise TypeError(f"{name} is {value!r}; it must be a whole number (int)")
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
