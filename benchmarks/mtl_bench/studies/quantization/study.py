"""checkpoint + sentences -> Study: every method of METHODS built, compared with fp32, and timed.

A method that fails is a row with its error. Answers come first, method by method; the rounds come last, so that
only their minutes need a quiet machine.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mtl_bench.studies.quantization.ingredients import Ingredients
from mtl_bench.studies.quantization.measures import (
    Sentences,
    answers,
    by_budget,
    compared,
    neighbours,
    operators,
    spread,
)
from mtl_bench.studies.quantization.methods import BASELINE, METHODS, Method
from mtl_bench.studies.quantization.results import SCHEMA_VERSION, Figures, Neighbours, Result, Study, TaskFigures
from mtl_bench.studies.quantization.rounds import timed
from mtl_export.checkpoint import Checkpoint, load_checkpoint
from mtl_export.errors import ConfigError
from mtl_export.gate.comparison_data import ComparisonData, data_from_files
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core.installed_packages import MAKERS, installed_versions
from mtl_runtime.core.machine import allowed_cores, machine_facts
from mtl_runtime.dataset.targets import encode_labels
from mtl_runtime.gate.speed import median_ratio
from mtl_runtime.inference.batching import DEFAULT_MAX_BATCH_TOKENS
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch

__all__ = ["Amounts", "study"]

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """How much is measured."""

    calibration: int = 512  # sentences
    neighbours: int = 2000  # sentences, alone and in batches
    # Short rounds: what slows the machine for some seconds then slows whole rounds, and not one method in a round.
    timed: int = 128  # sentences of a round
    rounds: int = 31


@dataclass(frozen=True, slots=True)
class _Built:
    """A graph that onnxruntime runs."""

    session: Session
    bytes: int
    operators: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a graph answers."""

    tasks: Mapping[str, TaskFigures]
    neighbours: Neighbours


@dataclass(frozen=True, slots=True)
class _Rounds:
    """What the timing found."""

    seconds: Mapping[str, list[float]]
    sentences: int
    load: float


def study(
    checkpoint: Path,
    calibration: Path,
    data: Path,
    folder: Path,
    *,
    amounts: Amounts,
    report: Report,
    known: Study | None = None,
) -> Study:
    """Measure all methods on a checkpoint.

    Args:
        checkpoint: folder that ``mtl train`` wrote, with single_label tasks only.
        calibration: file of sentences that ranges are taken from.
        data: file of sentences with labels that methods are judged by.
        folder: for the graphs.
        amounts: of sentences and rounds.
        report: is told each step.
        known: an earlier study of the same files, whose answers are kept: only time is measured.

    Raises:
        ConfigError: a task is of another kind, or ``known`` is of other files.
        CheckpointError, TableError: as ``mtl export``.
    """
    trained = load_checkpoint(checkpoint)
    if any(task.kind != "single_label" for task in trained.record.model.tasks):
        raise ConfigError("this study is made for single_label tasks")
    train, test = data_from_files(trained, [calibration]), data_from_files(trained, [data])
    files = {**train.files, **test.files}
    if known is not None and known.data != files:
        raise ConfigError("the answers to keep are those of other sentences")
    sample = [train.rows[index].text for index in spread(len(train.rows), amounts.calibration)]
    ingredients = Ingredients(trained.model, trained.model.tokenize(sample), folder)
    sentences = _sentences(trained, test)
    built, errors = _built(ingredients, report)
    judged = _judged(built, sentences, amounts, report) if known is None else _kept(known)
    rounds = _timed(built, sentences, amounts, report)
    results = {
        name: Result(title=method.title, error=errors[name])
        if name in errors
        else Result(title=method.title, figures=_figures(built[name], judged[name], rounds, name))
        for name, method in METHODS.items()
    }
    return _published(results, rounds, files, len(sample))


def _sentences(trained: Checkpoint, test: ComparisonData) -> Sentences:
    spec = trained.record.model
    targets = {task.name: encode_labels(task, [row.labels.get(task.name) for row in test.rows]) for task in spec.tasks}
    texts = trained.model.tokenize([row.text for row in test.rows])
    return Sentences(spec.tasks, texts, targets, spec.encoder.pad_id)


def _built(ingredients: Ingredients, report: Report) -> tuple[dict[str, _Built], dict[str, str]]:
    """Each method's graph, opened and run once, or its error."""
    found: dict[str, _Built] = {}
    errors: dict[str, str] = {}
    for name, method in METHODS.items():
        report(f"building {name}")
        try:
            found[name] = _build(method, ingredients, ingredients.folder / f"{name}.onnx")
        except Exception as error:  # quantizers raise what they like, and a failure is a result
            if name == BASELINE:
                raise
            report(f"  {error}")
            errors[name] = f"{type(error).__name__}: {error}".replace(f"{ingredients.folder}{os.sep}", "")
    return found, errors


def _build(method: Method, ingredients: Ingredients, file: Path) -> _Built:
    method.build(ingredients, file)
    optimized = file.with_suffix(".optimized")
    session = Session.open(file, threads=allowed_cores(), optimized=optimized)
    session.run(Batch.of(ingredients.texts[:1], pad_id=ingredients.pad_id), session.outputs)
    return _Built(session, file.stat().st_size, operators(optimized))


def _judged(built: Mapping[str, _Built], sentences: Sentences, amounts: Amounts, report: Report) -> dict[str, _Judged]:
    plan = by_budget(sentences, spread(len(sentences.texts), len(sentences.texts)))
    reference = answers(built[BASELINE].session, sentences, plan)
    judged = {}
    for name, graph in built.items():
        report(f"asking {name}")
        found = answers(graph.session, sentences, plan)
        judged[name] = _Judged(
            compared(sentences, found, reference), neighbours(graph.session, sentences, amounts.neighbours)
        )
    return judged


def _kept(known: Study) -> dict[str, _Judged]:
    return {
        name: _Judged(result.figures.tasks, result.figures.neighbours)
        for name, result in known.methods.items()
        if result.figures
    }


def _timed(built: Mapping[str, _Built], sentences: Sentences, amounts: Amounts, report: Report) -> _Rounds:
    load = os.getloadavg()[0]
    chosen = spread(len(sentences.texts), amounts.timed)
    seconds = timed(
        {name: graph.session for name, graph in built.items()},
        [sentences.batch(indices) for indices in by_budget(sentences, chosen)],
        sentences.outputs,
        rounds=amounts.rounds,
        report=report,
    )
    return _Rounds(seconds, len(chosen), load)


def _figures(graph: _Built, judged: _Judged, rounds: _Rounds, name: str) -> Figures:
    pairs = zip(rounds.seconds[BASELINE], rounds.seconds[name], strict=True)
    ratios = tuple(baseline / own for baseline, own in pairs)
    return Figures(
        bytes=graph.bytes,
        operators=graph.operators,
        tasks=judged.tasks,
        neighbours=judged.neighbours,
        speed=median_ratio(ratios),
        ratios=ratios,
    )


def _published(
    results: Mapping[str, Result], rounds: _Rounds, files: Mapping[str, FileSpec], calibration: int
) -> Study:
    return Study(
        schema_version=SCHEMA_VERSION,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine_facts(),
        threads=allowed_cores(),
        load=rounds.load,
        made_with=installed_versions((*MAKERS, "onnx-ir", "numpy")),
        data=files,
        calibration_sentences=calibration,
        timed_sentences=rounds.sentences,
        max_batch_tokens=DEFAULT_MAX_BATCH_TOKENS,
        baseline=tuple(rounds.sentences / seconds for seconds in rounds.seconds[BASELINE]),
        methods=results,
    )
