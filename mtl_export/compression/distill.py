"""student as it was cut + transfer set -> its checkpoint, distilled with the training loop of any other checkpoint."""

import dataclasses
from pathlib import Path

from rich.console import Console
from transformers import set_seed

from mtl_export.checkpoint import Checkpoint, StudentOrigin
from mtl_export.compression.transfer_set import TransferSet
from mtl_export.config import Config, Precision
from mtl_export.model import MultiTaskModel
from mtl_export.training.findings import find_data_problems
from mtl_export.training.plan import planned_epochs
from mtl_export.training.run_folder import RunInputs
from mtl_export.training.run_training import count_processes, finished_checkpoint, run_training
from mtl_runtime.bundle.gate_config import GateConfig

__all__ = ["Distillation", "distill", "plan_student_epochs"]

# Longer than labels are learned: a teacher's answers can be imitated ever more closely (Beyer et al., CVPR 2022).
_LEAST_STEPS, _LEAST_EPOCHS = 1000, 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """One run: what it starts from, and how long it learns."""

    origin: StudentOrigin
    base: str  # SHA-256 of the weights that it starts from: those of the teacher, or of an earlier run
    epochs: int
    precision: Precision
    seed: int
    gate: GateConfig  # of the student: what it may lose


def plan_student_epochs(rows: int) -> int:
    """How often a student that is no trial reads a transfer set of ``rows``."""
    return planned_epochs(rows, least_steps=_LEAST_STEPS, least_epochs=_LEAST_EPOCHS)


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
        student: see :func:`mtl_export.compression.make_student.make_student`.
        distillation: seed, epochs, and what the checkpoint's record says of its origin.
        transfer_set: the teacher's data and answers.
        target: of the checkpoint; the folder of its run is next to it.
        console: where to draw a progress bar; None: nowhere.

    Raises:
        CheckpointError: what is there is of another run, or cannot be written.
    """
    config = dataclasses.replace(_config(transfer_set.config, distillation), gate=distillation.gate)
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


def _config(config: Config, distillation: Distillation) -> Config:
    """The teacher's config with the training of a student: its whole encoder learns, and no head is fitted again."""
    training = dataclasses.replace(
        config.training,
        epochs=distillation.epochs,
        seed=distillation.seed,
        precision=distillation.precision,
        contrastive_weight=0.0,
        freeze_encoder=False,
        freeze_layers=0,
        early_stopping=None,
        loss_weighting="static",
    )
    return dataclasses.replace(config, training=training)
