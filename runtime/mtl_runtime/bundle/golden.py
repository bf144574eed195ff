"""golden.jsonl and golden.<variant>.json <-> texts with token ids and reference logits, and a variant's own answers."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mtl_runtime.core import records
from mtl_runtime.errors import RecordError

__all__ = [
    "GOLDEN_NAME",
    "GoldenAnswers",
    "GoldenText",
    "golden_answers_name",
    "parse_golden",
    "parse_golden_answers",
    "parse_golden_lines",
    "render_golden",
    "render_golden_answers",
]

GOLDEN_NAME = "golden.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenText:
    """A text with the PyTorch model's token ids and logits, computed when the bundle was made."""

    text: str
    # Token ids, special tokens included, truncated to max_length.
    ids: tuple[int, ...] = field(metadata=records.bounds(0, 2**31 - 1, count=2**20))
    logits: Mapping[str, tuple[float, ...]]  # fp32 logits by task

    def __post_init__(self) -> None:
        records.check_bounds(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenAnswers:
    """What one variant itself answered to some of the golden texts on the machine that made the bundle."""

    lines: tuple[int, ...] = field(metadata=records.bounds(1, 2**31 - 1, count=2**20))  # of golden.jsonl, from 1
    logits: Mapping[str, tuple[tuple[float, ...], ...]]  # by task: a row for each of these lines

    def __post_init__(self) -> None:
        records.check_bounds(self)
        if not self.lines:
            raise RecordError("lines", "they name at least one line")
        for task, rows in self.logits.items():
            if len(rows) != len(self.lines):
                raise RecordError(f"logits.{task}", f"{len(rows)} rows for {len(self.lines)} lines")


def golden_answers_name(variant: str) -> str:
    """Name of the file with the golden answers of ``variant``."""
    return f"golden.{variant}.json"


def render_golden(texts: Iterable[GoldenText]) -> bytes:
    """Bytes of golden.jsonl: one JSON object a line; floats round-trip exactly."""
    lines = (json.dumps(records.to_dict(text), ensure_ascii=False, allow_nan=False) for text in texts)
    return "".join(f"{line}\n" for line in lines).encode()


def parse_golden(data: bytes) -> list[GoldenText]:
    """The inverse of :func:`render_golden`.

    Raises:
        RecordError: a line is no golden text; the message names it.
    """
    return parse_golden_lines(data, range(1, data.count(b"\n") + 1))


def parse_golden_lines(data: bytes, numbers: Sequence[int]) -> list[GoldenText]:
    """Some lines of golden.jsonl, counted from 1: reading all of them takes a tenth of a cold start.

    Raises:
        RecordError: one of them is absent, or no golden text; the message names it.
    """
    if not data.endswith(b"\n"):
        raise RecordError(GOLDEN_NAME, "the last line is cut off")
    lines = data.split(b"\n")[:-1]
    if numbers and max(numbers) > len(lines):
        raise RecordError(GOLDEN_NAME, f"has {len(lines)} lines and no line {max(numbers)}")
    return [records.from_json(GoldenText, lines[number - 1], where=f"{GOLDEN_NAME}:{number}") for number in numbers]


def render_golden_answers(answers: GoldenAnswers) -> bytes:
    """Bytes of golden.<variant>.json; floats round-trip exactly."""
    return (json.dumps(records.to_dict(answers), allow_nan=False) + "\n").encode()


def parse_golden_answers(data: bytes, *, where: str) -> GoldenAnswers:
    """The inverse of :func:`render_golden_answers`.

    Raises:
        RecordError: they are malformed; the message names the place.
    """
    return records.from_json(GoldenAnswers, data, where=where)
