"""model + training rows -> heads fitted to the frozen encoder's embeddings: a linear probe, and where training starts.

Heads that start from noise send noise into the encoder until they fit it: A. Kumar, A. Raghunathan, R. Jones, T. Ma and
P. Liang, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", ICLR 2022, fit the heads
first. The fit takes seconds, and says what the pretrained encoder is worth without any fine-tuning.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mtl_export.config import TaskConfig
from mtl_export.model import MultiTaskModel
from mtl_export.model.losses import MultiTaskLoss, class_weights
from mtl_export.training.loop.dataset import LabelledTexts
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.core.sampling import evenly_spaced
from mtl_runtime.dataset.targets import has_label

__all__ = ["fit_heads"]

# More rows change a linear model little, and each costs a pass through the encoder.
_MOST_ROWS = 3000
# Weight of the penalty: scikit-learn's LogisticRegression with C = 32 on embeddings whose mean square length is 1.
_INVERSE_PENALTY = 32.0
_ITERATIONS = 100


def fit_heads(
    model: MultiTaskModel, rows: LabelledTexts, configs: Mapping[str, TaskConfig], names: Collection[str]
) -> None:
    """Fit the heads of the tasks ``names`` in place, to the encoder as it is.

    Full-batch L-BFGS on their own losses with an L2 penalty, without dropout. Of more than 3,000 rows, 3,000 of all
    lengths are used.

    Args:
        model: its encoder does not change.
        rows: of the training split.
        configs: of the tasks.
        names: of tasks whose heads are to be fitted.
    """
    specs = [task for task in model.spec.tasks if task.name in names]
    if not specs:
        return
    device = next(model.parameters()).device
    chosen = _choose_rows(rows)
    embeddings = torch.from_numpy(model.encode_tokens([rows.tokens[row] for row in chosen])).to(device)
    for spec in specs:
        weights = class_weights(spec, configs[spec.name], rows.targets[spec.name])
        loss = MultiTaskLoss([spec], configs, {spec.name: weights}).to(device)
        targets = rows.targets[spec.name][chosen]
        labelled = has_label(targets)
        if labelled.any():
            _fit(
                model.head(spec.name), loss, spec, embeddings[labelled], torch.from_numpy(targets[labelled]).to(device)
            )


def _choose_rows(rows: LabelledTexts) -> NDArray[np.intp]:
    by_length = sorted(range(len(rows)), key=lambda row: len(rows.tokens[row]))
    return np.array(evenly_spaced(by_length, _MOST_ROWS))


def _fit(head: nn.Module, loss: MultiTaskLoss, spec: TaskSpec, embeddings: torch.Tensor, targets: torch.Tensor) -> None:
    """Minimize the mean loss of N rows plus c / 2N times the squared weights, with c from _INVERSE_PENALTY."""
    head.eval()
    matrices = [parameter for parameter in head.parameters() if parameter.ndim > 1]
    nn.init.zeros_(matrices[-1])  # a fit of few iterations keeps some of what it starts from
    strength = float(embeddings.square().sum(1).mean()) / _INVERSE_PENALTY / (2 * len(embeddings))
    optimizer: Any = torch.optim.LBFGS(head.parameters(), max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        fit = loss({"logits": {spec.name: head(embeddings)}}, {spec.name: targets})
        penalty = strength * torch.stack([matrix.square().sum() for matrix in matrices]).sum()
        objective: torch.Tensor = fit / loss.configs[spec.name].loss_weight + penalty
        objective.backward()  # type: ignore[no-untyped-call]
        return objective

    optimizer.step(closure)
    optimizer.zero_grad()
