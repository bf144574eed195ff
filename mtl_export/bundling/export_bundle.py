"""checkpoint -> verified bundle: graphs, tokenizer, golden texts, manifest, evidence; whole or absent."""

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mtl_export.atomic_folder import atomic_folder, check_can_write
from mtl_export.bundling.golden_texts import EDGE_TEXTS, golden_texts
from mtl_export.bundling.model_card import model_card
from mtl_export.checkpoint import Checkpoint, load_checkpoint
from mtl_export.errors import CheckpointError, ConfigError, ExportError, GateError
from mtl_export.gate.comparison_data import ComparisonData, data_from_checkpoint, data_from_files
from mtl_export.gate.variant_builder import BuiltVariant, VariantBuilder
from mtl_export.graphs.graph_builder import GraphBuilder
from mtl_export.graphs.passes import save
from mtl_export.graphs.recipes import PORTABLE_GRAPH, Recipe, default_variants, resolve_recipes
from mtl_export.graphs.trace import check_finite_weights
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.gate_config import GateConfig
from mtl_runtime.bundle.golden import GOLDEN_NAME, render_golden
from mtl_runtime.bundle.manifest import (
    EMBEDDING_OUTPUT,
    FORMAT_VERSION,
    MANIFEST_NAME,
    FileSpec,
    Manifest,
    TaskSpec,
    VariantSpec,
    logits_output,
)
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.dataset.examples import Example
from mtl_runtime.evidence.files import EVIDENCE_FOLDER
from mtl_runtime.evidence.schema import Evidence, VariantEvidence
from mtl_runtime.gate.calibration import calibrate
from mtl_runtime.gate.gate_bundle import moment, new_evidence, write_evidence
from mtl_runtime.gate.gate_variant import Reference, encode_targets
from mtl_runtime.inference.decode import check_finite
from mtl_runtime.loading.variant_choice import DEFAULT_VARIANT

__all__ = ["AUTO", "Exported", "export_bundle"]

AUTO = "auto"

# Sentences of training that activation ranges are measured on.
_CALIBRATION_SENTENCES = 512

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished bundle and what the gate measured before it was let out."""

    bundle: Bundle
    evidence: Evidence
    page: Path  # that shows the evidence


def export_bundle(
    checkpoint: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    variants: Sequence[str] = (AUTO,),
    data: Iterable[str | os.PathLike[str]] = (),
    calibration: Iterable[str | os.PathLike[str]] = (),
    gate: GateConfig | None = None,
    force: bool = False,
    report: Report = lambda _: None,
) -> Exported:
    """Export the checkpoint in a folder to a bundle in the folder ``output``.

    Args:
        checkpoint: folder that ``train`` wrote.
        output: appears whole, or not at all when the gate refuses.
        variants: names of :data:`mtl_export.graphs.recipes.RECIPES`, and "auto". cpu-fp32 is always made. One
            asked for by name must pass; of "auto", those over their budgets are left out, and the evidence tells.
        data: files of sentences to compare on, with labels where there are some; default: the validation
            files of the checkpoint's config, which must not have changed since training.
        calibration: files of sentences whose activations set the scales of int8; default: those of training.
        gate: budgets; default: those of the checkpoint's config.
        force: replace ``output``.
        report: is told each stage.

    Raises:
        ConfigError, CheckpointError, ExportError, TableError: the message says what to do.
        GateError: a variant does not give PyTorch's answers; no bundle is written, and the message tells which.
    """
    target = Path(output)
    check_can_write(target, force=force)
    moment()  # a wrong SOURCE_DATE_EPOCH is better found now than after the work
    asked = frozenset(variants) - {AUTO}
    recipes = resolve_recipes([*(default_variants() if AUTO in variants else ()), *sorted(asked)])
    trained = load_checkpoint(checkpoint)
    check_finite_weights(trained.model)
    budgets = gate or trained.record.training.config.gate
    _known_tasks(budgets, trained)
    files = tuple(map(Path, data))
    sentences = data_from_files(trained, files) if files else data_from_checkpoint(trained, "validation")
    with tempfile.TemporaryDirectory() as scratch, atomic_folder(target, force=force) as staging:
        names = ", ".join(task.name for task in trained.record.model.tasks)
        report(f"exporting {trained.record.model.encoder.family} with heads for {names}")
        texts = trained.model.tokenize(_calibration_texts(trained, tuple(map(Path, calibration)), recipes))
        validation, compared = _validation(trained), _with_edges(sentences)
        reference = _reference(trained, compared, validation, report)
        material = GraphBuilder(trained.model, reference.tasks, texts, Path(scratch), report=report)
        _write_common(staging, trained, material, sentences)
        workshop = VariantBuilder(
            folder=staging,
            manifest=partial(_manifest, staging, trained, reference.tasks, budgets),
            graphs=material,
            data=compared,
            reference=reference,
            validation=validation,
            gate=budgets,
            report=report,
        )
        made, refused = _make_all(workshop, recipes, asked)
        evidence = _finish(staging, workshop, made, refused)
        page = write_evidence(evidence, staging / EVIDENCE_FOLDER, title=target.absolute().name)
    return Exported(Bundle.open(target), evidence, target / EVIDENCE_FOLDER / page.name)


def _known_tasks(gate: GateConfig, trained: Checkpoint) -> None:
    known = [task.name for task in trained.record.model.tasks]
    if unknown := sorted(gate.tasks.keys() - set(known)):
        raise ConfigError(f"gate.tasks.{unknown[0]}: no such task; known: {', '.join(known)}")


def _with_edges(data: ComparisonData) -> ComparisonData:
    """The sentences, and edge cases: the shortest and longest texts and what tokenizers get wrong first."""
    edges = (Example(text=text, labels={}, path="edge cases", line=line) for line, text in enumerate(EDGE_TEXTS, 1))
    return dataclasses.replace(data, rows=(*data.rows, *edges))


def _calibration_texts(trained: Checkpoint, files: tuple[Path, ...], recipes: Mapping[str, Recipe]) -> list[str]:
    """A spread of calibration sentences; none where no recipe makes a graph of its own."""
    if all(recipe.build is None for recipe in recipes.values()):
        return []
    rows = (data_from_files(trained, files) if files else data_from_checkpoint(trained, "train")).rows
    return [row.text for row in evenly_spaced(rows, _CALIBRATION_SENTENCES)]


def _validation(trained: Checkpoint) -> ComparisonData | None:
    """Labelled sentences that temperatures are fitted on; None where they are no longer those of training."""
    try:
        return data_from_checkpoint(trained, "validation")
    except CheckpointError:
        return None


def _reference(
    trained: Checkpoint, sentences: ComparisonData, validation: ComparisonData | None, report: Report
) -> Reference:
    """PyTorch's answers, with its own temperatures and thresholds."""
    report(f"PyTorch answers {len(sentences.rows)} sentences")
    logits = trained.model.logits([row.text for row in sentences.rows])
    for name, rows in logits.items():
        check_finite(rows, f"PyTorch's logit of task {name!r}")
    tasks = trained.record.model.tasks
    if validation is not None:
        fitted = trained.model.logits([row.text for row in validation.rows])
        labels = {task.name: encode_targets(task, validation.rows) for task in tasks}
        tasks = tuple(
            task if (targets := labels[task.name]) is None else calibrate(task, fitted[task.name], targets)
            for task in tasks
        )
    return Reference("PyTorch", tasks, logits)


