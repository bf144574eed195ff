"""TOML file -> Config: frozen, checked, with every path made absolute.

An unknown key is an error that names the nearest known one. docs/training.md explains each key.
"""

import difflib
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from mtl_export.errors import ConfigError
from mtl_runtime.bundle.gate_config import DEFAULTS, GateConfig
from mtl_runtime.bundle.manifest import TASK_NAME, Kind, Pooling
from mtl_runtime.core import records
from mtl_runtime.errors import RecordError

__all__ = [
    "BadRows",
    "Config",
    "DataConfig",
    "EncoderConfig",
    "HeadKind",
    "Precision",
    "SourceConfig",
    "TaskConfig",
    "TrainingConfig",
    "read_gate",
]

HeadKind = Literal["linear", "layernorm", "mlp"]
Precision = Literal["fp32", "bf16", "fp16"]
BadRows = Literal["error", "skip"]
LossWeighting = Literal["static", "uncertainty"]

_SOURCE_KEYS = ("text", "train", "validation", "holdout", "test", "tasks")
_DATA_KEYS = ("sources", "temperature", "bad_rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """The shared encoder."""

    model: str  # hub id, or a folder with config.json, model.safetensors and tokenizer.json
    pooling: Pooling = "mean"
    max_length: int = 128  # tokens, special ones included

    def __post_init__(self) -> None:
        _at_least("max_length", self.max_length, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskConfig:
    """One task: what is asked, with which head, and how much its loss counts."""

    kind: Kind = "single_label"
    labels: tuple[str, ...] = ()  # empty: the labels of the training data, sorted
    column: str | None = None  # None: the task's own name
    head: HeadKind = "linear"
    dropout: float = 0.1
    class_weights: Literal["balanced"] | Mapping[str, float] | None = None
    label_smoothing: float = 0.0
    loss_weight: float = 1.0

    def __post_init__(self) -> None:
        _within("dropout", self.dropout, 0.0, 1.0)
        _within("label_smoothing", self.label_smoothing, 0.0, 1.0)
        _positive("loss_weight", self.loss_weight)
        if self.kind == "regression" and (self.labels or self.class_weights or self.label_smoothing):
            raise RecordError("kind", "a regression has no labels, class_weights or label_smoothing")
        if len(set(self.labels)) < len(self.labels):
            raise RecordError("labels", "a label is named twice")
        if self.kind == "multi_label" and any("|" in label for label in self.labels):
            raise RecordError("labels", "a label of a multi_label task must not contain '|', which joins labels")
        if isinstance(self.class_weights, Mapping):
            for label, weight in self.class_weights.items():
                _not_negative(f"class_weights.{label}", weight)
            if not any(self.class_weights.values()):
                raise RecordError("class_weights", "at least one weight must be positive")
            if self.labels and set(self.class_weights) != set(self.labels):
                raise RecordError("class_weights", f"needs exactly one weight for each of {', '.join(self.labels)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """Files with texts and the labels of some or all tasks."""

    text: str = "text"  # column
    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    holdout: float = 0.0  # in place of validation files: this share of the train rows, chosen by the hash of the text
    test: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()  # tasks that this source has labels for; empty: all

    def __post_init__(self) -> None:
        if not 0 <= self.holdout < 1:
            raise RecordError("holdout", f"{self.holdout:g} is not a share of the rows; write 0.1 for a tenth")
        if self.validation and self.holdout:
            raise RecordError("validation", "validation files and a holdout are both given; keep one")
        if not self.validation and not self.holdout:
            raise RecordError(
                "validation", "name validation files, or hold a share of the train rows out (holdout = 0.1)"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Where examples come from and in which proportion."""

    sources: tuple[SourceConfig, ...]
    temperature: float = 1.0  # of the mix of sources: 1 by size, larger towards equal shares
    bad_rows: BadRows = "error"

    def __post_init__(self) -> None:
        if not self.sources:
            raise RecordError("sources", "at least one source is needed")
        if not 1 <= self.temperature < math.inf:
            raise RecordError("temperature", f"{self.temperature} is not a number from 1 (mix by size) on")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How the model is fitted."""

    epochs: int = 3
    batch_size: int = 32  # sentences per optimizer step and micro-batch, over all processes
    gradient_accumulation: int = 1  # micro-batches per optimizer step
    encoder_learning_rate: float = 3e-5
    head_learning_rate: float = 1e-3
    warmup: float = 0.1  # share of the steps in which the learning rates rise from 0
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    loss_weighting: LossWeighting = "static"
    freeze_encoder: bool = False
    freeze_layers: int = 0  # embeddings and the lowest k layers
    early_stopping: int | None = None  # epochs without a better validation score
    precision: Precision = "fp32"
    seed: int = 0
    checkpoint_steps: int = 0  # save a resumable state every so many steps, besides each epoch; 0: epochs only

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "gradient_accumulation"):
            _at_least(name, getattr(self, name), 1)
        for name in ("encoder_learning_rate", "head_learning_rate", "max_gradient_norm"):
            _positive(name, getattr(self, name))
        _not_negative("weight_decay", self.weight_decay)
        _within("warmup", self.warmup, 0.0, 1.0)
        _at_least("seed", self.seed, 0)
        if self.seed >= 2**32:
            raise RecordError("seed", f"{self.seed} is too large; it must be below 2**32")
        _at_least("freeze_layers", self.freeze_layers, 0)
        _at_least("checkpoint_steps", self.checkpoint_steps, 0)
        if self.early_stopping is not None:
            _at_least("early_stopping", self.early_stopping, 1)


def read_gate(path: str | os.PathLike[str]) -> GateConfig:
    """The section [gate] of a TOML file; other sections are not looked at.

    Raises:
        ConfigError: the file is missing, no TOML, has no [gate], or a wrong key or value in it.
    """
    section = _toml(Path(path)).get("gate")
    if not isinstance(section, Mapping):
        raise ConfigError(f"{path} has no section [gate]")
    try:
        return records.from_dict(GateConfig, _gate(section), where="gate")
    except RecordError as error:
        raise ConfigError(f"{path}: {_gate_as_written(str(error))}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that ``mtl train`` needs to know."""

    tasks: Mapping[str, TaskConfig]
    data: DataConfig
    encoder: EncoderConfig | None = None  # None only when training goes on from a checkpoint
    training: TrainingConfig = field(default_factory=TrainingConfig)
    gate: GateConfig = field(default_factory=GateConfig)

    def __post_init__(self) -> None:
        if not self.tasks:
            raise RecordError("tasks", "at least one task is needed, as a table [tasks.NAME]")
        for name in self.tasks:
            if not TASK_NAME.match(name):
                raise RecordError(f"tasks.{name}", "a task's name is made of a-z, 0-9 and _, and starts with a letter")
        for index, source in enumerate(self.data.sources):
            for name in source.tasks:
                if name not in self.tasks:
                    raise RecordError(
                        f"data.sources[{index}].tasks", f"no task {name!r}; known: {', '.join(self.tasks)}"
                    )
        for name, place in self.gate.named_tasks.items():
            if name not in self.tasks:
                raise RecordError(f"gate.{place}", f"no such task; known: {', '.join(self.tasks)}")

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Self:
        """Read a config file; relative paths in it are meant from its own folder.

        Raises:
            ConfigError: the file is missing, no TOML, or has a wrong key or value; the message names the place.
        """
        file = Path(path)
        return cls.from_dict(_toml(file), folder=file.parent, where=str(file))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, folder: Path | None = None, where: str = "config") -> Self:
        """Read a config from nested dicts of the file's shape.

        Args:
            data: as ``tomllib.loads`` returns it.
            folder: what relative paths are meant from; default: the current one.
            where: name of the config in messages.

        Raises:
            ConfigError: a wrong key or value.
        """
        base = Path.cwd() if folder is None else folder.absolute()
        try:
            return records.from_dict(cls, _canonical(data, base))
        except RecordError as error:
            # A lone [data] is shorthand for one source; its messages name what was written.
            section = data.get("data")
            lone = isinstance(section, Mapping) and "sources" not in section
            problem = str(error).replace("data.sources[0].", "data.") if lone else str(error)
            raise ConfigError(f"{where}: {_gate_as_written(problem)}") from error


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error


