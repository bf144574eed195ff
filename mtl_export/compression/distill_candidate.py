"""A candidate -> its checkpoint: cut from the teacher or taken from its trial before, then distilled."""

import logging
import shutil
import time
from pathlib import Path

from mtl_export.checkpoint import Checkpoint, StudentOrigin, load_checkpoint, weights_digest
from mtl_export.compression.candidates import Candidate
from mtl_export.compression.distill import Distillation, distill
from mtl_export.compression.pruning.make_student import make_student
from mtl_export.compression.stages import Compression
from mtl_export.compression.transfer_set import TransferSet
from mtl_export.compression.work_folder import DamagedWorkError
from mtl_runtime.errors import MtlError

__all__ = ["distill_candidate"]

_log = logging.getLogger(__name__)


def distill_candidate(
    compression: Compression,
    candidate: Candidate,
    transfer_set: TransferSet,
    target: Path,
    *,
    epochs: int,
    rung: int,
) -> Checkpoint:
    """Write the checkpoint of a candidate to the folder ``target``: as it was cut in rung 0, then after its trials.

    Raises:
        CheckpointError: as in :func:`mtl_export.compression.distill.distill`.
    """
    start = time.monotonic()
    teacher, shape = compression.teacher, candidate.shape
    if rung:
        before = _load_trial(compression.work.trial(candidate.name, rung - 1))
        model, base = before.model, weights_digest(before)
    else:
        model, base = make_student(teacher.model, shape, compression.measures.importance), compression.digest
    origin = StudentOrigin(
        teacher=compression.digest,
        layers=shape.layers,
        teacher_layers=compression.size.layers,
        heads=shape.heads,
        neurons=shape.neurons,
        texts=compression.transfer_set.texts,
        teacher_validation=teacher.record.training.validation,
    )
    distillation = Distillation(
        origin=origin,
        base=base,
        epochs=epochs,
        precision=compression.work.precision,
        seed=compression.seed,
        gate=compression.gate,
    )
    finished = _is_whole(target)
    checkpoint = distill(model, distillation, transfer_set, target, console=compression.console)
    if not finished:
        compression.seconds_per_row[candidate] = (time.monotonic() - start) / (epochs * len(transfer_set.rows.rows))
    compression.stopwatch.save()
    return checkpoint


def _load_trial(folder: Path) -> Checkpoint:
    try:
        return load_checkpoint(folder)
    except MtlError as error:
        raise DamagedWorkError(f"the compression cannot go on: {error}; start it again with --force") from error


def _is_whole(folder: Path) -> bool:
    """Whether a checkpoint is there; one that is damaged is removed, to be made again."""
    if not folder.exists():
        return False
    try:
        load_checkpoint(folder)
    except MtlError as error:
        _log.warning("%s, and is made again", error)
        shutil.rmtree(folder)
        return False
    return True
