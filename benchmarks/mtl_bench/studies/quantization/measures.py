"""session + sentences -> answers, and how far they are from fp32's and from themselves in other batches."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from mtl_bench.analysis.bootstrap import Interval, paired_bootstrap
from mtl_bench.studies.quantization.results import NeighbourEffect, TaskFigures
from mtl_runtime.bundle.manifest import TaskSpec, logits_output
from mtl_runtime.dataset.metrics import task_metrics
from mtl_runtime.dataset.targets import Targets, has_label
from mtl_runtime.inference.batching import DEFAULT_MAX_BATCH_TOKENS, plan_batches
from mtl_runtime.providers.session import Session
from mtl_runtime.text.batch import Batch
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = [
    "Logits",
    "TokenizedSentences",
    "answer",
    "compare_answers",
    "count_operators",
    "even_indices",
    "measure_neighbours",
    "plan_by_budget",
]

_RESAMPLES = 1000
_BATCH_SIZE = 32
_SEED = 0

Logits = Mapping[str, NDArray[np.float32]]  # by task, (N, labels)
Plan = Sequence[NDArray[np.intp]]  # indices of each batch


@dataclass(frozen=True, slots=True)
class TokenizedSentences:
    """Tokenized test sentences with their labels."""

    tasks: tuple[TaskSpec, ...]
    texts: list[TokenizedText]
    targets: Mapping[str, Targets]
    pad_id: int

    def batch(self, indices: NDArray[np.intp]) -> Batch:
        """Those sentences, padded."""
        return Batch.of([self.texts[index] for index in indices], pad_id=self.pad_id)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the tasks' logits in a graph."""
        return tuple(logits_output(task.name) for task in self.tasks)


def plan_by_budget(sentences: TokenizedSentences, subset: NDArray[np.intp]) -> Plan:
    """Batches of the sentences with these indices as the runtime makes them."""
    lengths = [len(sentences.texts[index]) for index in subset]
    return [subset[indices] for indices in plan_batches(lengths, max_batch_tokens=DEFAULT_MAX_BATCH_TOKENS)]


def answer(session: Session, sentences: TokenizedSentences, plan: Plan) -> Logits:
    """Logits of the sentences in ``plan``; rows of others are NaN."""
    count = len(sentences.texts)
    logits = {task.name: np.full((count, task.width), np.nan, np.float32) for task in sentences.tasks}
    for indices in plan:
        outputs = session.run(sentences.batch(indices), sentences.outputs)
        for task, rows in zip(sentences.tasks, outputs, strict=True):
            logits[task.name][indices] = rows
    return logits


def compare_answers(sentences: TokenizedSentences, candidate: Logits, reference: Logits) -> dict[str, TaskFigures]:
    """Figures of all tasks."""
    return {
        task.name: _task_figures(task, sentences.targets[task.name], candidate[task.name], reference[task.name])
        for task in sentences.tasks
    }


def measure_neighbours(session: Session, sentences: TokenizedSentences, count: int) -> NeighbourEffect:
    """Answer ``count`` sentences one by one, and in batches of 32 in shuffled order."""
    subset = even_indices(len(sentences.texts), count)
    shuffled = np.random.default_rng(_SEED).permutation(subset)
    single = answer(session, sentences, [subset[at : at + 1] for at in range(len(subset))])
    starts = range(0, len(subset), _BATCH_SIZE)
    in_batches = answer(session, sentences, [shuffled[at : at + _BATCH_SIZE] for at in starts])
    pairs = [(single[task.name][subset], in_batches[task.name][subset]) for task in sentences.tasks]
    return NeighbourEffect(
        sentences=len(subset),
        batch_size=_BATCH_SIZE,
        flips=sum(int((a.argmax(axis=1) != b.argmax(axis=1)).sum()) for a, b in pairs),
        max_logit_difference=max(float(np.abs(a - b).max()) for a, b in pairs),
    )


def count_operators(optimized: Path) -> dict[str, int]:
    """How often each operator occurs in a graph, the most frequent first."""
    return dict(Counter(node.op_type for node in onnx.load(optimized).graph.node).most_common())


def even_indices(count: int, wanted: int) -> NDArray[np.intp]:
    """Indices of ``wanted`` rows, evenly from all ``count``."""
    return np.linspace(0, count, min(count, wanted), endpoint=False).astype(np.intp)


def _task_figures(
    task: TaskSpec, targets: Targets, candidate: NDArray[np.float32], reference: NDArray[np.float32]
) -> TaskFigures:
    labelled = np.flatnonzero(has_label(targets))

    def change(metric: str) -> Interval:
        def points(resample: NDArray[np.intp]) -> float:
            rows = labelled[resample]
            new, old = (task_metrics(task, targets[rows], side[rows]).values for side in (candidate, reference))
            return 100 * (new[metric] - old[metric])

        return paired_bootstrap(points, len(labelled), resamples=_RESAMPLES)

    return TaskFigures(
        sentences=len(candidate),
        agreement=float((candidate.argmax(axis=1) == reference.argmax(axis=1)).mean()),
        max_logit_difference=float(np.abs(candidate - reference).max()),
        metrics=task_metrics(task, targets, candidate).values,
        accuracy=change("accuracy"),
        macro_f1=change("macro_f1"),
    )
