"""model and training record <-> checkpoint folder."""

from mtl_export.checkpoint.folder import (
    WEIGHTS_NAME,
    Checkpoint,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    weights_digest,
    write_errors_of_libraries,
)
from mtl_export.checkpoint.record import (
    FORMAT_VERSION,
    CheckpointRecord,
    Evaluation,
    StudentOrigin,
    TrainingPlan,
    TrainingRecord,
)

__all__ = [
    "FORMAT_VERSION",
    "WEIGHTS_NAME",
    "Checkpoint",
    "CheckpointRecord",
    "Evaluation",
    "StudentOrigin",
    "TrainingPlan",
    "TrainingRecord",
    "load_checkpoint",
    "load_weights",
    "save_checkpoint",
    "weights_digest",
    "write_errors_of_libraries",
]
