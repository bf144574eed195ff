"""files of a set and seed -> labels of its test texts, by each of the methods that are compared."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mtl_bench.studies.command_line import run_process
from mtl_bench.studies.small_data.data_sets import TEXT, SetFiles
from mtl_export import load_checkpoint
from mtl_runtime.core import records
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.dataset.examples import read_labelled_file
from mtl_runtime.dataset.label_cells import LabelColumn
from mtl_runtime.errors import MtlError

__all__ = ["FIXED_DEFAULTS", "METHODS", "MethodAnswers", "TrainingInput", "TrainingMethod", "config_text", "read_rows"]

_ROOT = Path(__file__).parents[4]
_PEER_SCRIPT = _ROOT / "benchmarks" / "peers" / "small_data_peer.py"
_PEER_PYTHON = _ROOT / "build" / "peers" / "torch" / "bin" / "python"
_MTL = (sys.executable, "-c", "from mtl_runtime.cli.app import main; main()")
_PEER_PATH = os.pathsep.join((str(_PEER_SCRIPT.parent), str(_ROOT / "benchmarks")))
_MAX_LENGTH = 128  # tokens: the default of [encoder]
_HOLDOUT = 0.1
# The defaults before they were chosen by the data.
FIXED_DEFAULTS: Mapping[str, Any] = {
    "epochs": 3,
    "batch_size": 32,
    "encoder_learning_rate": 3e-5,
    "head_learning_rate": 1e-3,
    "warmup": 0.1,
    "precision": "fp32",
    "initial_heads": "random",
    "contrastive_weight": 0.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingInput:
    """What a method trains on."""

    encoder: Path
    tasks: tuple[str, ...]
    files: SetFiles
    seed: int
    folder: Path  # for the method's own files


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodAnswers:
    """Labels of all test rows by task, and what was noted on the way."""

    labels: Mapping[str, Sequence[str]]
    seconds: float  # of the training processes
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMethod:
    """One row of the comparison."""

    title: str
    answer: Callable[[TrainingInput], MethodAnswers]
    few_shot_only: bool = False


def read_rows(path: Path, tasks: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Texts of a csv file, and their labels by task.

    Raises:
        TableError: the file cannot be read.
    """
    columns = {task: LabelColumn(column=task, kind="single_label") for task in tasks}
    rows = read_labelled_file(path, text=TEXT, tasks=columns)
    return [row.text for row in rows], {task: [str(row.labels[task]) for row in rows] for task in tasks}


def answer_with_mtl_train(training: Mapping[str, Any], given: TrainingInput) -> MethodAnswers:
    """Run ``mtl train`` in a fresh process with these keys of [training], and answer with its checkpoint."""
    config, output = given.folder / "config.toml", given.folder / "checkpoint"
    config.write_text(config_text(given, training), "utf-8")
    seconds = _run([*_MTL, "train", str(config), "-o", str(output), "--force"])
    checkpoint = load_checkpoint(output)
    texts, _ = read_rows(given.files.test, given.tasks)
    predictions = checkpoint.model.predict(texts)
    plan = checkpoint.record.training.plan
    return MethodAnswers(
        labels={task: [prediction[task].label for prediction in predictions] for task in given.tasks},
        seconds=seconds,
        facts={
            **({name: str(value) for name, value in records.to_dict(plan).items()} if plan else {}),
            "best_step": str(checkpoint.record.training.best_step),
            **installed_versions(("mtl-export", "torch", "transformers")),
        },
    )


def answer_with_peer(method: str, given: TrainingInput) -> MethodAnswers:
    """Run a method of benchmarks/peers/small_data_peer.py for all tasks, in a fresh process.

    Raises:
        MtlError: its environment is missing.
        CheckFailedError: it failed.
    """
    if not _PEER_PYTHON.is_file():
        raise MtlError("the environment of scikit-learn and SetFit is missing; run benchmarks/peers/install.py torch")
    train, train_labels = read_rows(given.files.train, given.tasks)
    texts, _ = read_rows(given.files.test, given.tasks)
    content = {
        "method": method,
        "encoder": str(given.encoder),
        "max_length": _MAX_LENGTH,
        "seed": given.seed,
        "train": train,
        "train_labels": train_labels,
        "texts": texts,
    }
    request, answer = given.folder / "request.json", given.folder / "answer.json"
    request.write_text(json.dumps(content), "utf-8")
    seconds = _run([str(_PEER_PYTHON), str(_PEER_SCRIPT), str(request), str(answer)], PYTHONPATH=_PEER_PATH)
    replied = json.loads(answer.read_text("utf-8"))
    return MethodAnswers(labels=replied["labels"], seconds=seconds, facts=replied["facts"])


METHODS: Mapping[str, TrainingMethod] = {
    "probe": TrainingMethod(
        title="logistic regression on frozen embeddings",
        answer=partial(answer_with_peer, "probe"),
    ),
    "default": TrainingMethod(
        title="`mtl train`, all defaults",
        answer=partial(answer_with_mtl_train, {}),
    ),
    "fixed": TrainingMethod(
        title="`mtl train`, fixed defaults",
        answer=partial(answer_with_mtl_train, FIXED_DEFAULTS),
    ),
    "setfit": TrainingMethod(
        title="SetFit, a model per task",
        answer=partial(answer_with_peer, "setfit"),
        few_shot_only=True,
    ),
}


def config_text(given: TrainingInput, training: Mapping[str, Any]) -> str:
    """A config file as somebody writes it who knows only what the README shows, with these keys of [training]."""
    files = given.files
    lines = ["[encoder]", f"model = {_toml(str(given.encoder))}"]
    lines += [f"[tasks.{task}]" for task in given.tasks]
    lines += ["[data]", f"text = {_toml(TEXT)}", f"train = {_toml(str(files.train))}"]
    lines += [f"validation = {_toml(str(files.validation))}" if files.validation else f"holdout = {_HOLDOUT}"]
    # The seed is what the study varies, and no setting of a method.
    lines += ["[training]", f"seed = {given.seed}", *(f"{key} = {_toml(value)}" for key, value in training.items())]
    return "\n".join(lines) + "\n"


def _toml(value: str | float) -> str:
    """A value as TOML writes it; a JSON string or number is one too."""
    return json.dumps(value)


def _run(command: Sequence[str], **environment: str) -> float:
    """Run a process to its end; seconds that it took.

    Raises:
        CheckFailedError: it failed.
    """
    start = time.perf_counter()
    run_process("a training", command, {**os.environ, "HF_HUB_OFFLINE": "1", **environment})
    return time.perf_counter() - start
