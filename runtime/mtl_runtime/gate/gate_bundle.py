"""bundle (+ labelled file) -> Evidence of this machine: every variant whose provider is here, measured and judged."""

import dataclasses
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.golden import GOLDEN_NAME, parse_golden
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core import records
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.dataset.examples import Example, LabelColumn, column_names, read_labelled_file
from mtl_runtime.diagnostics.node_placement import count_operators, running_nodes
from mtl_runtime.errors import MissingPackageError, MtlError, ProviderError, RecordError, TableError
from mtl_runtime.evidence.schema import SCHEMA_VERSION, Evidence, VariantEvidence
from mtl_runtime.gate.autotune import autotune
from mtl_runtime.gate.gate_variant import Reference, gate_variant
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.loading.execution_choice import ExecutionChoice
from mtl_runtime.loading.load import open_classifier
from mtl_runtime.loading.variant_choice import DEFAULT_VARIANT, VariantChoice
from mtl_runtime.providers.execution_config import ExecutionConfig
from mtl_runtime.providers.session import onnxruntime_version
from mtl_runtime.report.document import evidence_page

__all__ = [
    "GOLDEN",
    "count_running_operators",
    "gate_bundle",
    "golden_examples",
    "moment",
    "new_evidence",
    "unverified_evidence",
    "write_evidence",
]

GOLDEN = "golden texts (PyTorch)"

# Evidence of one machine by what it was compared with, so that a quick look does not replace a thorough one.
_KINDS = {GOLDEN: ".golden", DEFAULT_VARIANT: ".data"}


def gate_bundle(
    bundle: Bundle,
    *,
    data: Path | None = None,
    text: str = "text",
    variants: Sequence[str],
    report: Callable[[str], None] = lambda _: None,
) -> Evidence:
    """Measure ``variants`` on this machine.

    The golden texts are compared with PyTorch's own answers, which the bundle carries. With a file of labelled
    sentences the reference is cpu-fp32, which the golden texts have to hold before.

    Args:
        bundle: the one to measure.
        data: labelled sentences; a task without a column of its name is compared without labels.
        text: column of the sentences in ``data``.
        variants: names of variants; one whose provider is not here is recorded as unverified.
        report: is told each stage.

    Raises:
        TableError: ``data`` cannot be read.
    """
    baseline = _opened(bundle, DEFAULT_VARIANT)
    rows = golden_examples(bundle) if data is None else _rows(bundle, data, text)
    reference = _golden_reference(bundle) if data is None else _own_reference(baseline, rows)
    measured = {}
    for name in variants:
        try:
            classifier = baseline if name == DEFAULT_VARIANT else _opened(bundle, name)
        except (ProviderError, MissingPackageError) as error:
            measured[name] = unverified_evidence(bundle.manifest.variants[name].provider, str(error))
            continue
        report(f"{name}: {len(rows)} sentences")
        judged = gate_variant(classifier, rows, reference, bundle.manifest.gate, baseline=baseline, report=report)
        measured[name] = dataclasses.replace(
            judged,
            operators=count_running_operators(bundle, name),
            execution=_autotune(bundle, name, judged, rows, report),
        )
    files = {} if data is None else {data.name: FileSpec.of_file(data)}
    return new_evidence(bundle.digest, reference.name, files, measured)


def _opened(bundle: Bundle, variant: str, pace: ExecutionConfig | None = None) -> Classifier:
    """A variant at ``pace``, or at the usual one, whatever was measured before."""
    why = "being measured"
    return open_classifier(bundle, VariantChoice(variant, why), drive=ExecutionChoice(pace, why) if pace else None)


def _autotune(
    bundle: Bundle, name: str, judged: VariantEvidence, rows: Sequence[Example], report: Callable[[str], None]
) -> ExecutionConfig | None:
    """The pace that runs a verified variant fastest here."""
    if judged.status != "verified":
        return None
    return autotune(
        lambda pace: _opened(bundle, name, pace),
        judged.provider,
        [row.text for row in rows],
        report=lambda line: report(f"{name}: {line}"),
    )


