"""The time that a compression has taken, that before an interruption included."""

import logging
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from mtl_runtime.core.atomic_file import replace_text

__all__ = ["CLOCK_NAME", "Stopwatch"]

_log = logging.getLogger(__name__)

CLOCK_NAME = "seconds.json"


@dataclass(slots=True)
class Stopwatch:
    """Seconds that a compression has taken, those before it was interrupted included.

    Args:
        file: where they are kept.
    """

    file: Path
    before: float = 0.0
    start: float = field(default_factory=time.monotonic)

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """That of the unfinished compression in ``folder``, or a new one."""
        file = folder / CLOCK_NAME
        try:
            before = float(file.read_text("utf-8")) if file.is_file() else 0.0
        except ValueError:
            before = math.nan
        if not (0 <= before < math.inf):
            _log.warning("%s is damaged: the time before the interruption does not count", file)
            before = 0.0
        return cls(file, before)

    @property
    def seconds(self) -> float:
        """Up to now."""
        return self.before + time.monotonic() - self.start

    def save(self) -> None:
        """Keep the seconds up to now, for a compression that is resumed."""
        replace_text(self.file, f"{self.seconds:.1f}\n")
