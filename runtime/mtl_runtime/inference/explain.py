"""one text -> how much each of its words adds to an answer: the model answers again without it.

Erasure (Li, Monroe and Jurafsky 2016, "Understanding Neural Networks through Representation Erasure"), known as
occlusion for images (Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks").
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_runtime.bundle.manifest import TaskSpec, logits_output
from mtl_runtime.core import records
from mtl_runtime.errors import NonFiniteError, UnknownLabelError
from mtl_runtime.inference.decode import Answer, check_finite, compute_probabilities, decode
from mtl_runtime.inference.pipeline import Pipeline
from mtl_runtime.text.text_chunks import TextChunk
from mtl_runtime.text.tokenizer import TokenizedText
from mtl_runtime.text.word_spans import GRANULARITIES, Granularity, WordSpan, word_spans

__all__ = ["Explanation", "TokenImportance", "explain"]

# A text of n tokens is run in n versions of n tokens, which are made a few at a time.
_MAX_TOKENS = 1 << 18
_MAX_SPANS = 1024

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TokenImportance:
    """What a word or token does for an answer."""

    text: str  # the characters start to end of the text that was explained
    start: int
    end: int
    importance: float  # baseline minus the score without it: above 0 where it speaks for the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How much each part of one text adds to the answer of one task."""

    task: str
    answer: Answer
    label: str | None  # whose probability is the score; None for a regression, where the value is
    baseline: float  # score of the text as it is
    tokens: tuple[TokenImportance, ...]  # in the text's order
    truncated: bool  # the text was longer than the encoder reads, and its end is not explained

    def to_dict(self) -> dict[str, Any]:
        """For ``json.dumps``, as ``mtl predict --explain --json`` prints it."""
        content: dict[str, Any] = records.to_dict(self)
        return content


def explain(
    pipeline: Pipeline,
    text: str,
    tasks: Sequence[TaskSpec],
    *,
    labels: Mapping[str, str],
    by: Granularity,
    stop: threading.Event | None = None,
) -> list[Explanation]:
    """Explain the answers of ``tasks`` about ``text``, all of them for the cost of one.

    A part is left out of the token ids, not of the text, so that the other tokens stay what they are. A text that
    is read in windows keeps its windows: a part is left out of those that hold it, and the answers of all are
    aggregated as they are without an explanation.

    Args:
        pipeline: what runs the text and its versions.
        text: already checked.
        tasks: each gives one explanation.
        labels: by task, the label whose probability is explained; default: the one answered, for a multi_label
            task the most probable one.
        by: what is left out at once.
        stop: once it is set, Cancelled is raised instead of further batches.

    Raises:
        UnknownLabelError: a task has no such label.
        InvalidTextError: the tokenizer fails at the text, or it is longer than the encoder reads, and that is an error
            here.
        NonFiniteError: the model answered NaN or infinity.
        ValueError: ``by`` is none of those there are.
    """
    _check(tasks, labels, by)
    read, spans = pipeline.tokenizer.encode_with_spans(text)
    pipeline.require_short_texts(TextChunk([text], [0]), [read])
    word_parts = word_spans(text, spans, by=by)
    widths = {logits_output(task.name): task.width for task in tasks}
    logits = _logits(pipeline, (read, *read.more_windows), word_parts, widths, stop)
    explanations = []
    for task, rows in zip(tasks, logits, strict=True):
        answer, label, scores = _scores(task, rows, labels.get(task.name))
        baseline, *others = scores
        tokens = tuple(
            TokenImportance(text[part.start : part.end], part.start, part.end, baseline - score)
            for part, score in zip(word_parts, others, strict=True)
        )
        explanations.append(
            Explanation(
                task=task.name, answer=answer, label=label, baseline=baseline, tokens=tokens, truncated=read.truncated
            )
        )
    return explanations


def _check(tasks: Sequence[TaskSpec], labels: Mapping[str, str], by: str) -> None:
    if by not in GRANULARITIES:
        raise ValueError(f"by is {by!r}; it must be one of {', '.join(GRANULARITIES)}")
    for task in tasks:
        if task.name in labels and labels[task.name] not in task.labels:
            raise UnknownLabelError(labels[task.name], task.name, task.labels)


def _logits(
    pipeline: Pipeline,
    windows: Sequence[TokenizedText],
    parts: Sequence[WordSpan],
    widths: Mapping[str, int],
    stop: threading.Event | None,
) -> list[Rows]:
    """Logits of each output, float32 (1 + parts, width): of the whole text, then without each part."""
    whole = pipeline.run_windows(windows, widths, stop=stop)
    first = np.zeros(1, dtype=np.intp)
    by_output = [[pipeline.aggregate_windows(rows, first, name)] for name, rows in zip(widths, whole, strict=True)]
    longest = max(1, *map(len, windows))
    size = min(_MAX_SPANS, max(1, _MAX_TOKENS // longest))
    for start in range(0, len(parts), size):
        logits = _logits_without(pipeline, windows, whole, parts[start : start + size], widths, stop)
        for blocks, rows in zip(by_output, logits, strict=True):
            blocks.append(rows)
    return [np.concatenate(blocks) for blocks in by_output]


def _logits_without(
    pipeline: Pipeline,
    windows: Sequence[TokenizedText],
    whole: Sequence[Rows],
    parts: Sequence[WordSpan],
    widths: Mapping[str, int],
    stop: threading.Event | None,
) -> Iterator[Rows]:
    """Logits of each output without each of ``parts``, float32 (parts, width)."""
    pairs = [(number, window) for number, part in enumerate(parts) for window in sorted({w for w, _ in part.tokens})]
    versions = [_leave_out(windows[window], window, parts[number]) for number, window in pairs]
    numbers, places = np.asarray(pairs, dtype=np.intp).T
    starts = np.arange(len(parts), dtype=np.intp) * len(windows)
    computed = pipeline.run_windows(versions, widths, stop=stop)
    for name, rows, unchanged in zip(widths, computed, whole, strict=True):
        every = np.tile(unchanged, (len(parts), 1, 1))  # (parts, windows, width)
        every[numbers, places] = rows
        yield pipeline.aggregate_windows(every.reshape(-1, rows.shape[1]), starts, name)


def _leave_out(read: TokenizedText, window: int, part: WordSpan) -> TokenizedText:
    left_out = {index for place, index in part.tokens if place == window}
    rest = [index for index in range(len(read)) if index not in left_out]
    return TokenizedText(tuple(read.ids[i] for i in rest), tuple(read.type_ids[i] for i in rest), read.truncated)


def _scores(task: TaskSpec, rows: Rows, label: str | None) -> tuple[Answer, str | None, list[float]]:
    """The answer of the first row, the label that is explained, and every row's score."""
    try:
        check_finite(rows, f"a logit of task {task.name!r}")
    except NonFiniteError as error:  # a version of the one text
        raise error.at(0) from None
    (answer,) = decode(task, rows[:1])
    index = task.labels.index(label) if label is not None else int(rows[0].argmax())
    return answer, task.labels[index] if task.labels else None, compute_probabilities(task, rows)[:, index].tolist()
