"""student as it was cut + transfer set -> its checkpoint, distilled with the training loop of any other checkpoint."""

import dataclasses
from pathlib import Path

from rich.console import Console
from transformers import set_seed

from mtl_export.checkpoint import Checkpoint, StudentOrigin
from mtl_export.compression.transfer_set import TransferSet
from mtl_export.config import Precision, TrainingConfig
from mtl_export.model import MultiTaskModel
from mtl_export.training.findings import find_data_problems
from mtl_export.training.plan import planned_epochs, planned_learning_rate
from mtl_export.training.run_folder import RunInputs
from mtl_export.training.run_training import count_processes, finished_checkpoint, run_training
from mtl_runtime.bundle.gate_config import GateConfig

__all__ = ["Distillation", "distill", "plan_student_epochs", "plan_student_learning_rate"]

# Longer than labels are learned: a teacher's answers can be imitated ever more closely (Beyer et al., CVPR 2022).
_LEAST_STEPS, _LEAST_EPOCHS = 1000, 4
# Wider encoders take no smaller steps: what was cut has to move further than what is fine-tuned. At 768, 1e-4 came
# closer to the teacher than half and twice of it, at 384 than twice of it.
_WIDTH_OF_LEARNING_RATE = 384


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """One run: what it starts from, and how long it learns."""

    origin: StudentOrigin
    base: str  # SHA-256 of the weights that it starts from: those of the teacher, or of an earlier run
    epochs: int
    precision: Precision
    seed: int
    gate: GateConfig  # of the student: what it may lose


def plan_student_epochs(training: TrainingConfig, rows: int) -> int:
    """How often a student that is no trial reads a transfer set of ``rows``."""
    return planned_epochs(training, rows, least_steps=_LEAST_STEPS, least_epochs=_LEAST_EPOCHS)


def plan_student_learning_rate(rows: int, hidden_size: int) -> float:
    """Of a student's encoder, where the teacher's config leaves it open."""
    return planned_learning_rate(rows, min(hidden_size, _WIDTH_OF_LEARNING_RATE))


def distill(
    student: MultiTaskModel,
    distillation: Distillation,
    transfer_set: TransferSet,
    target: Path,
    *,
    console: Console | None = None,
) -> Checkpoint:
    """Train ``student`` in place and write its checkpoint to the folder ``target``.

    A run that was interrupted continues from its last resume point; one that is finished is loaded. Equal arguments
    give equal bytes on one machine.

    Args:
        student: see :func:`mtl_export.compression.pruning.make_student.make_student`.
        distillation: seed, epochs, and what the checkpoint's record says of its origin.
        transfer_set: the teacher's data and answers.
        target: of the checkpoint; the folder of its run is next to it.
        console: where to draw a progress bar; None: nowhere.

    Raises:
        CheckpointError: what is there is of another run, or cannot be written.
    """
    rows, hidden_size = len(transfer_set.rows.rows), student.spec.encoder.hidden_size
    training = _adapt_training(transfer_set.config.training, distillation, rows=rows, hidden_size=hidden_size)
    config = dataclasses.replace(transfer_set.config, training=training, gate=distillation.gate)
    inputs = RunInputs(
        config=config,
        files=transfer_set.files,
        base=distillation.base,
        processes=count_processes(config),
        student=distillation.origin,
    )
    if (finished := finished_checkpoint(target, inputs)) is not None:
        return finished
    set_seed(distillation.seed)
    return run_training(
        target,
        student,
        transfer_set.data,
        inputs,
        new_heads=frozenset(),
        about_data=find_data_problems(transfer_set.data),
        resume=True,
        force=False,
        console=console,
        distilled=transfer_set.rows,
    )


def _adapt_training(
    training: TrainingConfig, distillation: Distillation, *, rows: int, hidden_size: int
) -> TrainingConfig:
    """The teacher's training as that of a student: its whole encoder learns, and no head is fitted again."""
    rate = training.encoder_learning_rate
    if rate == "auto":
        rate = plan_student_learning_rate(rows, hidden_size)
    return dataclasses.replace(
        training,
        epochs=distillation.epochs,
        seed=distillation.seed,
        precision=distillation.precision,
        encoder_learning_rate=rate,
        contrastive_weight=0.0,
        freeze_encoder=False,
        freeze_layers=0,
        early_stopping=None,
        loss_weighting="static",
    )
