"""config -> TimedTraining: seconds of its first training steps and of an evaluation, in this process.

    python -m mtl_bench.studies.training_cost.timed_training CONFIG STEPS OUTPUT

After each step its matrix products are multiplied alone, off the step's clock: so what slows the machine for a while
slows both. The pieces are timed where transformers and torch call them; training itself knows nothing of it. The run
ends after STEPS steps and one evaluation, and leaves no checkpoint.
"""

import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from mtl_bench.results.files import write_results
from mtl_bench.studies.training_cost.matrix_products import MatrixProducts
from mtl_bench.studies.training_cost.piece_clock import PieceClock
from mtl_bench.studies.training_cost.results import OTHER, PIECES, TimedTraining
from mtl_export import Config, train
from mtl_export.training.loop.trainer import MultiTaskTrainer
from mtl_runtime.errors import CheckFailedError

__all__ = ["time_training"]

_WARM_UP_STEPS = 4
_MEASURING = "measuring"


class _DoneError(Exception):
    """Enough steps were timed; training stops here."""


class _Measurement:
    """Pieces and products of the steps so far."""

    def __init__(self, wanted: int) -> None:
        self._wanted = _WARM_UP_STEPS + wanted
        self._clock = PieceClock(OTHER)
        self._products = MatrixProducts()
        self._start = time.perf_counter()
        self._preparation: float | None = None  # None: no step has begun
        self._steps = 0
        self._pieces: Counter[str] = Counter()  # seconds
        self._step_products = 0.0  # seconds
        self._evaluation_products = 0.0  # of the last evaluation

    def train(self, config: Config, folder: Path) -> TimedTraining:
        """Train until enough steps are timed.

        Raises:
            CheckFailedError: the run ends before that.
        """
        with self._hooks():
            try:
                train(config, folder / "checkpoint")
            except _DoneError as done:
                (timed,) = done.args
                assert isinstance(timed, TimedTraining)  # noqa: S101 - raised in _finish alone
                return timed
        raise CheckFailedError(f"training ended after {self._steps} steps; {self._wanted} are needed")

    @contextmanager
    def _hooks(self) -> Iterator[None]:
        """Within the block, time the pieces of every training in this process."""
        clock, trainer, clip = self._clock, MultiTaskTrainer, torch.nn.utils.clip_grad_norm_
        before = register_optimizer_step_pre_hook(lambda *_: clock.start("optimizer"))
        after = register_optimizer_step_post_hook(lambda *_: clock.stop())
        replacements: list[tuple[Any, str, Callable[..., Any]]] = [
            (trainer, "__init__", self._with_timed_collator(trainer.__init__)),
            (trainer, "get_batch_samples", self._between_steps(trainer.get_batch_samples)),
            (trainer, "compute_loss", clock.timed("forward", trainer.compute_loss)),
            (trainer, "evaluate", self._off_the_step(trainer.evaluate)),
            (torch.Tensor, "backward", clock.timed("backward", torch.Tensor.backward)),
            (torch.nn.utils, "clip_grad_norm_", clock.timed("clipping", clip)),
        ]
        patches = [mock.patch.object(*replacement) for replacement in replacements]
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in patches:
                patch.stop()
            before.remove()
            after.remove()

    def _with_timed_collator(self, initialize: Callable[..., None]) -> Callable[..., None]:
        def call(trainer: Any, *arguments: Any, **named: Any) -> None:
            initialize(trainer, *arguments, **named)
            trainer.data_collator = self._clock.timed("collation", trainer.data_collator)

        return call

    def _between_steps(self, load: Callable[..., Any]) -> Callable[..., Any]:
        """The Trainer's ``get_batch_samples``, with which each step begins."""
        timed_load = self._clock.timed("data loading", load)

        def call(trainer: Any, *arguments: Any) -> Any:
            if self._preparation is None:
                self._preparation = time.perf_counter() - self._start
                self._products.record(trainer.model.model)
            else:
                self._end_step()
            if self._steps == self._wanted:
                raise _DoneError(self._finish(trainer))
            self._clock.take()
            return timed_load(trainer, *arguments)

        return call

    def _end_step(self) -> None:
        seconds = self._clock.take()
        self._pieces.update({piece: value for piece, value in seconds.items() if piece in PIECES})
        self._step_products += self._products.multiply()
        self._steps += 1
        if self._steps == _WARM_UP_STEPS:
            self._pieces.clear()
            self._step_products = 0.0

    def _off_the_step(self, evaluate: Callable[..., Any]) -> Callable[..., Any]:
        """``evaluate`` in the midst of an epoch: its time and its products are not those of the step."""

        def call(*arguments: Any, **named: Any) -> Any:
            self._clock.start(_MEASURING)
            self._step_products += self._products.multiply()
            try:
                return evaluate(*arguments, **named)
            finally:
                self._evaluation_products = self._products.multiply()
                self._clock.stop()

        return call

    def _finish(self, trainer: Any) -> TimedTraining:
        trainer.model.eval()
        start = time.perf_counter()
        trainer.evaluate()
        evaluation = time.perf_counter() - start - self._evaluation_products
        count = self._steps - _WARM_UP_STEPS
        arguments, state = trainer.args, trainer.state
        return TimedTraining(
            steps=state.max_steps,
            evaluations=math.ceil(arguments.num_train_epochs / trainer.plan.evaluation_epochs) + 1,
            batch_size=arguments.train_batch_size,
            precision="bf16" if arguments.bf16 else "fp16" if arguments.fp16 else "fp32",
            preparation=self._preparation or 0.0,
            pieces={piece: self._pieces[piece] / count for piece in PIECES},
            products=self._step_products / count,
            evaluation=evaluation,
            evaluation_products=self._evaluation_products,
        )


def time_training(config: Config, steps: int) -> TimedTraining:
    """Train with ``config`` until ``steps`` steps are timed, after some that only warm up.

    Raises:
        CheckFailedError: the run ends before that.
    """
    with tempfile.TemporaryDirectory(prefix="training-cost-") as folder:
        return _Measurement(steps).train(config, Path(folder))


def main() -> None:
    """Time the training of the command line."""
    config, steps, output = sys.argv[1:]
    write_results(time_training(Config.from_toml(config), int(steps)), Path(output))


if __name__ == "__main__":
    main()
