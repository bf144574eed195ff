"""examples -> tokenized rows with targets -> padded batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset

from mtl_export.model import MultiTaskModel
from mtl_export.model.distillation import TeacherAnswers
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.targets import Targets, encode_labels
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["LabelledTexts", "collate"]


@dataclass(frozen=True, slots=True)
class LabelledTexts(Dataset[tuple[TokenizedText, dict[str, Any]]]):
    """Tokenized rows of one split, with their targets by task."""

    tokens: tuple[TokenizedText, ...]
    targets: Mapping[str, Targets]  # by task, see mtl_runtime.dataset.targets
    sources: tuple[int, ...]
    teacher: TeacherAnswers | None = None  # what a teacher says of the rows, which they are taught too

    @classmethod
    def of(
        cls,
        examples: Sequence[Example],
        tasks: Sequence[TaskSpec],
        model: MultiTaskModel,
        *,
        sort: bool = False,
    ) -> "LabelledTexts":
        """Tokenize ``examples`` and encode their labels; ``sort`` orders them by length, which saves padding."""
        tokens = model.tokenizer.encode([example.text for example in examples])
        order = sorted(range(len(tokens)), key=lambda row: len(tokens[row])) if sort else range(len(tokens))
        rows = [examples[row] for row in order]
        return cls(
            tokens=tuple(tokens[row] for row in order),
            targets={task.name: encode_labels(task, [row.labels.get(task.name) for row in rows]) for task in tasks},
            sources=tuple(row.source for row in rows),
        )

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, row: int) -> tuple[TokenizedText, dict[str, Any]]:
        taught = {} if self.teacher is None else self.teacher[row]
        return self.tokens[row], {**{task: targets[row] for task, targets in self.targets.items()}, **taught}


def collate(model: MultiTaskModel, rows: Sequence[tuple[TokenizedText, dict[str, Any]]]) -> dict[str, Any]:
    """Pad rows to a batch: the model's input tensors, and ``labels``, a tensor of targets by task."""
    labels = {task: torch.stack([torch.as_tensor(row[task]) for _, row in rows]) for task in rows[0][1]}
    return {**model.tensors([tokens for tokens, _ in rows]), "labels": labels}
