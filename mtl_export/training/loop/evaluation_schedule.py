"""When a run is evaluated and saved: after every k-th epoch and the last one."""

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

__all__ = ["EvaluationSchedule"]


class EvaluationSchedule(TrainerCallback):
    """Takes back the evaluations in between, which the Trainer asks for: few rows have many short epochs."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        due = round(state.epoch or 0) % self._epochs == 0 or state.global_step >= state.max_steps
        # The loss is logged too, so that the history has the mean of exactly the steps since the evaluation before.
        control.should_log = control.should_evaluate = control.should_save = due
        return control
