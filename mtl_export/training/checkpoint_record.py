"""run + data + model + what was measured -> CheckpointRecord, with paths relative to the checkpoint."""

from pathlib import Path

from mtl_export.checkpoint import FORMAT_VERSION, CheckpointRecord, TrainingRecord
from mtl_export.model import MultiTaskModel
from mtl_export.training.findings import find_model_problems, most_serious_first
from mtl_export.training.fit import FitResult
from mtl_export.training.majority import measure_majority
from mtl_export.training.run_folder import Run
from mtl_export.training.training_data import TrainingData
from mtl_runtime.bundle.training_summary import Finding
from mtl_runtime.core.installed_packages import installed_versions

__all__ = ["build_checkpoint_record"]


def build_checkpoint_record(
    target: Path,
    run: Run,
    data: TrainingData,
    model: MultiTaskModel,
    result: FitResult,
    about_data: tuple[Finding, ...],
) -> CheckpointRecord:
    """The content of checkpoint.json of the checkpoint in folder ``target``, once ``run`` is finished."""
    inputs, majority = run.record.inputs.relative_to(target), measure_majority(data)
    about_model = find_model_problems(
        data, model=result.validation, majority=majority, probe=result.probe, history=result.history
    )
    training = TrainingRecord(
        config=inputs.config,
        files=inputs.files,
        best_step=result.best_step,
        steps=result.steps,
        validation=result.validation,
        skipped_rows=data.skipped,
        newly_initialized=model.newly_initialized,
        base=inputs.base,
        plan=run.plan,
        majority=majority,
        probe=result.probe,
        history=result.history,
        splits=data.label_counts,
        findings=most_serious_first((*about_data, *about_model)),
        student=inputs.student,
    )
    return CheckpointRecord(
        format_version=FORMAT_VERSION, model=model.spec, training=training, made_with=installed_versions()
    )
