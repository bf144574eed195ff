"""logits by task + targets -> one scalar: the weighted sum of the tasks' losses, missing labels masked.

The loss of a task is a sum over its labelled rows, divided by a normalizer that counts the labels of the
whole optimizer step: all micro-batches and all processes. So the loss does not depend on how the rows
of a step are divided, and a task without any label in a step contributes exactly zero.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mtl_export.config import LossWeighting, TaskConfig
from mtl_export.model.contrastive import contrastive_loss
from mtl_runtime.bundle.manifest import Kind, TaskSpec
from mtl_runtime.dataset.targets import MISSING, Targets, has_label

__all__ = ["MultiTaskLoss", "class_weights"]


def class_weights(task: TaskSpec, config: TaskConfig, targets: Targets) -> torch.Tensor | None:
    """Weights of the classes of one task, float32 (labels,); None where all classes count equally.

    ``balanced`` gives a single_label class rows / (classes * rows of the class), as scikit-learn does,
    and a multi_label class negatives / positives (torch's ``pos_weight``). A class without any row has
    weight 1, so that nothing is divided by zero.

    Args:
        task: the task.
        config: of the task; its ``class_weights`` select the weights.
        targets: of the training split (see :mod:`mtl_runtime.dataset.targets`).
    """
    if config.class_weights is None:
        return None
    if isinstance(config.class_weights, Mapping):
        return torch.tensor([config.class_weights[label] for label in task.labels], dtype=torch.float32)
    rows = targets[has_label(targets)]
    if task.kind == "single_label":
        counts = np.bincount(rows.astype(np.int64), minlength=task.width)
        weights = len(rows) / (task.width * np.maximum(counts, 1))
    else:
        counts = rows.sum(axis=0)
        weights = (len(rows) - counts) / np.maximum(counts, 1)
    return torch.from_numpy(np.where((counts > 0) & (weights > 0), weights, 1.0).astype(np.float32))


class MultiTaskLoss(nn.Module):
    """Weighted sum of the tasks' losses; as ``compute_loss_func`` of transformers' Trainer.

    Static weighting multiplies each task's loss by its ``loss_weight``. Uncertainty weighting learns one
    log-variance s per task and uses c * exp(-s) * loss + s / 2 (c = 1 for classification, 1/2 for
    regression), after Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses
    for Scene Geometry and Semantics", CVPR 2018; ``loss_weight`` then scales that term. A single_label task adds
    ``contrastive_weight`` times its :func:`~mtl_export.model.contrastive.contrastive_loss` to its loss.
    """

    def __init__(
        self,
        tasks: Sequence[TaskSpec],
        configs: Mapping[str, TaskConfig],
        weights: Mapping[str, torch.Tensor | None],
        *,
        weighting: LossWeighting = "static",
        contrastive_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.contrastive_weight = contrastive_weight
        self.tasks = tuple(tasks)
        self.configs = dict(configs)
        self.weighting = weighting
        for task in self.tasks:
            self.register_buffer(f"weights_{task.name}", weights.get(task.name), persistent=False)
        if weighting == "uncertainty":
            self.log_variances = nn.Parameter(torch.zeros(len(self.tasks)))

    @property
    def needs_embeddings(self) -> bool:
        """Whether a loss in training reads the sentence embeddings, too."""
        return self.contrastive_weight > 0

    def normalizers(self, batches: Sequence[Mapping[str, torch.Tensor]]) -> torch.Tensor:
        """The divisor of each task's summed loss, float64 (tasks,), counted over ``batches`` of targets.

        single_label: labelled rows, each counted with its class weight (the weighted mean of torch's
        cross_entropy); multi_label: labelled cells; regression: labelled rows.
        """
        return self._label_counts(batches)

    def forward(
        self,
        outputs: Mapping[str, Any],
        labels: Mapping[str, torch.Tensor],
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Loss of one micro-batch.

        Args:
            outputs: ``{"logits": {task: (B, width)}}``, and ``"embeddings"`` (B, H) for the contrastive loss.
            labels: targets by task (see :mod:`mtl_runtime.dataset.targets`).
            num_items_in_batch: the step's :meth:`normalizers`; default: those of this batch.
        """
        totals = self.normalizers([labels]) if num_items_in_batch is None else num_items_in_batch
        loss = torch.zeros((), device=next(iter(labels.values())).device)
        for index, task in enumerate(self.tasks):
            total = totals[index].to(loss.device)
            # The normalizer is 0 without a label in the step, and with labels of classes with weight 0 alone.
            factor = torch.where(total > 0, 1.0 / total, 0.0).float()
            target = labels[task.name]
            term = self._summed_loss(task, outputs["logits"][task.name], target) * factor
            label_share = self._count_labels(task, target).float() * factor  # of the step's labels, in this batch
            if self.contrastive_weight and "embeddings" in outputs and task.kind == "single_label":
                pairs = contrastive_loss(outputs["embeddings"], target)
                term = term + self.contrastive_weight * pairs * label_share
            if self.weighting == "uncertainty":
                term = self._weigh_by_uncertainty(index, term, label_share)
            loss = loss + self.configs[task.name].loss_weight * term
        return loss

    def by_task(self, logits: Mapping[str, torch.Tensor], labels: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Mean loss of each task over its labels, not weighted; tasks without any label are absent.

        Args:
            logits: (N, width) by task.
            labels: targets by task.
        """
        totals = self._label_counts([labels]).tolist()
        return {
            task.name: float(self._summed_loss(task, logits[task.name], labels[task.name]).detach()) / total
            for task, total in zip(self.tasks, totals, strict=True)
            if total > 0
        }

    def _label_counts(self, batches: Sequence[Mapping[str, torch.Tensor]]) -> torch.Tensor:
        totals = [sum(self._count_labels(task, batch[task.name]) for batch in batches) for task in self.tasks]
        return torch.stack([torch.as_tensor(total, dtype=torch.float64) for total in totals])

    def _summed_loss(self, task: TaskSpec, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if task.standardization is not None:
            target = (target - task.standardization.mean) / task.standardization.deviation
        smoothing = self.configs[task.name].label_smoothing
        return _SUMMED_LOSS[task.kind](logits.float(), target, self._weights(task, logits.device), smoothing)

    def _weigh_by_uncertainty(self, index: int, loss: torch.Tensor, label_share: torch.Tensor) -> torch.Tensor:
        """Apply the formula of the class to a task's loss; ``label_share`` of the step's labels are in this batch."""
        scale = 0.5 if self.tasks[index].kind == "regression" else 1.0
        log_variance = self.log_variances[index]
        return scale * torch.exp(-log_variance) * loss + 0.5 * log_variance * label_share

    def _weights(self, task: TaskSpec, device: torch.device) -> torch.Tensor | None:
        weights: torch.Tensor | None = getattr(self, f"weights_{task.name}")
        return None if weights is None else weights.to(device)

    def _count_labels(self, task: TaskSpec, target: torch.Tensor) -> torch.Tensor:
        if task.kind == "single_label":
            present = target != MISSING
            weights = self._weights(task, target.device)
            return present.sum() if weights is None else weights[target[present]].sum()
        return (~torch.isnan(target)).sum()


def _cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None, smoothing: float
) -> torch.Tensor:
    return functional.cross_entropy(
        logits, target, weight=weights, ignore_index=MISSING, reduction="sum", label_smoothing=smoothing
    )


def _binary_cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None, smoothing: float
) -> torch.Tensor:
    present = ~torch.isnan(target)
    smooth = torch.nan_to_num(target) * (1.0 - smoothing) + 0.5 * smoothing
    return functional.binary_cross_entropy_with_logits(
        logits, smooth, weight=present.float(), pos_weight=weights, reduction="sum"
    )


def _squared_error(
    logits: torch.Tensor, target: torch.Tensor, _weights: torch.Tensor | None, _smoothing: float
) -> torch.Tensor:
    present = ~torch.isnan(target)
    return ((logits.squeeze(-1) - torch.nan_to_num(target).float()).square() * present).sum()


_SUMMED_LOSS: Mapping[Kind, Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None, float], torch.Tensor]] = {
    "single_label": _cross_entropy,
    "multi_label": _binary_cross_entropy,
    "regression": _squared_error,
}
