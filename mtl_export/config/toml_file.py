"""TOML file -> nested dicts in the shape of the records: shorthands written out, paths absolute."""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtl_export.errors import ConfigError
from mtl_runtime.bundle.gate_config import DEFAULTS, GateConfig
from mtl_runtime.core import records
from mtl_runtime.errors import RecordError

__all__ = ["expand_shorthands", "name_as_written", "read_gate", "read_toml"]

_SOURCE_KEYS = ("text", "train", "validation", "holdout", "test", "tasks")
_DATA_KEYS = ("sources", "temperature", "bad_rows", "max_text_bytes", "max_row_bytes")


def read_toml(file: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        ConfigError: the file cannot be read, or is not TOML in UTF-8.
    """
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))  # Windows editors put a byte order mark in front
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problem = f"line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8"
        if error.object.startswith((b"\xff\xfe", b"\xfe\xff")):
            problem = "it is UTF-16"
        raise ConfigError(f"{file} is not valid TOML: {problem}; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of nested lists
        raise ConfigError(f"{file} is not valid TOML: {error}") from error


def read_gate(path: str | os.PathLike[str]) -> GateConfig:
    """Read the section [gate] of a TOML file; other sections are ignored.

    Raises:
        ConfigError: the file is missing, is not TOML, has no [gate], or has a wrong key or value in it.
    """
    section = read_toml(Path(path)).get("gate")
    if not isinstance(section, Mapping):
        raise ConfigError(f"{path} has no section [gate]")
    try:
        return records.from_dict(GateConfig, _gate(section), where="gate")
    except RecordError as error:
        raise ConfigError(f"{path}: {name_as_written(str(error))}") from error


def expand_shorthands(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write out one source in [data], budgets in [gate] and single paths; make paths absolute, from ``folder``.

    What has a wrong type stays as it is: :mod:`mtl_runtime.core.records` reports it.

    Raises:
        RecordError: [data] mixes keys of one source with ``sources``, or has an unknown key.
    """
    config = dict(data)
    if isinstance(encoder := config.get("encoder"), Mapping) and "model" in encoder:
        config["encoder"] = {**encoder, "model": _resolve_model(encoder["model"], folder)}
    if isinstance(section := config.get("data"), Mapping):
        config["data"] = _expand_data(section, folder)
    if isinstance(gate := config.get("gate"), Mapping):
        config["gate"] = _gate(gate)
    return config


def _expand_data(section: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    source_keys = {key: section[key] for key in _SOURCE_KEYS if key in section}
    data_keys = {key: value for key, value in section.items() if key not in source_keys}
    if source_keys and "sources" in data_keys:
        raise RecordError("data", f"{', '.join(source_keys)} belong into [[data.sources]] when there are sources")
    for key in data_keys:
        if key not in _DATA_KEYS and (near := difflib.get_close_matches(key, _SOURCE_KEYS, n=1)):
            raise RecordError(f"data.{key}", f"unknown key; did you mean {near[0]!r}?")
    sources = [source_keys] if source_keys else data_keys.get("sources", [])
    if not isinstance(sources, list) or not all(isinstance(source, Mapping) for source in sources):
        raise RecordError("data.sources", "write each source as a table [[data.sources]]")
    return {**data_keys, "sources": [_expand_source(source, folder) for source in sources]}


def _expand_source(source: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    expanded = dict(source)
    for split in ("train", "validation", "test"):
        if split in source:
            files = [source[split]] if isinstance(source[split], str) else source[split]
            if isinstance(files, list):
                _refuse_urls(split, files)
                files = [os.path.normpath(folder / file) if isinstance(file, str) else file for file in files]
            expanded[split] = files
    return expanded


def _refuse_urls(split: str, files: list[Any]) -> None:
    for file in files:
        if isinstance(file, str) and "://" in file:
            raise RecordError(f"data.{split}", f"{file} is a URL; download the file and name it here")


def name_as_written(problem: str) -> str:
    """A problem of GateConfig's fields, with the names that stand in the file: gate.int8.min_agreement."""
    return re.sub(r"^gate\.precisions\.(\w+)(\.budget)?", r"gate.\1", re.sub(r"^gate\.budget\.", "gate.", problem))


def _gate(section: Mapping[str, Any]) -> dict[str, Any]:
    """[gate] as it is written -> GateConfig's fields: budgets of all precisions, and tables of single ones."""
    if "budget" in section:  # from a checkpoint
        return dict(section)
    for name, value in section.items():
        if isinstance(value, Mapping) and name != "tasks" and name not in DEFAULTS:
            raise RecordError(f"gate.{name}", f"unknown key; the precisions are {', '.join(DEFAULTS)}")
    precisions = {name: table for name, table in section.items() if name in DEFAULTS}
    general = {name: value for name, value in section.items() if name not in DEFAULTS}
    return {**_budgets(general), "precisions": {name: _budgets(table) for name, table in precisions.items()}}


def _budgets(section: Any) -> Any:
    if not isinstance(section, Mapping):
        return section
    budget = {key: value for key, value in section.items() if key != "tasks"}
    return {"budget": budget, "tasks": section.get("tasks", {})}


def _resolve_model(model: Any, folder: Path) -> Any:
    """The absolute path of a folder; a hub id as it is."""
    if isinstance(model, str) and (model.startswith((".", "/", "~")) or (folder / model).is_dir()):
        return os.path.normpath(folder / Path(model).expanduser())
    return model
