"""A hostile input of ``mtl predict``: the command line, and what must become of it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mtl_runtime.wording import MESSAGE_CHARACTERS

__all__ = ["OUTPUT", "Attempt", "Prepare", "find_fault"]

OUTPUT = "out.jsonl"  # in the attempt's folder, where rows are expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Arguments of ``mtl predict BUNDLE``, and either the error or the texts of the rows that it writes."""

    arguments: tuple[str, ...]
    error: str | None = None  # regular expression, found in the one line of the error; None: it succeeds
    texts: tuple[str, ...] | None = None  # of the rows in OUTPUT, in their order; None: not compared
    stdin: bytes = b""


Prepare = Callable[[Path], Attempt]  # writes its files into a folder


def find_fault(attempt: Attempt, folder: Path, *, exit_code: int | None, stderr: str) -> str | None:
    """Say how what became of ``attempt`` differs from what must become of it; None: it does not."""
    errors = [line for line in stderr.splitlines() if line.lower().startswith("error: ")]
    if "Traceback" in stderr:
        return f"a traceback: {stderr[-1000:]}"
    if attempt.error is not None:
        if exit_code != 2 or len(errors) != 1:
            return f"not one error, but exit code {exit_code} and {errors or stderr[-300:]}"
        if len(errors[0]) > MESSAGE_CHARACTERS or re.search(attempt.error, errors[0]) is None:
            return f"another error than {attempt.error!r}: {errors[0]}"
        return None
    if exit_code != 0:
        return f"exit code {exit_code}: {stderr[-500:]}"
    return _compare_texts(attempt, folder)


def _compare_texts(attempt: Attempt, folder: Path) -> str | None:
    if attempt.texts is None:
        return None
    lines = (folder / OUTPUT).read_text("utf-8").split("\n")
    written = tuple(json.loads(line)["text"] for line in lines if line)
    return None if written == attempt.texts else f"other texts were written: {str(written)[:300]}"
