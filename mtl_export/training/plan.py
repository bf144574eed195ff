"""[training] + number of training rows, encoder and device -> TrainingPlan: every "auto" becomes a number.

docs/training.md tells the rules, docs/small-data.md what they were chosen by.
"""

import logging
import math

import torch

from mtl_export.checkpoint import TrainingPlan
from mtl_export.config import TrainingConfig
from mtl_export.training.precision import choose_precision
from mtl_runtime.report.number_format import plural

__all__ = ["log_plan", "plan_training", "planned_epochs", "planned_learning_rate", "training_device"]

_log = logging.getLogger(__name__)

# Few rows take many epochs: what counts is the number of steps.
_LEAST_STEPS = 300
_LEAST_EPOCHS, _MOST_EPOCHS = 3, 40
_SMALL_DATA = 2000  # rows; below it, smaller batches make more of them
_SMALL_BATCH, _BATCH = 16, 32
# Wide encoders take smaller steps, as their authors' recipes do: 1e-4 at 384 (MiniLM), 5e-5 at 768 (BERT base).
_LEARNING_RATE_TIMES_WIDTH = 0.0384
_SMALL_DATA_RATE = 0.5  # of it: few rows are read many times
_HEAD_LEARNING_RATE = 1e-3
_CONTRASTIVE_WEIGHT = 1.0  # of small data
_EVALUATIONS = 10  # at most so many where epochs are short


def plan_training(
    training: TrainingConfig,
    *,
    rows: int,
    hidden_size: int,
    device: torch.device,
    processes: int = 1,
    encoder_frozen: bool = False,
) -> TrainingPlan:
    """Choose what the config leaves open.

    Args:
        training: of the config.
        rows: of the training split.
        hidden_size: of the encoder.
        device: that trains.
        processes: that train together.
        encoder_frozen: the whole encoder stays as it is.
    """
    batch = _chosen_batch_size(training, rows, processes)
    steps_per_epoch = _steps_per_epoch(training, rows, batch)
    epochs = _epochs(steps_per_epoch) if training.epochs == "auto" else training.epochs
    # The contrastive loss teaches the encoder alone.
    contrastive = _or_auto(training.contrastive_weight, _CONTRASTIVE_WEIGHT if rows < _SMALL_DATA else 0.0)
    return TrainingPlan(
        epochs=epochs,
        batch_size=batch,
        encoder_learning_rate=_or_auto(training.encoder_learning_rate, planned_learning_rate(rows, hidden_size)),
        head_learning_rate=_or_auto(training.head_learning_rate, _HEAD_LEARNING_RATE),
        warmup=training.warmup,
        contrastive_weight=0.0 if encoder_frozen else contrastive,
        precision=choose_precision(training.precision, device, processes=processes),
        steps=epochs * steps_per_epoch,
        evaluation_epochs=math.ceil(epochs / _EVALUATIONS),
    )


def log_plan(plan: TrainingPlan) -> None:
    """Say in one line what a run is about to do."""
    _log.info(
        "plan: %s of %s, batches of %d, learning rates %.2g (encoder) and %.2g (heads), contrastive weight %g, %s",
        plural(plan.epochs, "epoch"),
        plural(plan.steps // plan.epochs, "step"),
        plan.batch_size,
        plan.encoder_learning_rate,
        plan.head_learning_rate,
        plan.contrastive_weight,
        plan.precision,
    )


def training_device() -> torch.device:
    """The device that the Trainer of this process uses."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def planned_learning_rate(rows: int, hidden_size: int) -> float:
    """Of an encoder that learns from so many rows; two digits are enough, and read well."""
    share = _SMALL_DATA_RATE if rows < _SMALL_DATA else 1.0
    return float(f"{share * _LEARNING_RATE_TIMES_WIDTH / hidden_size:.2g}")


def _or_auto(value: float | str, automatic: float) -> float:
    return automatic if isinstance(value, str) else value


def _chosen_batch_size(training: TrainingConfig, rows: int, processes: int) -> int:
    return _batch_size(rows, processes) if training.batch_size == "auto" else training.batch_size


def _steps_per_epoch(training: TrainingConfig, rows: int, batch: int) -> int:
    return math.ceil(math.ceil(rows / batch) / training.gradient_accumulation)


def _batch_size(rows: int, processes: int) -> int:
    """A multiple of the processes."""
    size = _SMALL_BATCH if rows < _SMALL_DATA else _BATCH
    return math.ceil(size / processes) * processes


def planned_epochs(training: TrainingConfig, rows: int, *, least_steps: int, least_epochs: int) -> int:
    """Epochs over ``rows`` that make so many steps of one process: at least so many epochs, and at most 40."""
    return _epochs(_steps_per_epoch(training, rows, _chosen_batch_size(training, rows, 1)), least_steps, least_epochs)


def _epochs(steps_per_epoch: int, least_steps: int = _LEAST_STEPS, least_epochs: int = _LEAST_EPOCHS) -> int:
    return max(least_epochs, min(_MOST_EPOCHS, math.ceil(least_steps / steps_per_epoch)))
