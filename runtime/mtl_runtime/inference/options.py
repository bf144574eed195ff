"""How a classifier was opened: what it runs and how it reads texts, enough to open it again elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mtl_runtime.text.validation import DEFAULT_MAX_TEXT_BYTES, Aggregate, LongText

__all__ = ["ClassifierInfo", "InputOptions"]


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

    @property
    def cores(self) -> int:
        """Threads that may compute at the same time."""
        return self.workers * self.threads


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOptions:
    """How a classifier reads texts; with :class:`ClassifierInfo`, all that another process needs to open the same."""

    long_text: LongText = "truncate"
    aggregate: Mapping[str, Aggregate] = field(default_factory=dict)  # by task; absent: mean
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES
