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

    bundle: Path | None  # None: only the output of an earlier job is looked at
    sources: tuple[str, ...]  # none: the texts are on the command line; "-": stdin; several, or URLs: for an engine
    output_name: str | None  # None: stdout
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
    rejects_name: str | None
    resume: bool
    force: bool
    engine: str | None  # None: this process
    processes: int | None
    shard_rows: int | None
    attempts: int | None
    status: str | None  # the output of a sharded job, to see how far it is
    check: str | None  # the output of a sharded job, to compare with its manifest
    as_json: bool

    def __post_init__(self) -> None:
        conflicts = self._view_conflicts() if self.is_view else self._all_conflicts()
        for is_mistake, message in conflicts:
            if is_mistake:
                raise click.UsageError(message)

    @property
    def is_view(self) -> bool:
        """Whether the output of an earlier job is looked at, and nothing is computed."""
        return self.status is not None or self.check is not None

    @property
    def bundle_path(self) -> Path:
        """The bundle.

        Raises:
            click.UsageError: none was named.
        """
        if self.bundle is None:
            raise click.UsageError("Missing argument 'BUNDLE'.")
        return self.bundle

    @property
    def source(self) -> str | None:
        """The one input; None: there is none."""
        return self.sources[0] if self.sources else None

    @property
    def output(self) -> Path | None:
        """The output file; None: stdout."""
        return None if self.output_name is None else Path(self.output_name)

    @property
    def rejects(self) -> Path | None:
        """The file of the bad rows; None: they go nowhere."""
        return None if self.rejects_name is None else Path(self.rejects_name)

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

    def _view_conflicts(self) -> Iterator[tuple[bool, str]]:
        """What does not fit to a look at the output of an earlier job."""
        others = (self.bundle, *self.sources, *self.texts, self.output_name, self.engine)
        yield (
            any(other is not None for other in others) or (self.status is not None and self.check is not None),
            "--status FOLDER and --check FOLDER stand alone.",
        )

    def _all_conflicts(self) -> Iterator[tuple[bool, str]]:
        yield self.bundle is None, "Missing argument 'BUNDLE'."
        yield from self._source_conflicts()
        yield from self._job_conflicts()
        yield from self._engine_conflicts()

    def _engine_conflicts(self) -> Iterator[tuple[bool, str]]:
        """Options that do not fit where the work is done."""
        if self.engine is None:
            yield len(self.sources) > 1, "several inputs are answered shard by shard: add --on, such as --on local."
            for name in ("processes", "shard_rows", "attempts"):
                option = name.replace("_", "-")
                yield getattr(self, name) is not None, f"--{option} is for a job on an engine: add --on."
            return
        yield (
            not self.sources or "-" in self.sources or self.output_name is None,
            "--on is for a job from INPUT files, folders or patterns to an OUTPUT folder (-o).",
        )
        yield (
            self.processes is not None and self.engine != "local",
            "--processes is for --on local; other engines decide themselves how many they start.",
        )

    def _source_conflicts(self) -> Iterator[tuple[bool, str]]:
        """Options that do not fit where the texts come from, or where the answers go."""
        yield (not self.sources) == (not self.texts), "give either INPUT (a file, or - for stdin) or --text."
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
