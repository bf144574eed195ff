"""golden.jsonl <-> texts with their token ids and reference logits: the bundle's self-test."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mtl_runtime.core import records
from mtl_runtime.errors import RecordError

__all__ = ["GOLDEN_NAME", "GoldenText", "parse_golden", "render_golden"]

GOLDEN_NAME = "golden.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenText:
    """A text with the PyTorch model's token ids and logits, computed when the bundle was made."""

    text: str
    ids: tuple[int, ...]  # token ids, special tokens included, truncated to max_length
    logits: Mapping[str, tuple[float, ...]]  # fp32 logits by task


def render_golden(texts: Iterable[GoldenText]) -> bytes:
    """Bytes of golden.jsonl: one JSON object a line; floats round-trip exactly."""
    lines = (json.dumps(records.to_dict(text), ensure_ascii=False, allow_nan=False) for text in texts)
    return "".join(f"{line}\n" for line in lines).encode()


def parse_golden(data: bytes) -> list[GoldenText]:
    """The inverse of :func:`render_golden`.

    Raises:
        RecordError: a line is no golden text; the message names it.
    """
    if not data.endswith(b"\n"):
        raise RecordError(GOLDEN_NAME, "the last line is cut off")
    lines = data.split(b"\n")[:-1]
    return [
        records.from_json(GoldenText, line, where=f"{GOLDEN_NAME}:{number}") for number, line in enumerate(lines, 1)
    ]
