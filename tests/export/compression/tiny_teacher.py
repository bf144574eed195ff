"""A tiny teacher that several tests make students of."""

from pathlib import Path

from mtl_export.checkpoint import Checkpoint
from mtl_export.config import Config
from mtl_export.training import train
from tests.export.tiny import CONFIG, project, save_encoder

TASKS = {
    "sentiment": {},
    "tags": {"kind": "multi_label", "head": "layernorm"},
    "stars": {"kind": "regression", "head": "mlp"},
}


def train_teacher(
    folder: Path, family: str = "bert", *, layers: int = 4, tasks=TASKS, pooling: str = "mean", **data
) -> Checkpoint:
    """A teacher with that many layers, some of whose training labels are missing."""
    project(folder, family=family, missing=0.1, train=192)
    width = {"hidden_dim": 64} if family == "distilbert" else {}
    save_encoder(folder / "encoder", family, num_hidden_layers=layers, **width)
    encoder = {**CONFIG["encoder"], "pooling": pooling}
    config = {**CONFIG, "tasks": tasks, "encoder": encoder, "data": {**CONFIG["data"], **data}}
    return train(Config.from_dict(config, folder=folder), folder / "teacher")


def plan_sizes(patch, *speeds):
    """Of a tiny encoder, whose layers are no more than a quarter of a pass: as if they were nearly all of it."""
    patch.setattr("mtl_export.compression.candidates._SPEEDS", speeds)
    patch.setattr("mtl_export.compression.candidates._FIXED_WORK_PER_COLUMN", 1)
