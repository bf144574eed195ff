"""nested dicts of a config file -> Config, with the checks that span several sections."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mtl_export.config.sections import DataConfig, EncoderConfig, SourceConfig, TaskConfig, TrainingConfig
from mtl_export.config.toml_file import expand_shorthands, name_as_written, read_toml
from mtl_export.errors import ConfigError
from mtl_runtime.bundle.gate_config import GateConfig
from mtl_runtime.bundle.manifest import TASK_NAME
from mtl_runtime.core import records
from mtl_runtime.errors import RecordError
from mtl_runtime.text.invisible import strip_invisible

__all__ = ["Config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that ``mtl train`` needs to know."""

    tasks: Mapping[str, TaskConfig]
    data: DataConfig
    encoder: EncoderConfig | None = None  # None only where training starts from a checkpoint
    training: TrainingConfig = field(default_factory=TrainingConfig)
    gate: GateConfig = field(default_factory=GateConfig)

    def __post_init__(self) -> None:
        if not self.tasks:
            raise RecordError("tasks", "at least one task is needed, as a table [tasks.NAME]")
        for name, task in self.tasks.items():
            if not TASK_NAME.match(name):
                raise RecordError(f"tasks.{name}", "a task's name is made of a-z, 0-9 and _, and starts with a letter")
            _check_cells(f"tasks.{name}.labels", task.labels)
            _check_cells(f"tasks.{name}.missing", task.missing)
        for index, source in enumerate(self.data.sources):
            self._check_source(source, f"data.sources[{index}]")
        for name, place in self.gate.named_tasks.items():
            if name not in self.tasks:
                raise RecordError(f"gate.{place}", f"no such task; known: {', '.join(self.tasks)}")

    def _check_source(self, source: SourceConfig, place: str) -> None:
        for name in source.tasks:
            if name not in self.tasks:
                raise RecordError(f"{place}.tasks", f"no task {name!r}; known: {', '.join(self.tasks)}")
        for name in source.tasks or self.tasks:
            if (self.tasks[name].column or name) == source.text:
                raise RecordError(
                    f"tasks.{name}.column", f"{source.text!r} is the column of the texts; name that of the labels"
                )

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Self:
        """Read a config file; relative paths in it are relative to its folder.

        Raises:
            ConfigError: the file is missing, is not TOML, or has a wrong key or value; the message names the place.
        """
        file = Path(path)
        return cls.from_dict(read_toml(file), folder=file.parent, where=str(file))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, folder: Path | None = None, where: str = "config") -> Self:
        """Read a config from nested dicts of the file's shape.

        Args:
            data: as ``tomllib.loads`` returns it.
            folder: that relative paths are relative to; default: the current one.
            where: name of the config in messages.

        Raises:
            ConfigError: a wrong key or value; an unknown key is answered with the nearest known one.
        """
        base = Path.cwd() if folder is None else folder.absolute()
        try:
            return records.from_dict(cls, expand_shorthands(data, base))
        except RecordError as error:
            # A [data] without sources is shorthand for one source; the message names the key that was written.
            section = data.get("data")
            shorthand = isinstance(section, Mapping) and "sources" not in section
            problem = str(error).replace("data.sources[0].", "data.") if shorthand else str(error)
            raise ConfigError(f"{where}: {name_as_written(problem)}") from error


def _check_cells(place: str, names: Iterable[str]) -> None:
    """Refuse names that no cell can have, since what nobody sees around a cell is no part of it."""
    for name in names:
        plain = strip_invisible(name)
        if not plain:
            raise RecordError(place, f"{name!a} is an empty cell, which never has a label; leave it out")
        if plain != name:
            raise RecordError(place, f"{name!a} is never read, since cells are read without such ends; write {plain!r}")
