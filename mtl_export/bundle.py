"""checkpoint -> verified bundle: graph, tokenizer, golden texts, manifest, evidence; whole or absent."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtl_export.atomic import check_target, whole_folder
from mtl_export.checkpoint import Checkpoint, load_checkpoint
from mtl_export.config import GateConfig
from mtl_export.errors import ConfigError, GateError
from mtl_export.export.card import model_card
from mtl_export.export.golden import golden_texts
from mtl_export.export.passes import apply, describe, portable, save, without_traces
from mtl_export.export.to_onnx import to_onnx
from mtl_export.gate.comparison import gate_bundle
from mtl_export.gate.data import default_data, given_data
from mtl_export.versions import made_with
from mtl_runtime import records
from mtl_runtime.bundle import Bundle
from mtl_runtime.evidence import EVIDENCE_FOLDER, Evidence
from mtl_runtime.golden import GOLDEN_NAME, render_golden
from mtl_runtime.manifest import (
    EMBEDDING_OUTPUT,
    FORMAT_VERSION,
    MANIFEST_NAME,
    FileSpec,
    Manifest,
    VariantSpec,
    logits_output,
)

__all__ = ["VARIANTS", "Exported", "export_bundle"]

GRAPH_NAME = "model.onnx"

VARIANTS: Mapping[str, VariantSpec] = {
    "cpu-fp32": VariantSpec(graph=GRAPH_NAME, provider="cpu", provider_options={}),
}


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished bundle and what the gate measured before it was let out."""

    bundle: Bundle
    evidence: Evidence


def export_bundle(
    checkpoint: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    variants: Sequence[str] = ("cpu-fp32",),
    data: Iterable[str | os.PathLike[str]] = (),
    gate: GateConfig | None = None,
    force: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Export the checkpoint in a folder to a bundle in the folder ``output``.

    Args:
        checkpoint: folder that ``train`` wrote.
        output: appears whole, or not at all when the gate refuses.
        variants: names of :data:`VARIANTS`.
        data: files of sentences to compare on, with labels where there are some; default: the validation
            files of the checkpoint's config, which must not have changed since training.
        gate: budgets; default: those of the checkpoint's config.
        force: replace ``output``.
        report: is told each stage.

    Raises:
        ConfigError, CheckpointError, ExportError, TableError: the message says what to do.
        GateError: the graph does not give PyTorch's answers; no bundle is written, and the evidence is told.
    """
    target = Path(output)
    check_target(target, force=force)
    chosen = _variants(variants)
    trained = load_checkpoint(checkpoint)
    files = tuple(Path(file) for file in data)
    sentences = given_data(trained, files) if files else default_data(trained)
    with whole_folder(target, force=force) as staging:
        report(f"exporting {trained.record.model.encoder.family} with {len(trained.record.model.tasks)} heads")
        _write(staging, trained, chosen, [row.text for row in sentences.rows])
        report(f"comparing with PyTorch on {len(sentences.rows)} sentences")
        bundle = Bundle.open(staging)
        evidence = gate_bundle(bundle, trained.model, sentences, gate or trained.record.training.config.gate)
        _refuse_failed(evidence)
        folder = staging / EVIDENCE_FOLDER
        folder.mkdir()
        (folder / f"{evidence.machine.name}.json").write_text(records.to_json(evidence), "utf-8")
    return Exported(Bundle.open(target), evidence)


def _variants(names: Sequence[str]) -> dict[str, VariantSpec]:
    for name in names:
        if name not in VARIANTS:
            raise ConfigError(f"unknown variant {name!r}; known: {', '.join(VARIANTS)}")
    if not names:
        raise ConfigError("at least one variant is needed")
    return {name: VARIANTS[name] for name in names}


def _write(folder: Path, trained: Checkpoint, variants: Mapping[str, VariantSpec], sentences: Sequence[str]) -> None:
    """All files of the bundle, the manifest last."""
    spec, model = trained.record.model, trained.model
    graph = apply(to_onnx(model), [without_traces, portable, describe(spec)])
    save(graph, folder / GRAPH_NAME)
    (folder / "tokenizer.json").write_bytes(model.tokenizer.to_json())
    (folder / GOLDEN_NAME).write_bytes(render_golden(golden_texts(model, sentences)))
    (folder / "MODEL_CARD.md").write_text(model_card(trained.record), "utf-8")
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        tasks=spec.tasks,
        encoder=spec.encoder,
        inputs=model.inputs,
        outputs=(*(logits_output(task.name) for task in spec.tasks), EMBEDDING_OUTPUT),
        variants=variants,
        files={file.name: FileSpec.of_file(file) for file in sorted(folder.iterdir())},
        made_with=made_with(),
    )
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), "utf-8")


def _refuse_failed(evidence: Evidence) -> None:
    problems = [
        f"{variant}, task {name}: {problem}"
        for variant, measured in evidence.variants.items()
        for name, task in measured.tasks.items()
        for problem in task.problems
    ]
    if problems:
        raise GateError("the gate refuses the export: " + "; ".join(problems))
