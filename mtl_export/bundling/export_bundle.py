"""checkpoint -> verified bundle: graphs, tokenizer, golden texts, manifest, evidence; whole or absent."""

import dataclasses
import logging
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtl_export.bundling.golden_answers import write_golden_answers
from mtl_export.bundling.golden_texts import EDGE_TEXTS, golden_texts, self_test_lines
from mtl_export.bundling.model_card import model_card
from mtl_export.bundling.summarize_distillation import summarize_distillation
from mtl_export.bundling.summarize_training import summarize_training
from mtl_export.checkpoint import Checkpoint, load_checkpoint, weights_digest
from mtl_export.errors import ConfigError, ExportError, GateError
from mtl_export.gate.comparison_data import (
    ComparisonData,
    data_from_checkpoint,
    data_from_files,
    load_comparison_data,
)
from mtl_export.gate.graph_sessions import GraphSessions
from mtl_export.gate.teacher import ask_teacher, require_same_tasks
from mtl_export.gate.variant_builder import BuiltVariant, VariantBuilder
from mtl_export.graphs.graph_builder import GraphBuilder
from mtl_export.graphs.passes import save
from mtl_export.graphs.recipes import PORTABLE_GRAPH, RECIPES, AutoVariants, Recipe, auto_variants, resolve_recipes
from mtl_export.graphs.trace import check_finite_weights
from mtl_export.model.encoder import count_embedded_tokens
from mtl_export.preflight import check_export, check_holds_none_of
from mtl_export.variant_names import AUTO
from mtl_runtime.bundle.bundle import Bundle, write_manifest
from mtl_runtime.bundle.gate_config import GateConfig
from mtl_runtime.bundle.golden import GOLDEN_NAME, GoldenText, render_golden
from mtl_runtime.bundle.manifest import (
    DEFAULT_VARIANT,
    EMBEDDING_OUTPUT,
    FORMAT_VERSION,
    FileSpec,
    Manifest,
    TaskSpec,
    logits_output,
)
from mtl_runtime.core.atomic_folder import atomic_folder
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.core.work import planned_work, stage_work
from mtl_runtime.evidence.files import EVIDENCE_FOLDER
from mtl_runtime.evidence.schema import Evidence, VariantEvidence
from mtl_runtime.gate.gate_variant import Reference
from mtl_runtime.gate.write_evidence import new_evidence, write_evidence
from mtl_runtime.inference.decode import check_finite

__all__ = ["Exported", "export_bundle"]

_log = logging.getLogger(__name__)

