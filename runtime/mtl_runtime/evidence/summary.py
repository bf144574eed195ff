"""evidence/<machine>.json -> EvidenceSummary: the part of it that decides what `load` opens.

The whole record is :class:`mtl_runtime.evidence.schema.Evidence`, which takes a tenth of a cold start to read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.machine import MachineFacts
from mtl_runtime.providers.execution_config import ExecutionConfig

__all__ = ["READABLE_VERSIONS", "SCHEMA_VERSION", "Estimate", "EvidenceSummary", "VariantSummary", "read_summary"]

SCHEMA_VERSION = 2  # of evidence files; 1 named the tokens of a batch token_budget
READABLE_VERSIONS = (1, SCHEMA_VERSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A median and its 95 % interval, in whatever unit was measured."""

    median: float
    low: float
    high: float
    n: int = field(metadata=records.keys("rounds"))  # values that it was made of: rounds, or fresh processes


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantSummary:
    """What the gate measured of one variant."""

    status: str
    execution: ExecutionConfig | None = field(default=None, metadata=records.keys("pace"))
    speed: Estimate | None = None
    exceeds_teacher_budget: bool = False  # of a student: it loses more than it may, compared with its teacher


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSummary:
    """What the gate measured on one machine."""

    measured_at: str
    machine: MachineFacts
    made_with: Mapping[str, str]
    variants: Mapping[str, VariantSummary]
    data: Mapping[str, FileSpec] = field(default_factory=dict)  # sentences measured on; empty: the golden texts


def read_summary(data: Mapping[str, Any], *, where: str) -> EvidenceSummary:
    """The summary of an evidence file, from its parsed JSON.

    Raises:
        RecordError: what is read of it is malformed; the message names the place.
    """
    known = _known_keys(EvidenceSummary, data)
    variants = known.get("variants")
    if isinstance(variants, Mapping):
        known["variants"] = {name: _known_keys(VariantSummary, variant) for name, variant in variants.items()}
    return records.from_dict(EvidenceSummary, known, where=where)


def _known_keys(cls: Any, data: Any) -> Any:
    """The keys that ``cls`` has fields for; what is no table is left for the reader to refuse."""
    if not isinstance(data, Mapping):
        return data
    return {key: data[key] for one in fields(cls) for key in records.keys_of(one) if key in data}
