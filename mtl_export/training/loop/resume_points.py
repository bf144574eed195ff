"""The resume points of a run: marked once they are complete, and removed when a later one replaces them.

A resume point is what a run can continue from: weights, optimizer, random state and history after a step. The Trainer
writes one in place, and would resume from a half-written one without any error. Here a resume point counts only with
its mark, which is written after all of its files are on disk.
"""

import logging
import shutil
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mtl_export.training.loop.held_signals import HeldSignals
from mtl_export.upstream import RESUME_POINT_PREFIX
from mtl_runtime.core.atomic_folder import sync_tree

__all__ = ["CompletionMark", "last_resume_point", "remove_incomplete_points", "step_of"]

_log = logging.getLogger(__name__)

_MARK = "complete"


class CompletionMark(TrainerCallback):
    """Saves every ``steps`` steps (0: never), at evaluations and before a stop; marks and removes resume points.

    Args:
        steps: between two resume points.
        signals: what stops the run once a resume point is saved.
    """

    def __init__(self, steps: int, signals: HeldSignals) -> None:
        self._steps = steps
        self._signals = signals

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        if self._signals.is_holding:
            _log.info("stopping at step %d; a resume point is saved first", state.global_step)
        # At the last step of an epoch the resume point is saved after the evaluation, not before it.
        if self._is_due(state) and not float(state.epoch).is_integer():
            control.should_save = True
        return control

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        control.should_save |= self._is_due(state)  # also after an epoch that is not evaluated
        return control

    def _is_due(self, state: TrainerState) -> bool:
        return self._signals.is_holding or (self._steps > 0 and state.global_step % self._steps == 0)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        PartialState().wait_for_everyone()
        if not state.is_world_process_zero:
            return
        folder = Path(str(args.output_dir))
        latest = folder / f"{RESUME_POINT_PREFIX}{state.global_step}"
        sync_tree(latest)
        (latest / _MARK).touch()
        sync_tree(latest)
        needed = {latest.name, f"{RESUME_POINT_PREFIX}{state.best_global_step}"}
        for point in folder.glob(f"{RESUME_POINT_PREFIX}*"):
            if point.name not in needed:
                (point / _MARK).unlink(missing_ok=True)
                shutil.rmtree(point)
        self._signals.deliver()


def last_resume_point(folder: Path) -> Path | None:
    """The newest complete resume point in ``folder``; None where there is none."""
    complete = [point for point in folder.glob(f"{RESUME_POINT_PREFIX}*") if (point / _MARK).is_file()]
    return max(complete, key=step_of, default=None)


def step_of(point: Path) -> int:
    """Number of steps that are done at a resume point."""
    return int(point.name.removeprefix(RESUME_POINT_PREFIX))


def remove_incomplete_points(folder: Path) -> None:
    """Remove the resume points in ``folder`` that were not written to their end."""
    for point in folder.glob(f"{RESUME_POINT_PREFIX}*"):
        if not (point / _MARK).is_file():
            shutil.rmtree(point)
