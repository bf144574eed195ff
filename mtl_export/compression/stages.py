"""What the stages of a compression share, and those that distil nothing: measuring the teacher, exporting a model."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from mtl_export.bundling.export_bundle import Exported, export_bundle
from mtl_export.checkpoint import Checkpoint
from mtl_export.compression.candidates import Candidate
from mtl_export.compression.pruning.fisher import Importance, measure_importance
from mtl_export.compression.pruning.sensitivity import LayerLoss, measure_layers
from mtl_export.compression.pruning.student_shape import TeacherSize
from mtl_export.compression.stopwatch import Stopwatch
from mtl_export.compression.transfer_set import TransferSet
from mtl_export.compression.work_folder import WorkFolder
from mtl_export.errors import CheckpointError
from mtl_export.training.plan import training_device
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.gate_config import GateConfig
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.dataset.examples import Example
from mtl_runtime.errors import MtlError
from mtl_runtime.evidence.files import EVIDENCE_FOLDER, read_evidence

__all__ = ["Compression", "TeacherMeasures", "export_model", "measure_teacher"]

_log = logging.getLogger(__name__)

# Sentences that layers, heads and neurons are measured on: enough to rank them.
_MEASURED_SENTENCES = 512


@dataclass(frozen=True, slots=True)
class TeacherMeasures:
    """What of a teacher can be left out at which cost."""

    layers: tuple[LayerLoss, ...]  # in the order in which they may be left out
    importance: Importance | None  # of heads and neurons; None: they are not known in this family


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """What the stages share."""

    teacher: Checkpoint
    digest: str  # SHA-256 of the teacher's weights
    size: TeacherSize
    transfer_set: TransferSet
    measures: TeacherMeasures
    work: WorkFolder
    stopwatch: Stopwatch
    minutes: float
    gate: GateConfig
    variants: tuple[str, ...]  # that each model is exported to
    seed: int
    console: Console | None = None
    seconds_per_row: dict[Candidate, float] = field(default_factory=dict)  # of its distillation, as measured

    @property
    def seconds_left(self) -> float:
        """Until no further size is begun."""
        return 60 * self.minutes - self.stopwatch.seconds


def measure_teacher(
    teacher: Checkpoint, transfer_set: TransferSet, size: TeacherSize, work: WorkFolder, *, seed: int
) -> TeacherMeasures:
    """Measure layers on validation sentences (unless that is done), heads and neurons on training sentences."""

    def sample(rows: Sequence[Example]) -> list[str]:
        return evenly_spaced([row.text for row in rows], _MEASURED_SENTENCES)

    model = teacher.model.to(training_device())
    layers = work.read_layers()
    if layers is None or len(layers) != size.layers - 1:
        _log.info("measuring what each of %d layers contributes to all tasks", size.layers)
        layers = measure_layers(model, model.tokenize(sample(transfer_set.data.validation.rows)))
        work.keep_layers(layers)
    importance = None
    if size.widths_known:
        _log.info("measuring the Fisher information of heads and feed-forward neurons")
        importance = measure_importance(model, model.tokenize(sample(transfer_set.rows.rows)), seed=seed)
    model.to("cpu")
    return TeacherMeasures(layers, importance)


def export_model(compression: Compression, name: str, checkpoint: Checkpoint) -> Exported:
    """The bundle of the teacher or of a student, each of its variants compared with the teacher.

    Raises:
        CheckpointError: the teacher's weights have changed since the compression was started.
    """
    folder = compression.work.bundle(name)
    if compression.work.is_exported(name):
        if (finished := _read_exported(folder, compression.digest)) is not None:
            return finished
        shutil.rmtree(folder)
    _log.info("%s: exporting", name)
    exported = export_bundle(
        checkpoint.path,
        folder,
        variants=compression.variants,
        gate=compression.gate,
        reference=compression.teacher.path,
        leave_out_refused=True,
    )
    if exported.evidence.teacher != compression.digest:
        shutil.rmtree(folder)
        raise CheckpointError(f"{compression.teacher.path} has changed since its compression was started")
    return exported


def _read_exported(folder: Path, teacher: str) -> Exported | None:
    """A bundle that was finished before an interruption; None: it is damaged."""
    try:
        bundle = Bundle.open(folder)
        for name in bundle.manifest.files:
            bundle.check(name)
        evidence = next((one for one in read_evidence(bundle) if one.teacher == teacher), None)
        page = next((folder / EVIDENCE_FOLDER).glob("*.html"), None)
    except MtlError as error:
        _log.warning("%s is damaged, and made again: %s", folder, error)
        return None
    if evidence is None or page is None:
        _log.warning("%s has lost its evidence, and is made again", folder)
        return None
    return Exported(bundle, evidence, page)
