"""the Trainer's checkpoint folders -> those that are whole: a mark written last, and old states removed after it.

The Trainer writes its checkpoints in place and resumes from a half-written one without a word. So a folder
counts only when it holds the mark, which is written when all its files are on disk.
"""

import shutil
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mtl_export.atomic_folder import sync_tree

__all__ = ["CompletionMark", "last_resume_point", "remove_incomplete_points"]

_MARK = "complete"
_PREFIX = "checkpoint-"


class CompletionMark(TrainerCallback):
    """Saves every ``steps`` steps besides each epoch, marks what is complete, and keeps the last and the best."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        # At an epoch's last step the state is saved after evaluation, not before it.
        at_epoch_end = float(state.epoch).is_integer()
        if self._steps and state.global_step % self._steps == 0 and not at_epoch_end:
            control.should_save = True
        return control

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        PartialState().wait_for_everyone()
        if not state.is_world_process_zero:
            return
        folder = Path(str(args.output_dir))
        saved = folder / f"{_PREFIX}{state.global_step}"
        sync_tree(saved)
        (saved / _MARK).touch()
        sync_tree(saved)
        kept = {saved.name, f"{_PREFIX}{state.best_global_step}"}
        for old in folder.glob(f"{_PREFIX}*"):
            if old.name not in kept:
                (old / _MARK).unlink(missing_ok=True)
                shutil.rmtree(old)


def last_resume_point(folder: Path) -> Path | None:
    """The newest complete state in ``folder``, or None."""
    states = [path for path in folder.glob(f"{_PREFIX}*") if (path / _MARK).is_file()]
    return max(states, key=lambda path: int(path.name.removeprefix(_PREFIX)), default=None)


def remove_incomplete_points(folder: Path) -> None:
    """Remove the states in ``folder`` whose writing was cut off."""
    for path in folder.glob(f"{_PREFIX}*"):
        if not (path / _MARK).is_file():
            shutil.rmtree(path)
