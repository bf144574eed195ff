"""checkpoint + sentences -> QuantizationResults: every method of METHODS built, compared with fp32, and timed.

A method that fails is a row with its error. Answers come first, method by method; the rounds come last, so that
only their minutes need a quiet machine.
"""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from mtl_bench.effort import Effort
from mtl_bench.processes.interleave import round_ratios, run_interleaved
from mtl_bench.studies.quantization.measures import (
    TokenizedSentences,
    answer,
    compare_answers,
    count_operators,
    even_indices,
    measure_neighbours,
    plan_by_budget,
)
from mtl_bench.studies.quantization.method_inputs import MethodInputs
from mtl_bench.studies.quantization.methods import BASELINE, METHODS, Method
from mtl_bench.studies.quantization.results import (
    SCHEMA_VERSION,
    MethodFigures,
    MethodResult,
    NeighbourEffect,
    QuantizationResults,
    TaskFigures,
)
from mtl_export.checkpoint import Checkpoint, load_checkpoint
from mtl_export.errors import ConfigError
from mtl_export.gate.comparison_data import Sentences, data_from_files
from mtl_runtime.bundle.manifest import FileSpec
from mtl_runtime.core.installed_packages import MAKERS, installed_versions
from mtl_runtime.core.machine import allowed_cores, machine_facts
from mtl_runtime.dataset.targets import encode_labels
from mtl_runtime.gate.speed import median_ratio
from mtl_runtime.inference.batching import DEFAULT_MAX_BATCH_TOKENS
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch

__all__ = ["run_study"]

_log = logging.getLogger(__name__)
_SHUFFLE_SEED = 0


@dataclass(frozen=True, slots=True)
class _Graph:
    """A graph that onnxruntime runs."""

    session: Session
    bytes: int
    operators: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _AnswerFigures:
    """How far the answers of a graph are from fp32's."""

    tasks: Mapping[str, TaskFigures]
    neighbours: NeighbourEffect


@dataclass(frozen=True, slots=True)
class _Timing:
    """Seconds of each graph by round."""

    seconds: Mapping[str, Sequence[float]]
    sentences: int
    load: float


def run_study(
    checkpoint: Path,
    calibration: Path,
    data: Path,
    folder: Path,
    *,
    effort: Effort,
    earlier: QuantizationResults | None = None,
) -> QuantizationResults:
    """Measure all methods on a checkpoint.

    Args:
        checkpoint: folder that ``mtl train`` wrote, with single_label tasks only.
        calibration: file of sentences that ranges are taken from.
        data: file of sentences with labels that answers are compared with.
        folder: for the graphs.
        effort: numbers of sentences and rounds.
        earlier: results for the same files, whose answers stay: only time is measured.

    Raises:
        ConfigError: a task is of another kind, or ``earlier`` is of other files.
        CheckpointError, TableError: as ``mtl export``.
    """
    trained = load_checkpoint(checkpoint)
    if any(task.kind != "single_label" for task in trained.record.model.tasks):
        raise ConfigError("this study is made for single_label tasks")
    train, test = data_from_files(trained, [calibration]), data_from_files(trained, [data])
    files = {**train.files, **test.files}
    if earlier is not None and earlier.data != files:
        raise ConfigError("the answers to keep are those of other sentences")
    texts = train.texts
    sample = [texts[index] for index in even_indices(len(texts), effort.calibration_texts)]
    inputs = MethodInputs(trained.model, trained.model.tokenize(sample), folder)
    sentences = _tokenize(trained, test)
    graphs, errors = _build_all(inputs)
    answers = _compare_all(graphs, sentences, effort) if earlier is None else _earlier_answers(earlier)
    timing = _time_all(graphs, sentences, effort)
    results = {
        name: MethodResult(title=method.title, error=errors[name])
        if name in errors
        else MethodResult(title=method.title, figures=_figures(graphs[name], answers[name], timing, name))
        for name, method in METHODS.items()
    }
    return _results(results, timing, files, len(sample))


def _tokenize(trained: Checkpoint, test: Sentences) -> TokenizedSentences:
    spec = trained.record.model
    targets = {
        task.name: encode_labels(task, [row.labels.get(task.name) for row in test.examples]) for task in spec.tasks
    }
    texts = trained.model.tokenize(test.texts)
    return TokenizedSentences(spec.tasks, texts, targets, spec.encoder.pad_id)


