"""the Trainer's events -> a progress bar on a terminal, and lines for every reader."""

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mtl_export.training.trainer import SCORE

__all__ = ["TrainingProgress"]

_HEADLINES = (".accuracy", ".macro_f1", ".pearson")


class TrainingProgress(TrainerCallback):
    """Tells ``report`` about each evaluation; draws a bar on ``console`` if there is one."""

    def __init__(self, report: Callable[[str], None], console: Console | None) -> None:
        self._report = report
        self._loss = ""
        self._next_line = 0.0  # step
        self._bar = console and Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._bar and state.is_world_process_zero:
            self._bar.start()
            self._bar.add_task("training", total=state.max_steps, completed=state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._bar and self._bar.tasks:
            self._bar.update(self._bar.tasks[0].id, completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        if not logs or "loss" not in logs or not state.is_world_process_zero:
            return
        self._loss = f"training loss {logs['loss']:.4f}"
        if self._bar and self._bar.tasks:
            self._bar.update(self._bar.tasks[0].id, description=self._loss)
        elif state.global_step >= self._next_line:
            # Without a bar, a sign of life for each tenth of the way.
            self._report(f"step {state.global_step}/{state.max_steps} · {self._loss}")
            self._next_line = state.global_step + state.max_steps / 10

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        if not metrics or not state.is_world_process_zero:
            return
        parts = [
            f"epoch {state.epoch:g}/{args.num_train_epochs:g}",
            self._loss,
            f"score {metrics[f'eval_{SCORE}']:.4f}",
        ]
        parts += [
            f"{name.removeprefix('eval_')} {value:.4f}" for name, value in metrics.items() if name.endswith(_HEADLINES)
        ]
        self._report(" · ".join(part for part in parts if part))

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._bar:
            self._bar.stop()
