"""How a classifier infers: execution, batch limits and treatment of texts, as one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mtl_runtime.providers.execution_config import ExecutionConfig
from mtl_runtime.providers.registry import BATCH_OVERHEAD, get_provider
from mtl_runtime.text.validation import DEFAULT_MAX_TEXT_BYTES, Aggregate, LongText

__all__ = ["ClassifierInfo", "InferenceSettings", "Info", "InputOptions", "ModelSource"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOptions:
    """How texts are read."""

    long_text: LongText = "truncate"
    aggregate: Mapping[str, Aggregate] = field(default_factory=dict)  # by task; absent: mean
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceSettings:
    """All that decides how texts become batches, and batches run."""

    execution: ExecutionConfig
    inputs: InputOptions = field(default_factory=InputOptions)
    max_batch_size: int | None = None  # texts in a batch; None: max_batch_tokens alone limits it
    batch_overhead: int = BATCH_OVERHEAD  # what a batch costs besides its tokens, in tokens
    pad_id: int = 0  # token id that fills a batch's shorter rows

    @classmethod
    def for_provider(
        cls, name: str, execution: ExecutionConfig, *, pad_id: int, inputs: InputOptions | None = None
    ) -> "InferenceSettings":
        """Settings with the limits and costs of a provider's batches.

        Raises:
            ProviderError: there is no such provider.
        """
        provider = get_provider(name)
        return cls(
            execution=execution,
            inputs=inputs or InputOptions(),
            max_batch_size=provider.max_batch_size,
            batch_overhead=provider.batch_overhead,
            pad_id=pad_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Which graph a classifier runs, where it came from, and why this one."""

    bundle: str  # folder
    digest: str  # SHA-256 of the manifest
    variant: str
    provider: str
    reason: str
    onnxruntime: str  # version
    fallback: str | None = None  # as in ClassifierInfo
    text_columns: tuple[str, ...] = ()  # of the training files, as in the manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierInfo:
    """What a classifier really runs, and why."""

    bundle: str
    digest: str  # SHA-256 of the manifest
    variant: str
    provider: str
    workers: int  # runs of the session at the same time
    threads: int  # intra-op threads of each
    max_batch_tokens: int  # padded tokens of a batch
    reason: str
    onnxruntime: str
    # Why a faster variant that could run here does not; None: the fastest one runs, or the one that was asked for.
    fallback: str | None = None

    @classmethod
    def of(cls, source: ModelSource, settings: InferenceSettings) -> "ClassifierInfo":
        """The facts of ``source`` and ``settings`` that a caller asks for."""
        return cls(
            bundle=source.bundle,
            digest=source.digest,
            variant=source.variant,
            provider=source.provider,
            workers=settings.execution.workers,
            threads=settings.execution.threads,
            max_batch_tokens=settings.execution.max_batch_tokens,
            reason=source.reason,
            onnxruntime=source.onnxruntime,
            fallback=source.fallback,
        )

    @property
    def cores(self) -> int:
        """Threads that may compute at the same time."""
        return self.workers * self.threads


Info = ClassifierInfo  # the name under which the package exports it