def count_running_operators(bundle: Bundle, variant: str) -> dict[str, int]:
    """Fused and quantized operators of the graph that really runs."""
    return count_operators(running_nodes(bundle, variant, text="how many operators are there?"))


def new_evidence(
    digest: str,
    reference: str,
    data: Mapping[str, FileSpec],
    variants: Mapping[str, VariantEvidence],
    refused: Mapping[str, VariantEvidence] | None = None,
) -> Evidence:
    """What was measured just now, on this machine."""
    return Evidence(
        schema_version=SCHEMA_VERSION,
        bundle_digest=digest,
        measured_at=moment(),
        machine=machine_facts(),
        made_with={**installed_versions(), "onnxruntime": onnxruntime_version()},
        reference=reference,
        data=data,
        variants=variants,
        refused=refused or {},
    )


def write_evidence(evidence: Evidence, folder: Path, *, title: str) -> Path:
    """Write evidence and its page into ``folder``; a file of the same machine, onnxruntime and kind is replaced.

    Returns:
        The page's path; the evidence has the same name with the suffix .json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kind = _KINDS.get(evidence.reference, "")
    page = folder / f"{evidence.machine.name}-onnxruntime-{evidence.made_with['onnxruntime']}{kind}.html"
    whole = _with_earlier(evidence, page.with_suffix(".json"))
    _replace(page, evidence_page(whole, title=title))
    _replace(page.with_suffix(".json"), records.to_json(whole))
    return page


def _with_earlier(evidence: Evidence, file: Path) -> Evidence:
    """What was measured of other variants in an earlier run of the same kind stays known."""
    try:
        before = records.from_json(Evidence, file.read_bytes())
    except (OSError, RecordError):
        return evidence
    if before.bundle_digest != evidence.bundle_digest:
        return evidence
    return dataclasses.replace(evidence, variants={**before.variants, **evidence.variants})


def _replace(file: Path, content: str) -> None:
    """Whole or not at all, whoever else writes it at the same time."""
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}.new")
    try:
        new.write_text(content, "utf-8")
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


def unverified_evidence(provider: str, problem: str) -> VariantEvidence:
    """A variant that nothing was measured of here, and why."""
    return VariantEvidence(status="unverified", provider=provider, threads=0, tasks={}, problems=(problem,))


def golden_examples(bundle: Bundle) -> list[Example]:
    """The golden texts as sentences without labels."""
    golden = parse_golden(bundle.read(GOLDEN_NAME))
    return [Example(text=text.text, labels={}, path=GOLDEN_NAME, line=line) for line, text in enumerate(golden, 1)]


def moment() -> str:
    """Now, or SOURCE_DATE_EPOCH where that is set; UTC, ISO 8601.

    Raises:
        MtlError: SOURCE_DATE_EPOCH is no number of seconds.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        now = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise MtlError(f"SOURCE_DATE_EPOCH is {epoch!r}; it must be a number of seconds since 1970") from error
    return now.isoformat(timespec="seconds")


def _golden_reference(bundle: Bundle) -> Reference:
    golden = parse_golden(bundle.read(GOLDEN_NAME))
    tasks = bundle.manifest.tasks
    logits = {task.name: np.array([text.logits[task.name] for text in golden], np.float32) for task in tasks}
    return Reference(GOLDEN, tasks, logits)


def _own_reference(baseline: Classifier, rows: Sequence[Example]) -> Reference:
    logits = baseline.logits([row.text for row in rows])
    return Reference(DEFAULT_VARIANT, baseline.manifest.tasks, logits)


def _rows(bundle: Bundle, data: Path, text: str) -> list[Example]:
    columns = column_names(data)
    tasks = {
        task.name: LabelColumn(column=task.name, kind=task.kind, labels=task.labels)
        for task in bundle.manifest.tasks
        if task.name in columns
    }
    if not tasks:
        names = ", ".join(task.name for task in bundle.manifest.tasks)
        raise TableError(data, f"none of the columns is a task of the bundle: {names}", line=1)
    return list(read_labelled_file(data, text=text, tasks=tasks, text_hint="; name the texts' column with --column"))
