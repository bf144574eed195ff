"""bundle + PyTorch model + sentences -> VariantEvidence for each variant, end to end from text."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from mtl_export.config import GateConfig
from mtl_export.data.examples import Example
from mtl_export.data.targets import encode_labels
from mtl_export.gate.budgets import judge, limits_for
from mtl_export.gate.data import GateData
from mtl_export.gate.measures import measure
from mtl_export.model import MultiTaskModel
from mtl_export.versions import made_with
from mtl_runtime.bundle import Bundle
from mtl_runtime.classifier import load
from mtl_runtime.evidence import SCHEMA_VERSION, Evidence, VariantEvidence
from mtl_runtime.machine import machine_facts

__all__ = ["compare", "gate_bundle"]


def gate_bundle(bundle: Bundle, model: MultiTaskModel, data: GateData, gate: GateConfig) -> Evidence:
    """Measure every variant of ``bundle`` whose provider is here against ``model``.

    The PyTorch side tokenizes and runs on its own; the graph's side is the runtime as a user calls it.
    """
    texts = [row.text for row in data.rows]
    reference = model.logits(texts)
    return Evidence(
        schema_version=SCHEMA_VERSION,
        bundle_digest=bundle.digest,
        measured_at=_now(),
        machine=machine_facts(),
        made_with=made_with(),
        data=data.files,
        variants={name: compare(bundle, name, data.rows, reference, gate=gate) for name in bundle.manifest.variants},
    )


def compare(
    bundle: Bundle,
    variant: str,
    rows: Sequence[Example],
    reference: Mapping[str, NDArray[np.float32]],
    *,
    gate: GateConfig,
) -> VariantEvidence:
    """Measure and judge one variant, task by task."""
    classifier = load(bundle.path, variant=variant)
    texts = [row.text for row in rows]
    candidate = classifier.logits(texts)
    precision = variant.rpartition("-")[2]
    tasks = {}
    for task in bundle.manifest.tasks:
        labels = [row.labels.get(task.name) for row in rows]
        targets = encode_labels(task, labels) if any(label is not None for label in labels) else None
        evidence = measure(task, texts, reference[task.name], candidate[task.name], targets)
        tasks[task.name] = judge(task, evidence, limits_for(gate, task.name, precision))
    return VariantEvidence(
        passed=not any(evidence.problems for evidence in tasks.values()),
        provider=classifier.info.provider,
        threads=classifier.info.threads,
        tasks=tasks,
    )


def _now() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return moment.isoformat(timespec="seconds")
