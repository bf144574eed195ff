"""student's outputs + teacher's answers + targets -> one scalar: soft labels, embeddings, and what is labelled.

Soft labels are the teacher's probabilities at temperature 2, after G. Hinton, O. Vinyals and J. Dean, "Distilling the
Knowledge in a Neural Network", 2015. A text without labels teaches as much by them as a labelled one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mtl_export.config import TaskConfig
from mtl_export.model.losses import MultiTaskLoss
from mtl_runtime.bundle.manifest import Kind, TaskSpec

__all__ = ["TEMPERATURE", "DistillationLoss", "TeacherAnswers", "mean_divergence"]

TEMPERATURE = 2.0
_HARD_WEIGHT = 0.3  # of the loss of the labels
# In the batch's targets, next to those of the tasks, whose names have no such character.
_EMBEDDING, _LOGITS = "teacher/embedding", "teacher/logits/"


@dataclass(frozen=True, slots=True)
class TeacherAnswers:
    """What a teacher says of N texts."""

    logits: Mapping[str, NDArray[np.float32]]  # (N, width) by task
    embeddings: NDArray[np.float16]  # (N, H)

    def __getitem__(self, row: int) -> dict[str, Any]:
        """What is added to the targets of a row."""
        logits = {f"{_LOGITS}{task}": logits[row] for task, logits in self.logits.items()}
        return {**logits, _EMBEDDING: self.embeddings[row]}

    def of_rows(self, rows: Sequence[int]) -> Self:
        """The answers to some of the texts."""
        chosen = np.asarray(rows, dtype=np.intp)
        return type(self)({task: logits[chosen] for task, logits in self.logits.items()}, self.embeddings[chosen])


class DistillationLoss(MultiTaskLoss):
    """The loss of a step: that of the labels times 0.3, and the means over its texts of what parts it from the teacher.

    These are for each task the divergence from the teacher's answer (see :func:`mean_divergence`), times the task's
    loss weight, and once 1 - cosine of student's and teacher's embeddings.

    Args:
        tasks: with labels.
        configs: of all tasks that the model has.
        weights: as in MultiTaskLoss.
        taught: all tasks that the model has.
    """

    def __init__(
        self,
        tasks: Sequence[TaskSpec],
        configs: Mapping[str, TaskConfig],
        weights: Mapping[str, torch.Tensor | None],
        *,
        taught: Sequence[TaskSpec],
    ) -> None:
        super().__init__(tasks, configs, weights)
        self.taught = tuple(taught)

    @property
    def needs_embeddings(self) -> bool:
        return True

    def normalizers(self, batches: Sequence[Mapping[str, torch.Tensor]]) -> torch.Tensor:
        """Those of the tasks, then the number of texts, float64 (tasks + 1,)."""
        counts = super().normalizers(batches)
        return torch.cat([counts, counts.new_tensor([sum(len(next(iter(batch.values()))) for batch in batches)])])

    def forward(
        self,
        outputs: Mapping[str, Any],
        labels: Mapping[str, torch.Tensor],
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Loss of one micro-batch; in evaluation, where there are no answers of a teacher, that of the labels alone."""
        totals = self.normalizers([labels]) if num_items_in_batch is None else num_items_in_batch
        hard = super().forward(outputs, labels, totals)
        if _EMBEDDING not in labels:
            return hard
        teacher = labels[_EMBEDDING].to(outputs["embeddings"].device).float()
        loss = (1.0 - functional.cosine_similarity(outputs["embeddings"].float(), teacher)).sum()
        for task in self.taught:
            answers = labels[f"{_LOGITS}{task.name}"].to(loss.device)
            soft = _DIVERGENCE[task.kind](outputs["logits"][task.name].float(), answers.float())
            loss = loss + self.configs[task.name].loss_weight * soft.sum()
        return _HARD_WEIGHT * hard + loss / totals[-1].to(loss.device).float()


def mean_divergence(
    tasks: Sequence[TaskSpec],
    logits: Mapping[str, NDArray[np.float32]],
    answers: Mapping[str, NDArray[np.float32]],
) -> float:
    """How far logits (N, width) by task are from a teacher's, the mean over the texts of each task, then over tasks.

    single_label and multi_label: the Kullback-Leibler divergence at temperature 2, times its square, so that gradients
    do not shrink with the temperature; of multi_label the mean over the labels. regression: the squared difference of
    the logits.
    """
    by_task = [
        _DIVERGENCE[task.kind](torch.from_numpy(logits[task.name]), torch.from_numpy(answers[task.name])).mean()
        for task in tasks
    ]
    return float(torch.stack(by_task).double().mean())


def _label_divergence(logits: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """(B,)."""
    student, teacher = (side.div(TEMPERATURE).log_softmax(dim=1) for side in (logits, answers))
    return TEMPERATURE**2 * functional.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=1)


def _labels_divergence(logits: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """(B,)."""
    both = (torch.stack([side, -side], dim=-1).div(TEMPERATURE) for side in (logits, answers))
    student, teacher = (functional.logsigmoid(sides) for sides in both)
    cells = functional.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=-1)
    return TEMPERATURE**2 * cells.mean(dim=1)


def _squared_difference(logits: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """(B,)."""
    return (logits - answers).square().mean(dim=1)


_DIVERGENCE: Mapping[Kind, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "single_label": _label_divergence,
    "multi_label": _labels_divergence,
    "regression": _squared_difference,
}
