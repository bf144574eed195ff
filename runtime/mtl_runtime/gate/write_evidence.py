"""measurements of this moment -> Evidence -> its .json and .html in a folder that can be written."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.hub_cache import display_name
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT, FileSpec
from mtl_runtime.bundle.training_summary import TrainingSummary
from mtl_runtime.core import records
from mtl_runtime.core.atomic_file import replace_text
from mtl_runtime.core.clock import utc_timestamp
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import MtlError, RecordError
from mtl_runtime.evidence.files import evidence_folders
from mtl_runtime.evidence.schema import GOLDEN_REFERENCE, SCHEMA_VERSION, Evidence, VariantEvidence
from mtl_runtime.providers.session import onnxruntime_version
from mtl_runtime.report.document import evidence_page

__all__ = ["new_evidence", "store_evidence", "unverified_evidence", "write_evidence"]


# Part of the file's name, so that a quick check does not replace a thorough one of the same machine.
_SUFFIX_BY_REFERENCE = {GOLDEN_REFERENCE: ".golden", DEFAULT_VARIANT: ".data"}


def new_evidence(
    digest: str,
    reference: str,
    data: Mapping[str, FileSpec],
    variants: Mapping[str, VariantEvidence],
    refused: Mapping[str, VariantEvidence] | None = None,
    *,
    training: TrainingSummary | None = None,
    teacher: str | None = None,
) -> Evidence:
    """What was measured just now, on this machine.

    Args:
        digest: SHA-256 of the manifest.
        reference: what the variants were compared with.
        data: files of the sentences, by name.
        variants: evidence of each variant of the bundle.
        refused: evidence of those that the gate kept out of it.
        training: how well the model did in training, as the manifest has it.
        teacher: SHA-256 of the weights of the teacher that they were compared with.
    """
    return Evidence(
        schema_version=SCHEMA_VERSION,
        bundle_digest=digest,
        measured_at=utc_timestamp(),
        machine=machine_facts(),
        made_with={**installed_versions(), "onnxruntime": onnxruntime_version()},
        reference=reference,
        data=data,
        variants=variants,
        refused=refused or {},
        training=training,
        teacher=teacher,
    )


def unverified_evidence(provider: str, problem: str) -> VariantEvidence:
    """A variant that was not measured here, and why."""
    return VariantEvidence(status="unverified", provider=provider, threads=0, tasks={}, problems=(problem,))


def store_evidence(evidence: Evidence, bundle: Bundle) -> Path:
    """Write evidence where `load` looks for it: into the bundle, or into the user's cache.

    Returns:
        The page's path, as :func:`write_evidence`.

    Raises:
        MtlError: none of these folders can be written; the message says why not.
    """
    problems = []
    for folder in evidence_folders(bundle):
        try:
            return write_evidence(evidence, folder, title=display_name(bundle.path))
        except OSError as error:
            problems.append(f"{folder}: {error.strerror or error}")
    raise MtlError(
        f"the evidence could not be stored, and `load` does not know it ({'; '.join(problems)}); "
        f"let one of these folders be written, or set XDG_CACHE_HOME to a folder that can be"
    )


def write_evidence(evidence: Evidence, folder: Path, *, title: str) -> Path:
    """Write evidence and its page into ``folder``; a file of the same machine, onnxruntime and kind is replaced.

    Returns:
        The page's path; the evidence has the same name with the suffix .json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    suffix = _SUFFIX_BY_REFERENCE.get(evidence.reference, "")
    page = folder / f"{evidence.machine.name}-onnxruntime-{evidence.made_with['onnxruntime']}{suffix}.html"
    whole = _with_earlier(evidence, page.with_suffix(".json"))
    replace_text(page, evidence_page(whole, title=title))
    replace_text(page.with_suffix(".json"), records.to_json(whole))
    return page


def _with_earlier(evidence: Evidence, file: Path) -> Evidence:
    """Variants that only an earlier run of the same kind measured stay in the evidence."""
    try:
        before = records.from_json(Evidence, file.read_bytes())
    except (OSError, RecordError):
        return evidence
    if before.bundle_digest != evidence.bundle_digest:
        return evidence
    return dataclasses.replace(evidence, variants={**before.variants, **evidence.variants})
