"""golden texts -> a few sentences whose answers differ, with which the page shows what its bundle does."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.golden import GOLDEN_NAME, GoldenText, parse_golden
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.inference.decode import MultiLabelAnswer, SingleLabelAnswer, decode

__all__ = ["choose_examples", "read_examples"]

_EXAMPLES = 4
_LENGTHS = range(12, 111)  # characters: a sentence, and one that a phone shows whole
_LETTERS = 0.7  # of the characters, at least


class _Candidate(NamedTuple):
    text: str
    labels: frozenset[tuple[str, str]]  # task and label of each answer
    confidence: float  # sum of the answers' probabilities


@lru_cache(maxsize=16)
def read_examples(folder: str, digest: str) -> tuple[str, ...]:
    """Example sentences of the bundle in ``folder``; none if it is not the one of that digest any more.

    Raises:
        MtlError: the bundle cannot be read.
    """
    bundle = Bundle.open(folder)
    if bundle.digest != digest or GOLDEN_NAME not in bundle.manifest.files:
        return ()
    return choose_examples(parse_golden(bundle.read(GOLDEN_NAME)), bundle.manifest.tasks)


def choose_examples(golden: Sequence[GoldenText], tasks: Sequence[TaskSpec]) -> tuple[str, ...]:
    """Sentences that together show as many labels as possible; of equal ones the more confidently answered.

    Args:
        golden: with logits of PyTorch. Odd texts, which are there to find bugs, are no examples.
        tasks: of the bundle.
    """
    left = [_Candidate(text.text, *_answers(text, tasks)) for text in golden if _is_sentence(text.text)]
    shown: set[tuple[str, str]] = set()
    examples: list[str] = []
    while left and len(examples) < _EXAMPLES:
        best = max(left, key=lambda candidate: (len(candidate.labels - shown), candidate.confidence))
        left.remove(best)
        shown |= best.labels
        examples.append(best.text)
    return tuple(examples)


def _is_sentence(text: str) -> bool:
    letters = sum(character.isalpha() or character == " " for character in text)
    return len(text) in _LENGTHS and text.isprintable() and letters >= _LETTERS * len(text)


def _answers(text: GoldenText, tasks: Sequence[TaskSpec]) -> tuple[frozenset[tuple[str, str]], float]:
    answers = list(_labels(text, tasks))
    return frozenset((task, label) for task, label, _ in answers), sum(probability for _, _, probability in answers)


def _labels(text: GoldenText, tasks: Sequence[TaskSpec]) -> Iterator[tuple[str, str, float]]:
    """Task, label and probability of each label that a task gives."""
    for task in tasks:
        (answer,) = decode(task, np.asarray([text.logits[task.name]], dtype=np.float32))
        match answer:
            case SingleLabelAnswer():
                yield task.name, answer.label, answer.probability
            case MultiLabelAnswer():
                for label in answer.labels:
                    yield task.name, label, answer.probabilities[label]
