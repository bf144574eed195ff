"""bundle (+ labelled file) -> Evidence of this machine: every variant whose provider is here, measured and judged."""

import dataclasses
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.golden import GOLDEN_NAME, parse_golden
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT, FileSpec
from mtl_runtime.core.work import planned_work, stage_work
from mtl_runtime.dataset.examples import Example, read_labelled_file
from mtl_runtime.dataset.task_columns import find_task_columns
from mtl_runtime.diagnostics.node_placement import count_operators, running_nodes
from mtl_runtime.errors import MissingPackageError, ProviderError
from mtl_runtime.evidence.schema import GOLDEN_REFERENCE, Evidence, VariantEvidence
from mtl_runtime.gate.autotune import autotune
from mtl_runtime.gate.gate_variant import Reference, gate_variant
from mtl_runtime.gate.speed import ROUNDS, SPEED_TEXTS, reason_not_timed
from mtl_runtime.gate.work import comparison_work, gate_work, speed_work
from mtl_runtime.gate.write_evidence import new_evidence, unverified_evidence
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.loading.execution_choice import choose_execution
from mtl_runtime.loading.load import open_classifier
from mtl_runtime.loading.plan import LoadPlan
from mtl_runtime.providers.execution_config import ExecutionConfig

__all__ = ["gate_bundle", "golden_examples"]

_log = logging.getLogger(__name__)


def gate_bundle(
    bundle: Bundle, *, data: Path | None = None, text: str | None = None, variants: Sequence[str]
) -> Evidence:
    """Measure ``variants`` on this machine.

    The golden texts are compared with PyTorch's own answers, which the bundle carries. With a file of labelled
    sentences the reference is cpu-fp32, which has to hold PyTorch's golden answers itself.

    Args:
        bundle: the one to measure.
        data: labelled sentences; a task without a column of its name is compared without labels.
        text: column of the sentences in ``data``; default: as in training, if ``data`` has such a column, else "text".
        variants: names of variants; one whose provider is not here is recorded as unverified.

    Raises:
        TableError: ``data`` cannot be read.
    """
    baseline = _open(bundle, DEFAULT_VARIANT)
    examples = golden_examples(bundle) if data is None else _labelled_examples(bundle, data, text)
    reference = _golden_reference(bundle) if data is None else _baseline_reference(baseline, examples)
    evidence = {}
    plan = sum(_planned(bundle, name, len(examples)) for name in variants)
    _log.info("comparing %d variants on %d sentences", len(variants), len(examples), extra=planned_work(plan))
    for name in variants:
        try:
            classifier = baseline if name == DEFAULT_VARIANT else _open(bundle, name)
        except (ProviderError, MissingPackageError) as error:
            _log.info("%s: cannot run here", name, extra=planned_work(-_planned(bundle, name, len(examples))))
            evidence[name] = unverified_evidence(bundle.manifest.variants[name].provider, str(error))
            continue
        evidence[name] = _gate(bundle, classifier, baseline, examples, reference)
    files = {} if data is None else {data.name: FileSpec.of_file(data)}
    return new_evidence(bundle.digest, reference.name, files, evidence, training=bundle.manifest.training)


def _planned(bundle: Bundle, variant: str, sentences: int) -> float:
    if _reason_not_timed(bundle, variant) is not None:
        return comparison_work(sentences, speed=0.0)
    return gate_work(sentences, speed=0.0 if variant == DEFAULT_VARIANT else speed_work(SPEED_TEXTS, ROUNDS))


def _reason_not_timed(bundle: Bundle, variant: str) -> str | None:
    return reason_not_timed(sums_fit_16_bits=bundle.manifest.variants[variant].sums_fit_16_bits)


def golden_examples(bundle: Bundle) -> list[Example]:
    """The golden texts as sentences without labels."""
    golden = parse_golden(bundle.read(GOLDEN_NAME))
    return [Example(text=text.text, labels={}, path=GOLDEN_NAME, line=line) for line, text in enumerate(golden, 1)]


def _gate(
    bundle: Bundle, classifier: Classifier, baseline: Classifier, examples: Sequence[Example], reference: Reference
) -> VariantEvidence:
    name, texts = classifier.info.variant, [example.text for example in examples]
    not_timed = _reason_not_timed(bundle, name)
    _log.info("%s: answering %d sentences", name, len(texts), extra=stage_work(len(texts)))
    evidence = gate_variant(
        classifier,
        examples,
        classifier.logits(texts),
        reference,
        bundle.manifest.gate,
        baseline=None if classifier is baseline or not_timed else baseline,
        not_timed=not_timed,
    )
    is_tuned = evidence.status == "verified" and not_timed is None
    execution = autotune(classifier, partial(_open, bundle, name), texts) if is_tuned else None
    return dataclasses.replace(evidence, operators=_running_operators(bundle, name), execution=execution)


def _running_operators(bundle: Bundle, variant: str) -> dict[str, int]:
    """Counts of the operators that ran; none where onnxruntime has no folder to write its profile to."""
    try:
        return count_operators(running_nodes(bundle, variant, text="how many operators are there?"))
    except OSError as error:  # no budget is about operators, so the verdict stands without them
        _log.warning("%s: its operators cannot be listed: %s", variant, error)
        return {}


def _open(bundle: Bundle, variant: str, execution: ExecutionConfig | None = None) -> Classifier:
    """A variant with that config, or with the provider's default, whatever was measured before."""
    config = execution or choose_execution(bundle.manifest.variants[variant].provider, variant, ()).config
    return open_classifier(bundle, LoadPlan(variant=variant, execution=config, reason="being measured"))


def _golden_reference(bundle: Bundle) -> Reference:
    golden = parse_golden(bundle.read(GOLDEN_NAME))
    tasks = bundle.manifest.tasks
    logits = {task.name: np.array([text.logits[task.name] for text in golden], np.float32) for task in tasks}
    return Reference(GOLDEN_REFERENCE, tasks, logits)


def _baseline_reference(baseline: Classifier, examples: Sequence[Example]) -> Reference:
    logits = baseline.logits([example.text for example in examples])
    return Reference(DEFAULT_VARIANT, baseline.specs, logits)


def _labelled_examples(bundle: Bundle, data: Path, asked: str | None) -> list[Example]:
    text, tasks = find_task_columns(bundle.manifest, data, asked)
    return read_labelled_file(data, text=text, tasks=tasks)