def _canonical(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The config without its shorthands: one source in [data], budgets in [gate], lone paths, relative paths."""
    config = dict(data)
    if isinstance(encoder := config.get("encoder"), Mapping) and "model" in encoder:
        config["encoder"] = {**encoder, "model": _model(encoder["model"], folder)}
    if isinstance(section := config.get("data"), Mapping):
        config["data"] = _data(section, folder)
    if isinstance(gate := config.get("gate"), Mapping):
        config["gate"] = _gate(gate)
    return config


def _data(section: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    own = {key: section[key] for key in _SOURCE_KEYS if key in section}
    rest = {key: value for key, value in section.items() if key not in own}
    if own and "sources" in rest:
        raise RecordError("data", f"{', '.join(own)} belong into [[data.sources]] when there are sources")
    for key in rest:
        if key not in _DATA_KEYS and (near := difflib.get_close_matches(key, _SOURCE_KEYS, n=1)):
            raise RecordError(f"data.{key}", f"unknown key; did you mean {near[0]!r}?")
    sources = [own] if own else rest.get("sources", [])
    if not isinstance(sources, list) or not all(isinstance(source, Mapping) for source in sources):
        raise RecordError("data.sources", "write each source as a table [[data.sources]]")
    return {**rest, "sources": [_source(source, folder) for source in sources]}


def _source(source: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    result = dict(source)
    for split in ("train", "validation", "test"):
        if split in result:
            names = [result[split]] if isinstance(result[split], str) else result[split]
            if isinstance(names, list):
                names = [os.path.normpath(folder / name) if isinstance(name, str) else name for name in names]
            result[split] = names
    return result


def _gate(section: Mapping[str, Any]) -> dict[str, Any]:
    """[gate] as it is written -> GateConfig's fields: budgets of all precisions, and tables of single ones."""
    if "budget" in section:  # from a checkpoint
        return dict(section)
    for name, value in section.items():
        if isinstance(value, Mapping) and name != "tasks" and name not in DEFAULTS:
            raise RecordError(f"gate.{name}", f"no such precision; known: {', '.join(DEFAULTS)}")
    precisions = {name: table for name, table in section.items() if name in DEFAULTS}
    general = {name: value for name, value in section.items() if name not in DEFAULTS}
    return {**_budgets(general), "precisions": {name: _budgets(table) for name, table in precisions.items()}}


def _budgets(section: Any) -> Any:
    if not isinstance(section, Mapping):
        return section
    budget = {key: value for key, value in section.items() if key != "tasks"}
    return {"budget": budget, "tasks": section.get("tasks", {})}


def _gate_as_written(problem: str) -> str:
    """A problem of GateConfig's fields with the names that stand in the file: gate.int8.min_agreement."""
    if not problem.startswith("gate."):
        return problem
    place, colon, text = problem.partition(":")
    return place.replace("gate.precisions.", "gate.").replace(".budget.", ".") + colon + text


def _model(model: Any, folder: Path) -> Any:
    """A folder's absolute path; a hub id as it is."""
    if isinstance(model, str) and (model.startswith((".", "/", "~")) or (folder / model).is_dir()):
        return os.path.normpath(folder / Path(model).expanduser())
    return model


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise RecordError(name, f"{value} is too small; it must be at least {least}")


def _positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise RecordError(name, f"{value} is not a positive number")


def _not_negative(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise RecordError(name, f"{value} is not a number from 0 on")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value < high:
        raise RecordError(name, f"{value} is not in [{low}, {high})")
