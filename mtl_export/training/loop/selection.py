"""scores of the evaluations so far -> whether the weights of this one are the best, and whether training goes on."""

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mtl_export.training.loop.history import SCORE
from mtl_runtime.core.intervals import wilson_interval

__all__ = ["EarlyStopping", "is_as_good", "read_scores"]

# With fewer validation rows the score of an evaluation is mostly luck.
_FEW_ROWS = 200


def is_as_good(score: float, others: Sequence[float], *, rows: int) -> bool:
    """Whether no score of ``others`` is higher; with fewer than 200 validation rows, whether none is clearly higher.

    There it is enough that ``score`` lies in the 95 % interval of the highest.

    Args:
        score: of an evaluation.
        others: of evaluations before it, that of the model before the first step among them.
        rows: labelled validation rows of the task that has the fewest.
    """
    highest = max(others, default=score)
    # As if the score were a share of the rows: macro-F1 and Pearson's correlation have wider intervals, if anything.
    bound = wilson_interval(round(highest * rows), rows)[0] if 0 < rows < _FEW_ROWS and highest >= 0 else highest
    return score >= min(bound, highest)


def read_scores(log: Sequence[Mapping[str, Any]]) -> list[float]:
    """The scores of all evaluations in ``state.log_history``, in their order."""
    key = f"eval_{SCORE}"
    return [float(entry[key]) for entry in log if key in entry]


class EarlyStopping(TrainerCallback):
    """Ends training after ``patience`` evaluations in a row without a higher score."""

    def __init__(self, patience: int) -> None:
        self._patience = patience

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        scores = read_scores(state.log_history)
        since_highest = len(scores) - 1 - scores.index(max(scores))
        control.should_training_stop |= since_highest >= self._patience
        return control
