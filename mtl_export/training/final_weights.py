"""a run that has ended -> the weights that its model keeps: those of the best step, of the last one, or of the start.

With few rows the contrastive loss moves the embeddings further than a head follows in a few hundred steps. Heads are
then fitted again to the trained encoder, and stay unless the validation score is lower with them.
"""

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from mtl_export.checkpoint import Evaluation
from mtl_export.model import MultiTaskModel
from mtl_export.training.loop.selection import is_as_good, read_scores
from mtl_export.training.loop.trainer import MultiTaskTrainer
from mtl_export.upstream import RESUME_POINT_PREFIX
from mtl_runtime.dataset.metrics import TaskMetrics

__all__ = ["FittedStart", "HeadFit", "keep_best_weights"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedStart:
    """The model before the first step, its heads fitted to the frozen encoder."""

    weights: Mapping[str, torch.Tensor]  # those that training changes, on the CPU
    metrics: Mapping[str, TaskMetrics]
    evaluation: Evaluation
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFit:
    """How heads are fitted to an encoder and judged."""

    names: frozenset[str]  # tasks
    fit: Callable[[], None]  # the heads of these tasks, in place
    score: Callable[[], float]  # of the model on the validation split


def keep_best_weights(
    trainer: MultiTaskTrainer, model: MultiTaskModel, folder: Path, start: FittedStart, again: HeadFit | None
) -> int:
    """Load the weights that the model keeps into it, and return their step; 0 is the start.

    They score no lower on the validation split than the start, as far as it can tell (see
    :func:`mtl_export.training.loop.selection.is_as_good`). Where it is too small to tell the best step from the last,
    the last is tried first.

    Args:
        trainer: after its last step.
        model: that it trained; has the weights of the best step.
        folder: with the resume points of the best and of the last step.
        start: what the run began with.
        again: fits the heads to the trained encoder; None: they stay as they were trained.
    """
    found_better = (trainer.state.best_metric or 0) >= 0
    best = (trainer.state.best_global_step or trainer.state.global_step) if found_better else 0
    if again is None and best:
        return best
    if again is not None:
        for step in _candidates(trainer, best):
            weights = load_file(folder / f"{RESUME_POINT_PREFIX}{step}" / "model.safetensors")
            trainer.trained.load_state_dict(weights, strict=False)
            if is_as_good(_fit_heads_again(model, again), [start.score], rows=trainer.validation_rows):
                return step
    model.load_state_dict(start.weights, strict=False)
    return 0


def _candidates(trainer: MultiTaskTrainer, best: int) -> Iterator[int]:
    """Steps whose weights may be kept, the first choice first."""
    last, scores = trainer.state.global_step, read_scores(trainer.state.log_history)
    if last != best and is_as_good(scores[-1], scores, rows=trainer.validation_rows):
        yield last
    if best:
        yield best


def _fit_heads_again(model: MultiTaskModel, again: HeadFit) -> float:
    """Fit the heads to the trained encoder; keep them unless they score lower. Returns the score of what is kept."""
    _log.info("fitting the heads once more, to the trained encoder; the better ones on validation stay")
    trained = {name: copy.deepcopy(model.head(name).state_dict()) for name in again.names}
    score_of_trained = again.score()
    again.fit()
    if (score := again.score()) >= score_of_trained:
        return score
    for name, weights in trained.items():
        model.head(name).load_state_dict(weights)
    return score_of_trained
