"""data files -> labelled examples; a bad row stops the run, or is left out and listed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mtl_export.config import BadRows, TaskConfig
from mtl_export.errors import DataError
from mtl_runtime.dataset.examples import Example, iter_labelled_file, read_labelled_file
from mtl_runtime.dataset.label_cells import LabelColumn
from mtl_runtime.errors import TableError
from mtl_runtime.tables.text_lines import DEFAULT_MAX_ROW_BYTES
from mtl_runtime.text.validation import DEFAULT_MAX_TEXT_BYTES

__all__ = [
    "Examples",
    "SkippedRow",
    "SourceFiles",
    "check_not_empty",
    "read_examples",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFiles:
    """Files of one source, and which of their columns are read."""

    text: str  # column
    files: tuple[str, ...]
    tasks: tuple[str, ...]  # that have a column of labels in these files


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRow:
    """A row that was left out because of ``bad_rows = "skip"``."""

    path: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Examples in the files' order."""

    rows: tuple[Example, ...]
    skipped: tuple[SkippedRow, ...]
    files: tuple[str, ...]


def read_examples(
    sources: Sequence[SourceFiles],
    tasks: Mapping[str, TaskConfig],
    *,
    bad_rows: BadRows = "error",
    way_out: str = "",
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES,
    max_row_bytes: int = DEFAULT_MAX_ROW_BYTES,
) -> Examples:
    """Read all rows of the files.

    Args:
        sources: files and columns; an example has the index of its source.
        tasks: kind, column and labels of each task.
        bad_rows: "skip" leaves out malformed rows, missing texts and unknown labels, and lists them.
        way_out: what the error about a bad row advises, so that such rows are left out.
        max_text_bytes: what is read of a text, in UTF-8; how many are longer is logged.
        max_row_bytes: a longer row is an error, also where bad rows are skipped.

    Raises:
        TableError: a file is bad, or a row is bad and not skipped; the message names file, line and column, and says
            how many more bad rows the file has.
    """
    rows: list[Example] = []
    skipped: list[SkippedRow] = []

    def skip(error: TableError) -> None:
        place = f"column {error.column!r}: " if error.column else ""
        skipped.append(SkippedRow(path=str(error.path), line=error.line or 0, reason=place + error.problem))

    for index, source in enumerate(sources):
        columns = {name: _label_column(name, tasks[name]) for name in source.tasks}
        read = (
            partial(read_labelled_file, way_out=way_out)
            if bad_rows == "error"
            else partial(iter_labelled_file, on_bad=skip)
        )
        for file in source.files:
            examples = read(
                Path(file),
                text=source.text,
                tasks=columns,
                source=index,
                max_text_bytes=max_text_bytes,
                max_row_bytes=max_row_bytes,
            )
            rows.extend(examples)
    files = tuple(file for source in sources for file in source.files)
    return Examples(rows=tuple(rows), skipped=tuple(skipped), files=files)


def _label_column(name: str, task: TaskConfig) -> LabelColumn:
    return LabelColumn(
        column=task.column or name,
        kind=task.kind,
        labels=task.labels,
        fold_labels=task.fold_labels,
        missing=task.missing,
    )


def check_not_empty(examples: Examples, split: str) -> None:
    """Refuse a split without rows, or of which every row was skipped.

    Raises:
        DataError: no row is left.
    """
    if examples.rows:
        return
    if not examples.skipped:
        raise DataError(f"the {split} split has no rows; name files for it, or more rows of which some can be held out")
    first = examples.skipped[0]
    count = len(examples.skipped)
    what = f"all of its {count:,} rows were" if count > 1 else "its only row was"
    raise DataError(
        f"the {split} split has no usable row: {what} skipped; {first.path}, line {first.line}: {first.reason}"
    )
