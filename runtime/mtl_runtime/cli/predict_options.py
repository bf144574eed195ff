"""The options of ``mtl predict``, checked against each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtl_runtime.tables.table import TableFormat

if TYPE_CHECKING:
    from mtl_runtime.bulk.predict_file import OnBadRow

__all__ = ["PredictOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictOptions:
    """What the command line says; options that exclude each other are refused.

    Raises:
        click.UsageError: two options exclude each other, or one would have no effect.
    """

    bundle: Path
    source: str | None  # None: the texts are on the command line; "-": stdin
    output: Path | None  # None: stdout
    texts: tuple[str, ...]
    tasks: str | None
    variant: str | None
    trust: str | None
    threads: int | None
    workers: int | None
    max_batch_tokens: int | None
    long_text: str | None
    aggregate: str | None
    max_text_bytes: int | None
    max_row_bytes: int | None
    column: str | None  # None: as in training, where INPUT has such a column
    probabilities: bool
    explain: bool
    prefix: str
    input_format: TableFormat | None
    output_format: TableFormat | None
    on_bad_row: "OnBadRow | None"
    rejects: Path | None
    resume: bool
    force: bool
    as_json: bool

    def __post_init__(self) -> None:
        for is_mistake, message in (*self._source_conflicts(), *self._job_conflicts()):
            if is_mistake:
                raise click.UsageError(message)

    @property
    def task_names(self) -> list[str] | None:
        """The tasks to answer; None: all of the bundle's."""
        return [name.strip() for name in self.tasks.split(",")] if self.tasks is not None else None

    @property
    def load_arguments(self) -> dict[str, Any]:
        """The arguments of :func:`mtl_runtime.load` that were given."""
        names = (
            "variant",
            "trust",
            "threads",
            "workers",
            "max_batch_tokens",
            "long_text",
            "aggregate",
            "max_text_bytes",
        )
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def _source_conflicts(self) -> Iterator[tuple[bool, str]]:
        """Options that do not fit where the texts come from, or where the answers go."""
        yield (self.source is None) == (not self.texts), "give either INPUT (a file, or - for stdin) or --text."
        yield (
            self.source is not None and self.output is None and self.as_json,
            "--json is for --text, or for the summary of a file written with -o; "
            "for answers as JSON, see --output-format.",
        )
        yield (
            self.source is not None and self.explain,
            "--explain is for single texts: give them with --text instead of INPUT.",
        )
        yield (
            bool(self.texts) and (self.output is not None or self.rejects is not None),
            "--text prints its answers; -o and --rejects are for INPUT.",
        )
        yield (
            self.variant is not None and self.trust is not None,
            "--trust is about variants that nobody names; choose it or --variant.",
        )
        is_windowed = self.long_text == "windows"
        yield self.aggregate is not None and not is_windowed, "--aggregate is for --long-text windows."

    def _job_conflicts(self) -> Iterator[tuple[bool, str]]:
        """Options of a file job that exclude each other."""
        yield (
            self.resume and (self.source in (None, "-") or self.output is None),
            "--resume is for a job from an INPUT file to an OUTPUT file (-o); a stream cannot be resumed.",
        )
        yield self.resume and self.force, "--resume continues a job and --force starts it over; choose one."
        yield (
            self.rejects is not None and self.on_bad_row == "error",
            "--rejects writes bad rows to a file and --on-bad-row error stops at the first; choose one.",
        )