def _write_common(folder: Path, trained: Checkpoint, material: GraphBuilder, sentences: ComparisonData) -> None:
    """The files that every bundle has, the manifest aside."""
    save(material.portable, folder / PORTABLE_GRAPH)
    (folder / "tokenizer.json").write_bytes(trained.model.tokenizer.to_json())
    golden = golden_texts(trained.model, [row.text for row in sentences.rows])
    (folder / GOLDEN_NAME).write_bytes(render_golden(golden))
    (folder / "MODEL_CARD.md").write_text(model_card(trained.record), "utf-8")


def _make_all(
    workshop: VariantBuilder, recipes: Mapping[str, Recipe], asked: frozenset[str]
) -> tuple[dict[str, BuiltVariant], dict[str, VariantEvidence]]:
    """Every variant that may be let out, and what was measured of those that may not.

    Raises:
        GateError: cpu-fp32, or a variant that was asked for by name, is over its budgets.
    """
    made: dict[str, BuiltVariant] = {}
    refused: dict[str, VariantEvidence] = {}
    for name, recipe in recipes.items():
        needed = name in asked or name == DEFAULT_VARIANT
        try:
            variant = workshop.build_and_gate(name, recipe)
        except ExportError as error:
            if needed:
                raise
            refused[name] = VariantEvidence(
                status="failed", provider=recipe.provider, threads=0, tasks={}, problems=(str(error),)
            )
            continue
        if variant.evidence.status != "failed":
            made[name] = variant
        elif needed:
            raise GateError(f"the gate refuses {name}: {'; '.join(_problems(variant.evidence))}")
        else:
            refused[name] = variant.evidence
    return made, refused


def _problems(evidence: VariantEvidence) -> list[str]:
    problems = [f"task {name}: {text}" for name, task in evidence.tasks.items() for text in task.problems]
    if evidence.repair is not None:
        steps = f"{len(evidence.repair.curve) - 1} repairs, up to {len(evidence.repair.kept)} products kept in fp32"
        problems.append(f"{steps} of {evidence.repair.candidates}, did not bring it inside")
    return [*problems, *evidence.problems]


def _finish(
    folder: Path, workshop: VariantBuilder, made: Mapping[str, BuiltVariant], refused: Mapping[str, VariantEvidence]
) -> Evidence:
    """Remove graphs that no variant runs, write the manifest, and put the evidence together."""
    used = {variant.spec.graph for variant in made.values()}
    for graph in folder.glob("*.onnx"):
        if graph.name not in used:
            for file in folder.glob(f"{graph.name}*"):
                file.unlink()
    manifest = workshop.manifest({name: variant.spec for name, variant in made.items()})
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), "utf-8")
    measured = {name: variant.evidence for name, variant in made.items()}
    digest = Bundle.open(folder).digest
    return new_evidence(digest, workshop.reference.name, workshop.data.files, measured, refused)


def _manifest(
    folder: Path,
    trained: Checkpoint,
    tasks: tuple[TaskSpec, ...],
    gate: GateConfig,
    variants: Mapping[str, VariantSpec],
) -> Manifest:
    """What the bundle in ``folder`` says of itself, with these variants."""
    spec, model = trained.record.model, trained.model
    return Manifest(
        format_version=FORMAT_VERSION,
        tasks=tasks,
        encoder=spec.encoder,
        inputs=model.inputs,
        outputs=(*(logits_output(task.name) for task in tasks), EMBEDDING_OUTPUT),
        variants=variants,
        files={file.name: FileSpec.of_file(file) for file in sorted(folder.iterdir()) if file.is_file()},
        made_with=installed_versions(),
        gate=gate,
    )