# In sentences that cpu-fp32 answers: a sentence that PyTorch answers, a graph that is traced and written, and a bundle
# whose files are hashed.
_PYTORCH_WORK, _TRACING_WORK, _WRITING_WORK = 4.0, 1300.0, 100.0
# Sentences of training that activation ranges are measured on.
_CALIBRATION_SENTENCES = 512


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
    column: str | None = None,
    gate: GateConfig | None = None,
    reference: str | os.PathLike[str] | None = None,
    leave_out_refused: bool = False,
    force: bool = False,
) -> Exported:
    """Export the checkpoint in a folder to a bundle in the folder ``output``.

    Args:
        checkpoint: folder that ``train`` wrote.
        output: appears whole, or not at all when the gate refuses.
        variants: names of :data:`mtl_export.graphs.recipes.RECIPES`, and "auto". cpu-fp32 is always made. One
            asked for by name must pass; of "auto", those over their budgets are left out, and the evidence says so.
        data: files of sentences to compare on, with labels where there are some; default: the validation
            files of the checkpoint's config, which must not have changed since training.
        calibration: files of sentences whose activations set the scales of int8; default: those of training.
        column: of the texts in ``data`` and ``calibration``; default: as in training, if a file has such a column, else
            "text".
        gate: budgets; default: those of the checkpoint's config.
        reference: folder of the checkpoint that this one was distilled from, or of any other with the same tasks. The
            evidence then says what each variant loses compared with it; max_metric_drop is what it may.
        leave_out_refused: treat variants that were asked for by name as those of "auto".
        force: replace ``output``.

    Raises:
        ConfigError, CheckpointError, ExportError, TableError: the message says what to do.
        GateError: a variant does not give PyTorch's answers; no bundle is written, and the message names it.
    """
    target, files, calibration_files = Path(output), tuple(map(Path, data)), tuple(map(Path, calibration))
    check_export(
        Path(checkpoint),
        target,
        variants=variants,
        data=(*files, *calibration_files),
        reference=Path(reference) if reference is not None else None,
        force=force,
    )
    asked = frozenset(variants) - {AUTO}
    recipes = resolve_recipes([*(_log_auto(auto_variants(), asked) if AUTO in variants else ()), *sorted(asked)])
    trained = load_checkpoint(checkpoint)
    check_holds_none_of((target,), trained.data_files)
    check_finite_weights(trained.model)
    budgets = gate or trained.record.training.config.gate
    _require_known_tasks(budgets, trained)
    teacher = load_checkpoint(reference) if reference is not None else None
    if teacher is not None:
        check_holds_none_of((target,), teacher.data_files)
        require_same_tasks(trained, teacher)
    comparison = load_comparison_data(trained, files, EDGE_TEXTS, column=column)
    with tempfile.TemporaryDirectory() as scratch, atomic_folder(target, replace=force) as staging:
        names = ", ".join(task.name for task in trained.record.model.tasks)
        _log.info("exporting %s with heads for %s", trained.record.model.encoder.family, names)
        texts = trained.model.tokenize(_calibration_texts(trained, calibration_files, column, recipes))
        own = _reference(trained, comparison)
        graphs = GraphBuilder(trained.model, own.tasks, texts, Path(scratch))
        golden = golden_texts(trained.model, comparison.sentences.texts)
        lines = self_test_lines(golden, max_length=trained.record.model.encoder.max_length)
        builder = VariantBuilder(
            folder=staging,
            graphs=graphs,
            sessions=GraphSessions(staging, trained.record.model.encoder, trained.model.tokenizer),
            data=comparison,
            reference=own,
            gate=budgets,
            golden_texts=[golden[line - 1].text for line in lines],
            teacher=ask_teacher(teacher, comparison) if teacher is not None else None,
        )
        plan = planned_work(builder.planned_work(recipes))
        _log.info("making %s", ", ".join(recipes), extra=plan)
        _write_common_files(staging, trained, graphs, golden)
        built, refused = _build_all(builder, recipes, frozenset() if leave_out_refused else asked)
        _log.info("writing the bundle", extra=stage_work(_WRITING_WORK, unplanned=True))
        built = write_golden_answers(staging, built, lines)
        builder.sessions.close_all()
        digest = _write_manifest(staging, trained, own.tasks, budgets, built)
        measured = {name: variant.evidence for name, variant in built.items()}
        summary = summarize_training(trained.record.training)
        evidence = new_evidence(
            digest,
            own.name,
            comparison.sentences.files,
            measured,
            refused,
            training=summary,
            teacher=weights_digest(teacher) if teacher is not None else None,
        )
        page = write_evidence(evidence, staging / EVIDENCE_FOLDER, title=target.absolute().name)
    return Exported(Bundle.open(target), evidence, target / EVIDENCE_FOLDER / page.name)


def _log_auto(auto: AutoVariants, asked: frozenset[str]) -> tuple[str, ...]:
    """The variants of "auto"; logs which these are, and why others are not among them."""
    left_out = {name: why for name, why in auto.left_out.items() if name not in asked}
    reasons = "".join(f"; no {name}: {why}" for name, why in left_out.items())
    others = [name for name in left_out if RECIPES[name].can_be_compared_here]
    hint = f" (to have them: --variants auto,{','.join(others)})" if others else ""
    _log.info("auto makes %s%s%s", ", ".join(auto.names), reasons, hint)
    return auto.names


def _require_known_tasks(gate: GateConfig, trained: Checkpoint) -> None:
    known = [task.name for task in trained.record.model.tasks]
    for name, place in gate.named_tasks.items():
        if name not in known:
            raise ConfigError(f"gate.{place}: no such task; known: {', '.join(known)}")


def _calibration_texts(
    trained: Checkpoint, files: tuple[Path, ...], column: str | None, recipes: Mapping[str, Recipe]
) -> list[str]:
    """Evenly spaced calibration sentences; none where no recipe makes a graph of its own."""
    if all(recipe.build is None for recipe in recipes.values()):
        return []
    sentences = data_from_files(trained, files, column=column) if files else data_from_checkpoint(trained, "train")
    return evenly_spaced(sentences.texts, _CALIBRATION_SENTENCES)


