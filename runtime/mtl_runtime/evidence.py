"""evidence/<machine>.json <-> Evidence: what a gate measured on one machine (schema version 1)."""

from collections.abc import Mapping
from dataclasses import dataclass

from mtl_runtime import records
from mtl_runtime.bundle import Bundle
from mtl_runtime.errors import RecordError
from mtl_runtime.machine import MachineFacts
from mtl_runtime.manifest import FileSpec

__all__ = [
    "EVIDENCE_FOLDER",
    "SCHEMA_VERSION",
    "Evidence",
    "Flip",
    "TaskEvidence",
    "VariantEvidence",
    "read_evidence",
]

SCHEMA_VERSION = 1
EVIDENCE_FOLDER = "evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A sentence that the graph answers otherwise than the PyTorch model."""

    text: str
    reference: str
    candidate: str
    margin: float  # of the reference's decision, in logits
    tie: bool  # the margin is at most twice the largest logit difference


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvidence:
    """What was measured for one task of one variant."""

    sentences: int  # compared with the PyTorch model
    agreement: float  # share of them with the same answer
    agreement_low: float  # 95 % Wilson interval
    agreement_high: float
    flips: int
    flips_outside_ties: int
    flipped: tuple[Flip, ...]  # widest margins first, at most 50
    logit_scale: float  # regression: the largest |value| of PyTorch where above 1, else 1; budgets are times this
    max_logit_difference: float
    mean_logit_difference: float
    max_probability_difference: float
    mean_probability_difference: float
    not_finite: int  # sentences with NaN or infinity
    labelled: int  # sentences with a label of this task
    metrics: Mapping[str, float]  # of the variant, on the labelled sentences
    reference_metrics: Mapping[str, float]  # of the PyTorch model, on the same
    problems: tuple[str, ...]  # budgets that were not kept


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantEvidence:
    """The verdict on one variant."""

    passed: bool
    provider: str
    threads: int
    tasks: Mapping[str, TaskEvidence]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that one run of the gate found out."""

    schema_version: int
    bundle_digest: str  # SHA-256 of the manifest that was measured
    measured_at: str  # UTC, ISO 8601; SOURCE_DATE_EPOCH where that is set
    machine: MachineFacts
    made_with: Mapping[str, str]
    data: Mapping[str, FileSpec]  # name of each data file -> its digest
    variants: Mapping[str, VariantEvidence]


def read_evidence(bundle: Bundle) -> list[Evidence]:
    """Evidence files of ``bundle`` that were measured on exactly this bundle, by file name.

    Raises:
        RecordError: a file is malformed.
    """
    found = []
    for file in sorted((bundle.path / EVIDENCE_FOLDER).glob("*.json")):
        where = f"{EVIDENCE_FOLDER}/{file.name}"
        data = records.parse_json(file.read_bytes(), where=where)
        version = data.get("schema_version") if isinstance(data, dict) else None
        if version != SCHEMA_VERSION:
            raise RecordError(where, f"schema version {version} is not the version {SCHEMA_VERSION} that is read here")
        evidence = records.from_dict(Evidence, data, where=where)
        if evidence.bundle_digest == bundle.digest:
            found.append(evidence)
    return found