def _build_all(inputs: MethodInputs) -> tuple[dict[str, _Graph], dict[str, str]]:
    """Each method's graph, opened and run once, or its error."""
    graphs: dict[str, _Graph] = {}
    errors: dict[str, str] = {}
    for name, method in METHODS.items():
        _log.info("building %s", name)
        try:
            graphs[name] = _build(method, inputs, inputs.folder / f"{name}.onnx")
        except Exception as error:  # a quantizer may raise anything, and a failure is a result
            if name == BASELINE:
                raise
            _log.info("%s drops out: %s", name, error)
            errors[name] = f"{type(error).__name__}: {error}".replace(f"{inputs.folder}{os.sep}", "")
    return graphs, errors


def _build(method: Method, inputs: MethodInputs, file: Path) -> _Graph:
    method.build(inputs, file)
    optimized = file.with_suffix(".optimized")
    session = Session.open(file, threads=allowed_cores(), optimized=optimized)
    session.run(Batch.of(inputs.texts[:1], pad_id=inputs.pad_id), session.outputs)
    return _Graph(session, file.stat().st_size, count_operators(optimized))


def _compare_all(
    graphs: Mapping[str, _Graph], sentences: TokenizedSentences, effort: Effort
) -> dict[str, _AnswerFigures]:
    plan = plan_by_budget(sentences, even_indices(len(sentences.texts), len(sentences.texts)))
    reference = answer(graphs[BASELINE].session, sentences, plan)
    figures = {}
    for name, graph in graphs.items():
        _log.info("asking %s", name)
        tasks = compare_answers(sentences, answer(graph.session, sentences, plan), reference)
        figures[name] = _AnswerFigures(tasks, measure_neighbours(graph.session, sentences, effort.neighbour_texts))
    return figures


def _earlier_answers(earlier: QuantizationResults) -> dict[str, _AnswerFigures]:
    return {
        name: _AnswerFigures(result.figures.tasks, result.figures.neighbours)
        for name, result in earlier.methods.items()
        if result.figures
    }


def _time_all(graphs: Mapping[str, _Graph], sentences: TokenizedSentences, effort: Effort) -> _Timing:
    """Every round runs all graphs in an order of its own, so that no graph always meets the same one's caches."""
    load = os.getloadavg()[0]
    subset = even_indices(len(sentences.texts), effort.timed_texts)
    batches = [sentences.batch(indices) for indices in plan_by_budget(sentences, subset)]
    for graph in graphs.values():
        _pass_seconds(graph.session, batches, sentences.outputs)
    runs = {name: partial(_timed_pass, graph.session, batches, sentences.outputs) for name, graph in graphs.items()}
    seconds = run_interleaved(runs, rounds=effort.rounds, stage="timing", shuffle_seed=_SHUFFLE_SEED)
    return _Timing(seconds, len(subset), load)


def _timed_pass(session: Session, batches: Sequence[Batch], outputs: Sequence[str]) -> float:
    _pass_seconds(session, batches[:1], outputs)  # its weights back into the caches
    return _pass_seconds(session, batches, outputs)


def _pass_seconds(session: Session, batches: Sequence[Batch], outputs: Sequence[str]) -> float:
    start = time.perf_counter()
    for batch in batches:
        session.run(batch, outputs)
    return time.perf_counter() - start


def _figures(graph: _Graph, answers: _AnswerFigures, timing: _Timing, name: str) -> MethodFigures:
    ratios = round_ratios(timing.seconds[BASELINE], timing.seconds[name])
    return MethodFigures(
        bytes=graph.bytes,
        operators=graph.operators,
        tasks=answers.tasks,
        neighbours=answers.neighbours,
        speed=median_ratio(ratios),
        ratios=ratios,
    )


def _results(
    methods: Mapping[str, MethodResult], timing: _Timing, files: Mapping[str, FileSpec], calibration: int
) -> QuantizationResults:
    return QuantizationResults(
        schema_version=SCHEMA_VERSION,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine_facts(),
        threads=allowed_cores(),
        load=timing.load,
        made_with=installed_versions((*MAKERS, "onnx-ir", "numpy")),
        data=files,
        calibration_sentences=calibration,
        timed_sentences=timing.sentences,
        max_batch_tokens=DEFAULT_MAX_BATCH_TOKENS,
        baseline=tuple(timing.sentences / seconds for seconds in timing.seconds[BASELINE]),
        methods=methods,
    )
