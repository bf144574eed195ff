"""the Trainer's events -> log records at INFO, and a progress bar where there is a console for it."""

import logging
import time
from collections.abc import Callable, Mapping
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

from mtl_export.training.loop.history import SCORE
from mtl_runtime.core.clock import spoken_duration

__all__ = ["TrainingProgress"]

_log = logging.getLogger(__name__)

_LOGGED_METRICS = (".accuracy", ".macro_f1", ".pearson")
_LINES_PER_RUN = 10
_PERFECT_IN_A_ROW = 3  # evaluations, after which someone who watches asks why it goes on
_FIRST_LINE_AFTER = 10.0  # seconds of steps: by then their speed says how long the rest will take


class TrainingProgress(TrainerCallback):
    """Logs each evaluation; draws a bar on ``console``, or without one logs lines with the time left.

    The first line comes after ten seconds, the others after each tenth of the steps. As a context manager it removes
    the bar again, also after an error.

    Args:
        console: of the bar; None: no bar.
        clock: gives the seconds since some moment.
    """

    def __init__(self, console: Console | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._loss = ""
        self._next_line = 0.0  # step
        self._clock = clock
        self._first: tuple[int, float] | None = None  # the first step of this process, and when it was done
        self._said_time_left = False
        self._perfect = 0  # evaluations in a row in which every answer was right
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
            return
        self._first = self._first or (state.global_step, self._clock())
        early = not self._said_time_left and self._clock() - self._first[1] >= _FIRST_LINE_AFTER
        if early and state.is_world_process_zero:
            self._said_time_left = True
            _log.info("step %d/%d%s", state.global_step, state.max_steps, self._time_left(state))

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
        elif state.global_step >= self._next_line and not control.should_evaluate:  # whose line has the loss as well
            left = self._time_left(state)
            _log.info("step %d/%d, %s%s", state.global_step, state.max_steps, self._loss, left)
            self._next_line = state.global_step + state.max_steps / _LINES_PER_RUN

    def _time_left(self, state: TrainerState) -> str:
        """``, about 4 minutes left``, at the speed so far; "" where there is none yet."""
        step, since = self._first or (state.global_step, 0.0)
        if state.global_step <= step or state.global_step >= state.max_steps:
            return ""
        seconds = (self._clock() - since) / (state.global_step - step) * (state.max_steps - state.global_step)
        if seconds < 5:
            return ""
        return f", about {spoken_duration(seconds)} left"

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
        values = [
            f"{name.removeprefix('eval_')} {value:.4f}"
            for name, value in metrics.items()
            if name.endswith(_LOGGED_METRICS)
        ]
        _log.info(", ".join(part for part in (epoch, self._loss, score, *values) if part))
        self._perfect = self._perfect + 1 if metrics[f"eval_{SCORE}"] >= 1.0 else 0
        if self._perfect == _PERFECT_IN_A_ROW and state.global_step < state.max_steps:
            _log.info(
                "all validation answers were right %d times in a row; training goes on, for the loss still teaches "
                "what these few rows cannot show (to stop here: early_stopping = %d in [training])",
                *(_PERFECT_IN_A_ROW, _PERFECT_IN_A_ROW - 1),
            )
