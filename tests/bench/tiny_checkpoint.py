"""tables of tasks -> a folder with a tiny model trained on them, and the sentences that it was trained on."""

from pathlib import Path

from mtl_export.config import Config
from mtl_export.training import train
from tests.export.tiny import project

TWO_TASKS = """
[tasks.sentiment]
[tasks.topic]
"""
_CONFIG = """
[encoder]
model = "encoder"
max_length = 40
{tasks}
[data]
train = "train.csv"
validation = "validation.csv"
[training]
epochs = 1
batch_size = 8
encoder_learning_rate = 3e-3
head_learning_rate = 3e-2
precision = "fp32"
"""


def tiny_checkpoint(folder: Path, *, tasks: str = TWO_TASKS, **sizes: int) -> Path:
    """Train for an epoch; the folder then has checkpoint/ and the csv files of :func:`tests.export.tiny.project`."""
    project(folder, **sizes)
    (folder / "config.toml").write_text(_CONFIG.format(tasks=tasks))
    train(Config.from_toml(folder / "config.toml"), folder / "checkpoint")
    return folder
