"""evidence/<machine>.json -> Verdicts: the little of it that opening a bundle goes by.

The whole record is :class:`mtl_runtime.evidence.schema.Evidence`, which takes a tenth of a cold start to read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.machine import MachineFacts
from mtl_runtime.providers.execution_config import Pace

__all__ = ["SCHEMA_VERSION", "Ratio", "Verdict", "Verdicts", "read_verdicts"]

SCHEMA_VERSION = 1  # of evidence files


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Median of ratios that were measured round by round, with its 95 % interval (order statistics)."""

    median: float
    low: float
    high: float
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate found of one variant."""

    status: str
    pace: Pace | None = None
    speed: Ratio | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What the gate found on one machine."""

    measured_at: str
    machine: MachineFacts
    made_with: Mapping[str, str]
    variants: Mapping[str, Verdict]
    data: Mapping[str, FileSpec] = field(default_factory=dict)  # sentences measured on; empty: the golden texts


def read_verdicts(data: Mapping[str, Any], *, where: str) -> Verdicts:
    """Those of an evidence file, parsed from its JSON.

    Raises:
        RecordError: what is read of it is malformed; the message names the place.
    """
    told = _some_of(Verdicts, data)
    variants = told.get("variants")
    if isinstance(variants, Mapping):
        told["variants"] = {name: _some_of(Verdict, found) for name, found in variants.items()}
    return records.from_dict(Verdicts, told, where=where)


def _some_of(cls: Any, data: Any) -> Any:
    """The keys that ``cls`` has fields for; what is no table is left for the reader to refuse."""
    if not isinstance(data, Mapping):
        return data
    return {one.name: data[one.name] for one in fields(cls) if one.name in data}