def _reference(trained: Checkpoint, comparison: ComparisonData) -> Reference:
    """PyTorch's answers, with its own temperatures and thresholds."""
    work = stage_work(_PYTORCH_WORK * comparison.answered, unplanned=True)
    _log.info("PyTorch: answering %d sentences", len(comparison.compared), extra=work)
    outputs = comparison.answer(trained.model.logits)
    for name, rows in outputs.compared.items():
        check_finite(rows, f"PyTorch's logit of task {name!r}")
    fitted = comparison.calibrate(trained.record.model.tasks, outputs)
    return Reference("PyTorch", fitted.tasks, outputs.compared, fitted.judge_unseen(comparison.compared_texts))


def _write_common_files(folder: Path, trained: Checkpoint, graphs: GraphBuilder, golden: Sequence[GoldenText]) -> None:
    """The files that every bundle has, the manifest aside."""
    _log.info("tracing the graph: PyTorch's operations become ONNX", extra=stage_work(_TRACING_WORK, unplanned=True))
    save(graphs.portable, folder / PORTABLE_GRAPH)
    (folder / "tokenizer.json").write_bytes(trained.model.tokenizer.to_json())
    (folder / GOLDEN_NAME).write_bytes(render_golden(golden))
    (folder / "MODEL_CARD.md").write_text(model_card(trained.record), "utf-8")


def _build_all(
    builder: VariantBuilder, recipes: Mapping[str, Recipe], asked: frozenset[str]
) -> tuple[dict[str, BuiltVariant], dict[str, VariantEvidence]]:
    """Every variant that may be let out, and the evidence of those that may not.

    Raises:
        GateError: cpu-fp32, or a variant that was asked for by name, is over its budgets.
    """
    built: dict[str, BuiltVariant] = {}
    refused: dict[str, VariantEvidence] = {}
    for name, recipe in recipes.items():
        needed = name in asked or name == DEFAULT_VARIANT
        try:
            variant = builder.build_and_gate(name, recipe)
        except ExportError as error:
            if needed:
                raise
            refused[name] = VariantEvidence(
                status="failed", provider=recipe.provider, threads=0, tasks={}, problems=(str(error),)
            )
            continue
        if variant.evidence.status != "failed":
            built[name] = variant
        elif needed:
            raise GateError(f"the gate refuses {name}: {'; '.join(_problems(variant.evidence))}")
        else:
            refused[name] = variant.evidence
    return built, refused


def _problems(evidence: VariantEvidence) -> list[str]:
    problems = evidence.all_problems
    if evidence.repair is not None:
        steps = f"{len(evidence.repair.curve) - 1} repairs, up to {len(evidence.repair.kept)} MatMuls in fp32"
        problems.append(f"{steps} of {evidence.repair.candidates}, did not bring it inside")
    return problems


def _write_manifest(
    folder: Path,
    trained: Checkpoint,
    tasks: tuple[TaskSpec, ...],
    gate: GateConfig,
    built: Mapping[str, BuiltVariant],
) -> str:
    """Remove graphs that no variant runs, hash every file, write the manifest; the manifest's SHA-256."""
    _remove_unused_graphs(folder, {variant.spec.graph for variant in built.values()})
    spec, model = trained.record.model, trained.model
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        tasks=tasks,
        encoder=dataclasses.replace(spec.encoder, vocab_size=count_embedded_tokens(model.encoder)),
        inputs=model.inputs,
        outputs=(*(logits_output(task.name) for task in tasks), EMBEDDING_OUTPUT),
        variants={name: variant.spec for name, variant in built.items()},
        files={file.name: FileSpec.of_file(file) for file in sorted(folder.iterdir()) if file.is_file()},
        made_with=installed_versions(),
        gate=gate,
        training=summarize_training(trained.record.training),
        distillation=summarize_distillation(trained.record.training),
        text_columns=trained.text_columns,
    )
    return write_manifest(folder, manifest).digest


def _remove_unused_graphs(folder: Path, used: set[str]) -> None:
    for graph in folder.glob("*.onnx"):
        if graph.name not in used:
            for file in folder.glob(f"{graph.name}*"):
                file.unlink()
