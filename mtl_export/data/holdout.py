"""labelled examples -> the texts among them that are held out for validation, so that each label keeps its share.

Whole texts are held out, never one of several rows with the same text. Which ones depends on the set of labelled texts
alone: neither on their order nor on a seed. Within a label the texts with the lowest hashes are held out, so that more
rows move few of the others.
"""

import hashlib
import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mtl_runtime.dataset.examples import Example
from mtl_runtime.dataset.label_cells import label_names

__all__ = ["HoldoutRule", "hash_holdout", "stratified_holdout"]

# Examples, and the share to hold out of each source -> the texts that are held out.
HoldoutRule = Callable[[Sequence[Example], Mapping[int, float]], frozenset[str]]


class _Stratum(NamedTuple):
    """The texts of a source (by its index) that have a label of a task; "" stands for any label, and for any task."""

    source: int
    task: str = ""
    label: str = ""


def stratified_holdout(examples: Sequence[Example], shares: Mapping[int, float]) -> frozenset[str]:
    """Hold out a share of each source, and the same share of each label in it as far as whole texts allow.

    At least one text of each label and of each task stays in training, and of each task at least one is held out where
    that leaves one. Labels are served from the rarest to the most frequent, as in iterative stratification
    (K. Sechidis, G. Tsoumakas and I. Vlahavas, "On the Stratification of Multi-Label Data", ECML PKDD 2011); what is
    left of a source's share goes to the labels that lack the most, so that many labels of few rows keep the share of
    the whole instead of each being rounded alike.

    Args:
        examples: of all sources in ``shares``.
        shares: how much of a source is held out, above 0 and below 1, by the index of the source.
    """
    strata: dict[str, set[_Stratum]] = {}
    for example in examples:
        strata.setdefault(example.text, set()).update(_strata(example))
    split = _Split(strata, shares)
    rarest_first = sorted(split.texts, key=lambda stratum: (len(split.texts[stratum]), stratum))
    labels = [stratum for stratum in rarest_first if stratum.label]
    for stratum in labels:
        split.hold_out(stratum, math.floor(split.wanted[stratum] + _ROUNDING))
    split.hold_out_where_most_is_lacking(labels)
    wholes = [stratum for stratum in rarest_first if not stratum.label]
    for stratum in wholes:
        split.hold_out(stratum, round(split.wanted[stratum]), strictly=bool(stratum.task))
    for stratum in wholes:
        split.hold_out(stratum, 1, strictly=False)
    return frozenset(split.held_out)


def hash_holdout(examples: Sequence[Example], shares: Mapping[int, float]) -> frozenset[str]:
    """Hold out the texts whose hash lies in the share, whatever their labels: the rule of format version 1."""
    return frozenset(row.text for row in examples if _digest(row.text) / 2**64 < shares[row.source])


_ROUNDING = 1e-9  # 0.1 of 30 texts is 3 of them


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _strata(example: Example) -> Iterator[_Stratum]:
    yield _Stratum(example.source)
    for task, label in example.labels.items():
        yield _Stratum(example.source, task)
        for name in label_names(label):
            yield _Stratum(example.source, task, name)


@dataclass(slots=True)
class _Split:
    """The state of a split while texts are moved from training to the holdout."""

    strata: Mapping[str, set[_Stratum]]  # by text
    shares: Mapping[int, float]
    texts: dict[_Stratum, list[str]] = field(init=False)  # by stratum, the lowest hash first
    wanted: dict[_Stratum, float] = field(init=False)  # texts to hold out
    limit: dict[_Stratum, int] = field(init=False)  # no more than these, as long as a choice is strict
    held: Counter[_Stratum] = field(init=False, default_factory=Counter)
    held_out: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.texts = {}
        for text in sorted(self.strata, key=lambda text: (_digest(text), text)):
            for stratum in self.strata[text]:
                self.texts.setdefault(stratum, []).append(text)
        self.wanted = {s: self.shares[s.source] * len(texts) for s, texts in self.texts.items()}
        self.limit = {s: math.ceil(w - _ROUNDING) if s.task else round(w) for s, w in self.wanted.items()}

    def hold_out(self, stratum: _Stratum, count: int, *, strictly: bool = True) -> None:
        """Move texts of ``stratum`` until ``count`` of it are held out, as far as its other strata permit."""
        for text in self.texts[stratum]:
            if self.held[stratum] >= count:
                return
            self._move(text, strictly=strictly)

    def hold_out_where_most_is_lacking(self, strata: Iterable[_Stratum]) -> None:
        """Move one text at a time, of the stratum that lacks the most of its share."""
        queue = [(-self._lack(stratum), stratum, iter(self.texts[stratum])) for stratum in strata]
        heapq.heapify(queue)
        while queue and queue[0][0] < -_ROUNDING:
            lack, stratum, texts = heapq.heappop(queue)
            if -lack <= self._lack(stratum) + _ROUNDING and not any(self._move(text, strictly=True) for text in texts):
                continue  # none of its texts can be moved, and none ever will
            heapq.heappush(queue, (-self._lack(stratum), stratum, texts))

    def _lack(self, stratum: _Stratum) -> float:
        return self.wanted[stratum] - self.held[stratum]

    def _move(self, text: str, *, strictly: bool) -> bool:
        """Hold ``text`` out, if each of its strata keeps another text in training; whether it was."""
        strata = self.strata[text]
        if text in self.held_out or any(len(self.texts[s]) - self.held[s] < 2 for s in strata):
            return False
        if strictly and any(self.held[s] >= self.limit[s] for s in strata):
            return False
        self.held_out.add(text)
        self.held.update(strata)
        return True
