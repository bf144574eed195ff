"""sources of a config -> the examples of each split; where a share is held out, its files are read once for both."""

from collections.abc import Mapping, Sequence
from typing import Literal

from mtl_export.config import BadRows, SourceConfig, TaskConfig
from mtl_export.data.config_advice import SKIP_BAD_ROWS, advise_on_columns
from mtl_export.data.examples import Examples, SourceFiles, read_examples
from mtl_export.data.holdout import HoldoutRule, stratified_holdout
from mtl_export.errors import DataError

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
    holdout: HoldoutRule = stratified_holdout,
) -> dict[Split, Examples]:
    """Read the rows of ``splits``, by source and in the files' order; no file of another split is opened.

    Args:
        sources: files and columns; an example has the index of its source.
        tasks: kind, column and labels of each task; a source that names no tasks has labels for all of them.
        splits: which to read.
        bad_rows: "skip" leaves bad rows out and lists them, those of a divided file under "train".
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
        return read_examples(files, tasks, bad_rows=bad_rows, way_out=SKIP_BAD_ROWS)

    divided = [source.train if any(_divides(source, split) for split in splits) else () for source in sources]
    with advise_on_columns(sources, tasks):
        pool = read_examples(list(map(files_of, sources, divided)), tasks, bad_rows=bad_rows, way_out=SKIP_BAD_ROWS)
        own = {split: read_own(split) for split in splits}
    held_out = holdout(pool.rows, {index: source.holdout for index, source in enumerate(sources) if source.holdout})
    if pool.rows and not held_out:
        raise DataError(
            f"no row of {', '.join(pool.files)} can be held out, since each is the only one of a label; add rows, or "
            f"name validation files"
        )
    return {split: _merge(sources, split, own[split], pool, held_out) for split in splits}


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
