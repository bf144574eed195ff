"""the Trainer's events -> log records at INFO, and a progress bar where there is a console for it."""

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

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

_log = logging.getLogger(__name__)

_HEADLINE_METRICS = (".accuracy", ".macro_f1", ".pearson")
_LINES_PER_RUN = 10


class TrainingProgress(TrainerCallback):
    """Logs each evaluation; draws a bar on ``console``, or logs a line for each tenth of the steps without one.

    As a context manager it removes the bar again, also after an error.
    """

    def __init__(self, console: Console | None) -> None:
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

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
            _log.info("step %d/%d · %s", state.global_step, state.max_steps, self._loss)
            self._next_line = state.global_step + state.max_steps / _LINES_PER_RUN

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
        epoch = f"epoch {state.epoch:g}/{args.num_train_epochs:g}"
        score = f"score {metrics[f'eval_{SCORE}']:.4f}"
        headlines = [
            f"{name.removeprefix('eval_')} {value:.4f}"
            for name, value in metrics.items()
            if name.endswith(_HEADLINE_METRICS)
        ]
        _log.info(" · ".join(part for part in (epoch, self._loss, score, *headlines) if part))
