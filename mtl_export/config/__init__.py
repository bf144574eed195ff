"""TOML file -> Config: frozen, checked, with every path made absolute. docs/training.md explains each key."""

from mtl_export.config.config import Config
from mtl_export.config.sections import (
    Auto,
    BadRows,
    DataConfig,
    EncoderConfig,
    HeadKind,
    InitialHeads,
    LossWeighting,
    Precision,
    SourceConfig,
    TaskConfig,
    TrainingConfig,
)
from mtl_export.config.toml_file import read_gate

__all__ = [
    "Auto",
    "BadRows",
    "Config",
    "DataConfig",
    "EncoderConfig",
    "HeadKind",
    "InitialHeads",
    "LossWeighting",
    "Precision",
    "SourceConfig",
    "TaskConfig",
    "TrainingConfig",
    "read_gate",
]
