"""kit folder -> tasks, heads and the loop over batches that all drivers use: numpy and safetensors, nothing else."""

import importlib.metadata
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtl_bench.worker.system import Labels, SystemDriver

Logits = Mapping[str, Any]  # float (B, width) by task
SIZES = (8, 16, 32, 64, 128)  # texts of a batch
GPU_SIZES = (32, 128, 512, 2048)
DEFAULT_SIZE = 32


class PeerError(Exception):
    """This system cannot express or run the model; the message is shown in its row."""


@dataclass(frozen=True)
class Task:
    """One question, and how logits become its answer."""

    name: str
    kind: str
    labels: Sequence[str]
    thresholds: Sequence[float]
    temperature: float
    head: str

    def answers(self, logits: Any) -> list[Any]:
        """Logits (B, width) -> a label, labels joined by ``|``, or a value for each text."""
        rows = np.asarray(logits, dtype=np.float64)
        if self.kind == "single_label":
            return [self.labels[index] for index in rows.argmax(axis=1).tolist()]
        if self.kind == "regression":
            return [float(value) for value in rows[:, 0]]
        positive = 1 / (1 + np.exp(-rows / self.temperature)) >= np.asarray(self.thresholds)
        return ["|".join(name for name, is_set in zip(self.labels, row, strict=True) if is_set) for row in positive]


@dataclass(frozen=True)
class Kit:
    """The folder that kit.py wrote."""

    folder: Path
    tasks: Sequence[Task]
    max_length: int
    pooling: str
    family: str

    @classmethod
    def read(cls, folder: str) -> "Kit":
        content = json.loads((Path(folder) / "kit.json").read_text("utf-8"))
        tasks = [Task(**task) for task in content["tasks"]]
        return cls(Path(folder), tasks, content["max_length"], content["pooling"], content["family"])

    def task_folder(self, task: Task) -> str:
        """The folder of the model that answers ``task`` alone."""
        return str(self.folder / "sequence-classification" / task.name)

    def weights(self, task: Task) -> dict[str, Any]:
        """Arrays of the head of ``task``, float32, named as in training: ``output.weight`` (width, H) and so on."""
        from safetensors.numpy import load_file

        prefix = f"{task.name}."
        weights = load_file(self.folder / "heads.safetensors")
        return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}

    def token_ids(self) -> Callable[[Sequence[str]], list[Any]]:
        """The tokenizer of the kit, as texts -> tokenizers.Encoding of each, truncated and not padded."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.folder / "encoder" / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_length)
        return lambda texts: tokenizer.encode_batch(list(texts))

    def pool(self, hidden: Any, lengths: Sequence[int]) -> Any:
        """Token vectors (B, T, H), of which the first ``lengths`` are no padding -> sentence embeddings (B, H).

        Raises:
            PeerError: the model's pooling needs more than token vectors.
        """
        if self.pooling == "cls":
            return hidden[:, 0]
        mask = np.arange(hidden.shape[1])[None, :, None] < np.asarray(lengths)[:, None, None]
        if self.pooling == "mean":
            return (hidden * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)
        if self.pooling == "max":
            return np.where(mask, hidden, -np.inf).max(axis=1)
        raise PeerError(f"the pooling {self.pooling!r} needs more than token vectors")

    def linear(self, task: Task) -> tuple[Any, Any]:
        """Weight (width, H) and bias (width,) of a head that is one linear layer.

        Raises:
            PeerError: it is more than that.
        """
        if task.head != "linear":
            raise PeerError(f"a linear head of scikit-learn cannot hold the {task.head} head of task {task.name!r}")
        weights = self.weights(task)
        return weights["output.weight"], weights["output.bias"]

    def head(self, task: Task) -> Callable[[Any], Any]:
        """The head of ``task`` in numpy: embeddings (B, H) -> logits (B, width)."""
        weights = self.weights(task)

        def run(x: Any) -> Any:
            if task.head == "layernorm":
                spread = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
                x = (x - x.mean(axis=1, keepdims=True)) / spread * weights["norm.weight"] + weights["norm.bias"]
            if task.head == "mlp":
                x = np.maximum(x @ weights["hidden.weight"].T + weights["hidden.bias"], 0)
            return x @ weights["output.weight"].T + weights["output.bias"]

        return run


def cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def versions(*packages: str) -> dict[str, str]:
    """Installed versions by package."""
    return {package: importlib.metadata.version(package) for package in packages}


def answer_in_batches(kit: Kit, run: Callable[[list[str]], Logits], *, by_length: bool) -> Callable[..., Labels]:
    """Texts and a size -> labels, through batches of that many texts, in arrival order or longest first."""

    def answer(texts: Sequence[str], size: int | None) -> Labels:
        batches = batches_by_length([len(text) if by_length else 0 for text in texts], size)
        answers = ((indices, run([texts[index] for index in indices])) for indices in batches)
        return collect_labels(kit, len(texts), answers)

    return answer


def batches_by_length(lengths: Sequence[int], size: int | None) -> list[list[int]]:
    """Indices of texts in batches of that many, the longest first."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    step = size or DEFAULT_SIZE
    return [order[start : start + step] for start in range(0, len(order), step)]


def collect_labels(kit: Kit, texts: int, batches: Iterable[tuple[Sequence[int], Logits]]) -> Labels:
    """Logits of batches, each with the indices of its texts -> labels of all texts in their order."""
    labels: dict[str, list[Any]] = {task.name: [None] * texts for task in kit.tasks}
    for indices, logits in batches:
        for task in kit.tasks:
            for index, label in zip(indices, task.answers(logits[task.name]), strict=True):
                labels[task.name][index] = label
    return labels


def make_system(
    answer: Callable[..., Labels], facts: Mapping[str, str], *, sizes: Sequence[int] = SIZES, warm_up: int = 1
) -> SystemDriver:
    """A peer whose batches are counted in texts."""
    return SystemDriver(answer=answer, unit="texts", sizes=sizes, facts=facts, warm_up=warm_up)
