"""sources of a config -> the examples of each split; where a share is held out, its files are read once for both."""

from collections.abc import Mapping, Sequence
from typing import Literal

from mtl_export.config import BadRows, SourceConfig, TaskConfig
from mtl_export.data.config_advice import SKIP_BAD_ROWS, advise_on_columns
from mtl_export.data.examples import Examples, SourceFiles, read_examples
from mtl_export.data.fold_labels import choose_spellings, respell
from mtl_export.data.holdout import HoldoutRule, stratified_holdout
from mtl_export.errors import DataError
from mtl_runtime.tables.text_lines import DEFAULT_MAX_ROW_BYTES
from mtl_runtime.text.validation import DEFAULT_MAX_TEXT_BYTES

__all__ = ["Split", "read_splits", "split_files"]

Split = Literal["train", "validation", "test"]


def split_files(source: SourceConfig, split: Split) -> tuple[str, ...]:
    """Files that hold the rows of one split: for validation, those of training where a share of them is held out."""
    files: tuple[str, ...] = source.train if split == "validation" and source.holdout else getattr(source, split)
    return files


def read_splits(
    sources: Sequence[SourceConfig],
    tasks: Mapping[str, TaskConfig],
    splits: Sequence[Split] = ("train", "validation"),
    *,
    bad_rows: BadRows = "error",
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES,
    max_row_bytes: int = DEFAULT_MAX_ROW_BYTES,
    holdout: HoldoutRule = stratified_holdout,
) -> dict[Split, Examples]:
    """Read the rows of ``splits``, by source and in the files' order; no file of another split is opened.

    Args:
        sources: files and columns; an example has the index of its source.
        tasks: kind, column and labels of each task; a source that names no tasks has labels for all of them.
        splits: which to read.
        bad_rows: "skip" leaves bad rows out and lists them, those of a divided file under "train".
        max_text_bytes: what is read of a text, in UTF-8.
        max_row_bytes: a longer row is an error, also where bad rows are skipped.
        holdout: how the files of a source with a holdout are divided.

    Raises:
        TableError: a file is bad, or a row is bad and not skipped; the message names file, line and column, and the
            key of the config that helps.
        DataError: nothing can be held out, since each row is the only one of a label.
    """

    def files_of(source: SourceConfig, files: tuple[str, ...]) -> SourceFiles:
        return SourceFiles(text=source.text, files=files, tasks=source.tasks or tuple(tasks))

    def read_own(split: Split) -> Examples:
        files = [files_of(source, () if _divides(source, split) else split_files(source, split)) for source in sources]
        return read(files)

    def read(files: Sequence[SourceFiles]) -> Examples:
        return read_examples(
            files,
            tasks,
            bad_rows=bad_rows,
            way_out=SKIP_BAD_ROWS,
            max_text_bytes=max_text_bytes,
            max_row_bytes=max_row_bytes,
        )

    divided = [source.train if any(_divides(source, split) for split in splits) else () for source in sources]
    with advise_on_columns(sources, tasks):
        pool = read(list(map(files_of, sources, divided)))
        own = {split: read_own(split) for split in splits}
    training_rows = (*pool.rows, *(own["train"].rows if "train" in own else ()))
    spellings = choose_spellings(training_rows, tasks)
    pool, own = respell(pool, spellings), {split: respell(part, spellings) for split, part in own.items()}
    held_out = holdout(pool.rows, {index: source.holdout for index, source in enumerate(sources) if source.holdout})
    if pool.rows and not held_out:
        raise DataError(_explain_no_holdout(pool))
    return {split: _merge(sources, split, own[split], pool, held_out) for split in splits}


def _explain_no_holdout(pool: Examples) -> str:
    files, rows = ", ".join(pool.files), len(pool.rows)
    if rows == 1:
        problem = f"{files} has a single usable row, of which none can be held out for validation"
    elif len({row.text for row in pool.rows}) == 1:
        problem = (
            f"the {rows:,} rows of {files} have the same text, and equal texts are never on both sides of a holdout"
        )
    else:
        problem = f"no row of {files} can be held out, since each of the {rows:,} is the only one of a label"
    return f"{problem}; add rows, or name validation files"


def _divides(source: SourceConfig, split: Split) -> bool:
    """Whether the split has only a part of the rows in its files."""
    return source.holdout > 0 and split != "test"


def _merge(
    sources: Sequence[SourceConfig], split: Split, own: Examples, pool: Examples, held_out: frozenset[str]
) -> Examples:
    """Add the split's part of the divided files to the rows that it has alone."""
    if split == "test":
        return own
    part = [row for row in pool.rows if (row.text in held_out) == (split == "validation")]
    return Examples(
        rows=tuple(sorted([*own.rows, *part], key=lambda row: row.source)),
        skipped=(*own.skipped, *(pool.skipped if split == "train" else ())),
        files=tuple(file for source in sources for file in split_files(source, split)),
    )
