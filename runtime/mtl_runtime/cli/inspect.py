"""``mtl inspect``: manifest -> tables, or JSON."""

from pathlib import Path
from typing import Any

import click

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.distillation_summary import DistillationSummary
from mtl_runtime.bundle.manifest import Manifest, TaskSpec
from mtl_runtime.cli.options import bundle_argument, json_option
from mtl_runtime.cli.output.evidence_table import print_evidence
from mtl_runtime.cli.output.model_quality_table import print_model_quality
from mtl_runtime.cli.output.teacher_table import print_teacher_comparison
from mtl_runtime.cli.terminal import print_json, print_table
from mtl_runtime.core import records
from mtl_runtime.errors import MissingPackageError
from mtl_runtime.evidence.files import read_evidence
from mtl_runtime.loading.plan import plan_load
from mtl_runtime.report import number_format
from mtl_runtime.report.comparison import METRICS
from mtl_runtime.wording import shorten

__all__ = ["inspect"]

_MOST_LABELS = 100
_LONGEST_LABEL = 100  # characters


@click.command()
@bundle_argument()
@json_option()
def inspect(bundle: Path, as_json: bool) -> None:
    """Show what BUNDLE holds, and which variant runs here: tasks, encoder, variants, files, evidence.

    Hashes are not checked, and nothing is run.
    """
    opened = Bundle.open(bundle)
    if as_json:
        print_json(_to_dict(opened))
        return
    manifest = opened.manifest
    print_model_quality(manifest.training)
    _print_tasks(manifest)
    print_table("Encoder", ("fact", "value"), list(records.to_dict(manifest.encoder).items()))
    if manifest.distillation is not None:
        _print_distillation(manifest.distillation)
    if manifest.text_columns:
        print_table("Texts in training", ("column",), [(name,) for name in manifest.text_columns])
    variants = [
        (name, variant.graph, variant.provider, _join_options(variant.provider_options))
        for name, variant in manifest.variants.items()
    ]
    print_table("Variants", ("variant", "graph", "provider", "options"), variants)
    files = [(name, f"{file.bytes:,}", file.sha256) for name, file in manifest.files.items()]
    print_table("Files", ("file", "bytes", "sha256"), files)
    print_table("Made with", ("package", "version"), list(manifest.made_with.items()))
    for evidence in read_evidence(opened):
        print_evidence(evidence)
        print_teacher_comparison(evidence)
    print_table(
        "On this machine", ("fact", "value"), [(key, value or "none") for key, value in _runs_here(opened).items()]
    )


def _print_distillation(summary: DistillationSummary) -> None:
    changes = [
        _name_change(task, metric, change)
        for task, by_metric in summary.changes.items()
        for metric, change in by_metric.items()
    ]
    facts = [("teacher (SHA-256 of its weights)", summary.teacher), ("method", summary.method)]
    print_table("Distilled; changes on the validation rows, with PyTorch", ("fact", "value"), [*facts, *changes])


def _name_change(task: str, metric: str, change: float) -> tuple[str, str]:
    """A metric and its change, in points where it is a share; a metric that is not known here keeps its name."""
    name, is_share = METRICS.get(metric, (metric, False))
    return f"{task}: {name}", f"{number_format.change(100 * change)} points" if is_share else f"{change:+.4f}"


def _to_dict(bundle: Bundle) -> dict[str, Any]:
    content: dict[str, Any] = records.to_dict(bundle.manifest)
    evidence = [records.to_dict(evidence) for evidence in read_evidence(bundle)]
    facts = {"bundle": str(bundle.path), "digest": bundle.digest, **content, "evidence": evidence}
    return {**facts, "runs_here": _runs_here(bundle)}


def _runs_here(bundle: Bundle) -> dict[str, str | None]:
    """The variant that `load` opens on this machine, and why."""
    try:
        plan = plan_load(bundle)
    except MissingPackageError as error:  # a bundle can be inspected without onnxruntime
        return {"variant": None, "reason": str(error), "fallback": None}
    return {"variant": plan.variant, "reason": plan.reason, "fallback": plan.fallback}


def _print_tasks(manifest: Manifest) -> None:
    rows = [(task.name, task.kind, _join_labels(task), f"{task.temperature:g}") for task in manifest.tasks]
    print_table("Tasks", ("task", "kind", "labels (thresholds)", "temperature"), rows)


def _join_labels(task: TaskSpec) -> str:
    labels = [shorten(label, _LONGEST_LABEL) for label in task.labels[:_MOST_LABELS]]
    if task.thresholds:
        labels = [f"{label} ({threshold:g})" for label, threshold in zip(labels, task.thresholds, strict=False)]
    more = len(task.labels) - len(labels)
    return ", ".join(labels) + (f" and {more:,} more (--json shows all)" if more else "")


def _join_options(options: Any) -> str:
    return ", ".join(f"{key}={value}" for key, value in options.items())
