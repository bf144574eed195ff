"""SelfTest <-> a file in the user's cache: does a variant give its golden answers on this machine too?

Evidence says what a gate measured on one machine; this says that another machine computes the same.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mtl_runtime.core import records
from mtl_runtime.core.atomic_file import replace_text
from mtl_runtime.core.machine import MachineFacts
from mtl_runtime.core.user_cache import cache_folder
from mtl_runtime.errors import RecordError

__all__ = ["AnswerDifference", "SelfTest", "read_self_tests", "remember_self_test"]

_log = logging.getLogger(__name__)

# Of the record and of the rule behind it: another rule makes other outcomes, which have other file names.
_VERSION = 1
_FOLDER = "self-tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDifference:
    """How far a variant's logits of one task are from its golden answers, and how far rounding alone may take them."""

    mean: float  # |logit difference|, over all cells
    mean_allowed: float
    largest: float
    largest_allowed: float
    flips: int  # other answers, ties aside: decisions with a margin of more than largest_allowed
    not_finite: int = 0  # texts with NaN or infinity, left out of the differences


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """What one variant answered to its golden texts with this onnxruntime on this kind of machine."""

    variant: str
    onnxruntime: str  # version
    machine: MachineFacts
    texts: int = 0
    tasks: Mapping[str, AnswerDifference] = field(default_factory=dict)  # empty: it could not be opened
    problem: str | None = None  # None: the golden answers hold here

    @property
    def holds(self) -> bool:
        """Whether the golden answers hold here."""
        return self.problem is None


def read_self_tests(digest: str, machine: MachineFacts, *, onnxruntime: str) -> dict[str, SelfTest]:
    """The outcomes that are remembered for this kind of machine, by variant; a file that cannot be read is ignored.

    Args:
        digest: of the bundle's manifest.
        machine: this one.
        onnxruntime: its version here.
    """
    folder, key = _folder(digest), _key(machine, onnxruntime)
    outcomes = {}
    for file in sorted(folder.glob(f"*-{key}.json")) if folder else ():
        try:
            outcome = records.from_json(SelfTest, file.read_bytes(), where=file.name)
        except (RecordError, OSError):
            _log.debug("%s cannot be read; the self-test is repeated", file, exc_info=True)
            continue
        outcomes[outcome.variant] = outcome
    return outcomes


def remember_self_test(digest: str, outcome: SelfTest) -> Path | None:
    """Write an outcome into the user's cache, for later loads; None: it cannot be, and each load repeats the test."""
    folder = _folder(digest)
    if folder is None:
        return None
    file = folder / f"{outcome.variant}-{_key(outcome.machine, outcome.onnxruntime)}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(file, records.to_json(outcome))
    except OSError:
        _log.debug("%s cannot be written; the self-test is repeated at each load", file, exc_info=True)
        return None
    return file


def _folder(digest: str) -> Path | None:
    cache = cache_folder()
    return cache / _FOLDER / digest if cache else None


def _key(machine: MachineFacts, onnxruntime: str) -> str:
    """What decides which kernels run: not the number of cores, which changes no answer."""
    facts = [_VERSION, onnxruntime, machine.system, machine.architecture, machine.cpu, machine.cpu_flags, machine.gpus]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
