"""teacher + texts -> the order in which its layers may be left out, and what each costs.

Layers are taken out one after another, each time the one whose absence moves the answers to all tasks least, while
those taken out before are absent: two neighbours may each be dispensable, and both together not. How layers are chosen
is H. Sajjad, F. Dalvi, N. Durrani and P. Nakov, "On the Effect of Dropping Layers of Pre-trained Transformer Models",
Computer Speech and Language 77 (2023), with the cost measured rather than assumed.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_export.compression.pruning.make_student import make_student
from mtl_export.compression.pruning.student_shape import StudentShape
from mtl_export.model import MultiTaskModel
from mtl_export.model.distillation import mean_divergence
from mtl_export.model.encoder import encoder_layers
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["LayerLoss", "measure_layers"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerLoss:
    """One layer taken out, after those before it."""

    layer: int
    remaining: tuple[int, ...]  # layers that are left without it
    loss: float  # divergence of the answers from the teacher's, the mean over tasks, without any training


def measure_layers(teacher: MultiTaskModel, texts: Sequence[TokenizedText]) -> tuple[LayerLoss, ...]:
    """Take out all layers but the first, one after another.

    The first layer stays: it reads the embeddings, and in some families (modernbert) it has no norm of its own.

    Args:
        teacher: on any device.
        texts: tokenized; a few hundred settle the order.
    """
    answers = teacher.logits_of_tokens(texts)
    remaining = tuple(range(len(encoder_layers(teacher.encoder))))
    steps: list[LayerLoss] = []
    while len(remaining) > 1:
        tried = [_without(teacher, texts, answers, remaining, layer) for layer in remaining[1:]]
        steps.append(min(tried, key=lambda step: (step.loss, step.layer)))
        remaining = steps[-1].remaining
        _log.info("with layers %s alone: divergence %.4f", " ".join(map(str, remaining)), steps[-1].loss)
    return tuple(steps)


def _without(
    teacher: MultiTaskModel,
    texts: Sequence[TokenizedText],
    answers: Mapping[str, NDArray[np.float32]],
    remaining: tuple[int, ...],
    layer: int,
) -> LayerLoss:
    left = tuple(number for number in remaining if number != layer)
    student = make_student(teacher, StudentShape(layers=left)).to(next(teacher.parameters()).device)
    logits = student.logits_of_tokens(texts)
    loss = mean_divergence(teacher.spec.tasks, logits, answers)
    return LayerLoss(layer=layer, remaining=left, loss=loss)
