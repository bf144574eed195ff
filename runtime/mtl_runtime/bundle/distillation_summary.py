"""What a bundle says of the larger model that it was distilled from: which one, what is left of it, what that cost."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mtl_runtime.core import records
from mtl_runtime.errors import RecordError

__all__ = ["DistillationSummary"]

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillationSummary:
    """Measured in training with PyTorch, on the validation rows; what a variant loses is in the evidence."""

    # SHA-256 of the teacher's weights.
    teacher: str = field(metadata=records.bounds(characters=64))
    # What is left of the teacher, and what the student learnt from, in words.
    method: str = field(metadata=records.bounds(characters=10_000))
    # Metrics of the student less those of the teacher, by task and metric, as TaskMetrics.values.
    changes: Mapping[str, Mapping[str, float]] = field(
        default_factory=dict, metadata=records.bounds(characters=200, count=1_000)
    )

    def __post_init__(self) -> None:
        records.check_bounds(self)
        if not _SHA256.match(self.teacher):
            raise RecordError("teacher", f"{self.teacher!r} is not a SHA-256 digest in lower-case hex")
