"""table of texts -> the same table with the answers beside it, in bounded memory."""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal

from mtl_runtime.classifier import Classifier
from mtl_runtime.decode import Prediction, RegressionAnswer, SingleLabelAnswer
from mtl_runtime.errors import CheckFailedError, InvalidTextError, MtlError, NonFiniteError, TableError
from mtl_runtime.manifest import TaskSpec
from mtl_runtime.table_writers import WriteRows, check_writable, open_writer
from mtl_runtime.tables import Row, Table, TableFormat, format_of, open_table
from mtl_runtime.tokenizer import checked_texts

__all__ = ["BadRows", "OnBadRow", "Progress", "Summary", "answer_columns", "predict_file"]

OnBadRow = Literal["error", "skip"]
Progress = Callable[[int], None]  # called with the number of rows written so far
_CHUNK_ROWS = 2048
_BAD_ROWS_KEPT = 20


@dataclass(slots=True)
class BadRows:
    """Rows left out: how many, and the first errors."""

    count: int = 0
    first: list[TableError] = field(default_factory=list)

    def add(self, error: TableError) -> None:
        self.count += 1
        if len(self.first) < _BAD_ROWS_KEPT:
            self.first.append(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of a table: each row was written or is among the bad ones."""

    rows: int
    truncated: int  # written rows whose text was longer than the encoder reads
    bad_rows: BadRows


def predict_file(
    classifier: Classifier,
    source: Path | BinaryIO,
    target: Path | BinaryIO,
    *,
    tasks: Iterable[str] | None = None,
    column: str = "text",
    probabilities: bool = False,
    input_format: TableFormat | None = None,
    output_format: TableFormat | None = None,
    prefix: str = "",
    on_bad_row: OnBadRow = "error",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Answer ``tasks`` for each row of ``source`` and write the rows with their answers to ``target``.

    A target file is whole or absent. A row is bad if it cannot be read, or if its text is missing, no str
    or too long; an empty str is a legal text.

    Args:
        classifier: an opened bundle.
        source: a file, or a binary stream (then ``input_format`` defaults to txt).
        target: a file, or a binary stream.
        tasks: default: all of the bundle's.
        column: the column of ``source`` that holds the texts.
        probabilities: also write the probability of every label.
        prefix: what the names of the answers' columns start with, where ``source`` has columns of those names.
        input_format: default: by the suffix of ``source``.
        output_format: default: by the suffix of ``target``; for a stream the input's, or csv.
        on_bad_row: raise the first bad row's error, or leave bad rows out and count them.
        overwrite: replace an existing ``target``.
        progress: called after each chunk of rows.

    Raises:
        TableError: the source is malformed, or a column of it has the name of an answer's column.
        UnknownTaskError: the bundle has no such task.
        CheckFailedError: the model answered NaN or infinity.
        MtlError: the target exists already, or cannot be written.
    """
    specs = classifier.task_specs(tasks)
    bad = BadRows()
    path, stream = (source, None) if isinstance(source, Path) else (Path("<stdin>"), source)
    kind = input_format or (format_of(path) if stream is None else "txt")
    into = _target_format(target, output_format, kind)
    job = _Job(classifier, specs, column, probabilities, prefix, bad if on_bad_row == "skip" else None)
    with (
        open_table(path, format=kind, stream=stream, on_bad=job.on_bad) as table,
        _opened(target, overwrite=overwrite) as out,
    ):
        table.require(column, hint="; name the texts' column with --column")
        added = answer_columns(specs, probabilities=probabilities, prefix=prefix)
        _refuse_collisions(table, added)
        with open_writer(out, into, source=table, added=added) as write:
            return job.run(table, write, progress or (lambda _rows: None))


def answer_columns(tasks: Sequence[TaskSpec], *, probabilities: bool, prefix: str = "") -> dict[str, type]:
    """Columns that the answers to ``tasks`` fill, each ``str`` or ``float``, in their order."""
    columns: dict[str, type] = {}
    for task in tasks:
        columns[task.name] = float if task.kind == "regression" else str
        if task.kind == "single_label":
            columns[f"{task.name}.probability"] = float
        if probabilities:
            columns |= {f"{task.name}.probability.{label}": float for label in task.labels}
    return {prefix + name: kind for name, kind in columns.items()}


def _answer_cells(prediction: Prediction, *, probabilities: bool, prefix: str) -> dict[str, str | float]:
    cells: dict[str, str | float] = {}
    for task, answer in prediction.answers.items():
        cells[task] = answer.value
        if isinstance(answer, SingleLabelAnswer):
            cells[f"{task}.probability"] = answer.probability
        if probabilities and not isinstance(answer, RegressionAnswer):
            cells |= {f"{task}.probability.{label}": p for label, p in answer.probabilities.items()}
    return {prefix + name: cell for name, cell in cells.items()}


@dataclass(frozen=True, slots=True)
class _Job:
    """One table's way through the classifier."""

    classifier: Classifier
    tasks: Sequence[TaskSpec]
    column: str
    probabilities: bool
    prefix: str
    bad_rows: BadRows | None  # None: a bad row ends the job

    def run(self, table: Table, write: WriteRows, progress: Progress) -> Summary:
        rows = truncated = 0
        good = (row for row in table.rows if self._is_good(table, row))
        while chunk := list(islice(good, _CHUNK_ROWS)):
            predictions = self._predict(table, chunk)
            write([self._answered(table, *pair) for pair in zip(chunk, predictions, strict=True)])
            rows += len(chunk)
            truncated += sum(prediction.truncated for prediction in predictions)
            progress(rows)
        return Summary(rows=rows, truncated=truncated, bad_rows=self.bad_rows or BadRows())

    def on_bad(self, error: TableError) -> None:
        if self.bad_rows is None:
            raise error
        self.bad_rows.add(error)

    def _is_good(self, table: Table, row: Row) -> bool:
        """Whether the row's text can be classified; if not, the row is dealt with."""
        text = row.values.get(self.column)
        problem = "the text is missing"
        if text is not None:
            try:
                checked_texts([text], max_text_bytes=self.classifier.opening.max_text_bytes)
            except InvalidTextError as error:
                problem = error.problem
            else:
                return True
        self.on_bad(TableError(table.path, problem, line=row.line, column=self.column))
        return False

    def _predict(self, table: Table, rows: Sequence[Row]) -> list[Prediction]:
        names = [task.name for task in self.tasks]
        try:
            return self.classifier([row.values[self.column] for row in rows], tasks=names)
        except NonFiniteError as error:
            place = f"{table.path}, line {rows[error.index].line}"
            raise CheckFailedError(f"{place}: {error.output} is not finite; run `mtl verify`") from error

    def _answered(self, table: Table, row: Row, prediction: Prediction) -> Row:
        cells = _answer_cells(prediction, probabilities=self.probabilities, prefix=self.prefix)
        if table.format == "jsonl":
            _refuse(table, row.values.keys() & cells.keys(), row.line)
        return Row(row.line, {**row.values, **cells})


def _refuse_collisions(table: Table, added: Mapping[str, type]) -> None:
    _refuse(table, set(table.columns) & added.keys(), 1)


def _refuse(table: Table, names: set[str], line: int) -> None:
    if names:
        problem = f"would be overwritten by the answers: {', '.join(sorted(names))}"
        raise TableError(
            table.path,
            f"{problem}; put something before the answers with --prefix predicted., or choose --tasks",
            line=line,
        )


def _target_format(target: Path | BinaryIO, asked: TableFormat | None, source: TableFormat) -> TableFormat:
    if asked is not None:
        return check_writable(asked, target if isinstance(target, Path) else Path("<stdout>"))
    if isinstance(target, Path):
        return check_writable(format_of(target), target)
    return source if source in ("csv", "tsv", "jsonl") else "csv"


@contextmanager
def _opened(target: Path | BinaryIO, *, overwrite: bool) -> Iterator[BinaryIO]:
    """A stream that becomes the file ``target`` when the block ends without an error."""
    if not isinstance(target, Path):
        yield target
        return
    if target.exists() and not overwrite:
        raise MtlError(f"{target} exists already; give --force to replace it")
    staging = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    try:
        with staging.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        staging.replace(target)
    except OSError as error:
        raise MtlError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        staging.unlink(missing_ok=True)
