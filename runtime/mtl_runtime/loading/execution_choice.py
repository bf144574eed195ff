"""evidence of this machine + what the caller asks for -> ExecutionChoice: parallel runs, tokens per batch, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from mtl_runtime.core.machine import allowed_cores
from mtl_runtime.errors import MtlError
from mtl_runtime.evidence.summary import EvidenceSummary
from mtl_runtime.providers.execution_config import ExecutionConfig, OptimizeFor, default_execution

__all__ = ["ExecutionChoice", "choose_execution", "measured_execution"]


@dataclass(frozen=True, slots=True)
class ExecutionChoice:
    """An execution config, and why this one."""

    config: ExecutionConfig
    reason: str

    def with_limits(self, *, workers: int | None, max_batch_tokens: int | None) -> Self:
        """The same threads divided among other workers, or with other batches.

        Raises:
            TypeError, ValueError: one of them is no whole number, or less than 1.
        """
        _require_positive(workers=workers, max_batch_tokens=max_batch_tokens)
        if workers is None and max_batch_tokens is None:
            return self
        threads = self.config.workers * self.config.threads
        runs = workers or self.config.workers
        config = ExecutionConfig(
            workers=runs,
            threads=max(1, threads // runs) if workers else self.config.threads,
            max_batch_tokens=max_batch_tokens or self.config.max_batch_tokens,
        )
        asked = [name for name, value in (("workers", workers), ("max_batch_tokens", max_batch_tokens)) if value]
        return type(self)(config, f"{_describe(config)}: {' and '.join(asked)} asked for; without: {self.reason}")


def choose_execution(
    provider: str,
    variant: str,
    evidence: Sequence[EvidenceSummary],
    *,
    optimize_for: OptimizeFor = "throughput",
    threads: int | None = None,
    workers: int | None = None,
    max_batch_tokens: int | None = None,
) -> ExecutionChoice:
    """What the gate measured to be fastest here, where the caller asks for nothing else; else the provider's default.

    Args:
        provider: the variant's, a name of :data:`mtl_runtime.providers.registry.PROVIDERS`.
        variant: name of the variant.
        evidence: of its bundle, measured on this kind of machine.
        optimize_for: see :func:`mtl_runtime.load`; so are the other arguments.
        threads: in all.
        workers: batches at the same time.
        max_batch_tokens: padded tokens of a batch.

    Raises:
        ProviderError: the provider is unknown.
        MtlError: there are more ``workers`` than ``threads``.
        TypeError, ValueError: a number is no whole number, or less than 1.
    """
    _require_positive(threads=threads)
    base = _without_limits(provider, variant, evidence, allowed_cores(), optimize_for, threads)
    if threads is not None and workers is not None and workers > threads:
        raise MtlError(f"{workers} workers cannot share {threads} threads; give at most as many workers as threads")
    return base.with_limits(workers=workers, max_batch_tokens=max_batch_tokens)


def _without_limits(
    provider: str,
    variant: str,
    evidence: Sequence[EvidenceSummary],
    cores: int,
    optimize_for: OptimizeFor,
    threads: int | None,
) -> ExecutionChoice:
    if threads is not None:
        return _default(provider, threads, optimize_for, "threads asked for")
    if optimize_for == "throughput" and (measured := measured_execution(evidence, variant, cores=cores)) is not None:
        return ExecutionChoice(measured, f"{_describe(measured)}: the fastest measured on this kind of machine")
    return _default(provider, cores, optimize_for, "cores allowed to this process")


def measured_execution(evidence: Sequence[EvidenceSummary], variant: str, *, cores: int) -> ExecutionConfig | None:
    """The fastest config that was measured for ``variant`` with as many cores; None: nothing was.

    On the user's own sentences rather than on the golden texts, whose lengths are nobody's; else the latest.
    """
    candidates = [
        (bool(summary.data), summary.measured_at, execution)
        for summary in evidence
        if summary.machine.cores_allowed == cores
        and variant in summary.variants
        and (execution := summary.variants[variant].execution) is not None
    ]
    return max(candidates, key=lambda candidate: candidate[:2])[2] if candidates else None


def _default(provider: str, threads: int, optimize_for: OptimizeFor, counted: str) -> ExecutionChoice:
    config = default_execution(provider, threads=threads, optimize_for=optimize_for)
    return ExecutionChoice(
        config, f"{counted}: {threads}; {_describe(config)}: the default for {optimize_for} on {provider}"
    )


def _describe(config: ExecutionConfig) -> str:
    threads = "thread" if config.threads == 1 else "threads"
    return f"{config.workers} x {config.threads} {threads}, batches of {config.max_batch_tokens} tokens"


def _require_positive(**values: int | None) -> None:
    for name, value in values.items():
        if value is None:
            continue
        if type(value) is not int:
            raise TypeError(f"{name} is {value!r}; it must be a whole number (int)")
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
