"""Spark DataFrame + bundle -> the same DataFrame with the answers in further columns."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mtl_runtime.bulk.row_predictions import answer_cells, answer_columns
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.cluster.bundle_archive import pack_bundle, unpack_bundle
from mtl_runtime.errors import MissingPackageError, MtlError, UnknownTaskError
from mtl_runtime.loading.load import load
from mtl_runtime.wording import enumerate_names

__all__ = ["classify"]

_classifiers: dict[tuple[Any, ...], Any] = {}  # of this Python worker; the last one used


def classify(
    frame: Any,
    bundle: str | Path,
    column: str = "text",
    tasks: Iterable[str] | None = None,
    *,
    probabilities: bool = False,
    prefix: str = "",
    variant: str | None = None,
    threads: int = 1,
) -> Any:
    """Answer ``tasks`` for the texts of a column; a row whose text is null gets null answers.

    It is a step of a Spark job as others are, with Spark's own retries: a job whose driver dies starts over. For one
    that continues, see :func:`mtl_runtime.cluster.predict_files.predict_files`.

    Args:
        frame: a ``pyspark.sql.DataFrame``.
        bundle: folder on the driver, which is broadcast and unpacked once on each machine.
        column: of strings.
        tasks: default: all of the bundle's.
        probabilities: also add the probability of every label.
        prefix: of the names of the columns added.
        variant: of the bundle; default: the fastest that can be trusted on each machine.
        threads: that each Python worker computes with; spark.task.cpus should be as many.

    Returns:
        The DataFrame with the columns of ``mtl predict``, strings and doubles.

    Raises:
        MissingPackageError: PySpark is not installed.
        MtlError: there is no such bundle, task or column, or ``frame`` has a column with the name of an answer's.
    """
    try:
        from pyspark.sql.types import DoubleType, StringType, StructField, StructType
    except ImportError as error:
        raise MissingPackageError("classify needs PySpark; run `pip install 'mtl-export[spark]'`") from error
    opened = Bundle.open(Path(bundle).absolute())
    specs = _choose_tasks(opened.manifest.tasks, tasks)
    added = answer_columns(specs, probabilities=probabilities, prefix=prefix)
    _check_columns(frame.columns, column, added)
    types = {str: StringType(), float: DoubleType()}
    schema = StructType([*frame.schema.fields, *(StructField(name, types[kind]) for name, kind in added.items())])
    archive = frame.sparkSession.sparkContext.broadcast(pack_bundle(opened.path))
    answer = partial(
        _answer_batches,
        archive=archive,
        digest=opened.digest,
        column=column,
        tasks=[spec.name for spec in specs],
        added=added,
        probabilities=probabilities,
        prefix=prefix,
        load_options={"variant": variant, "threads": threads},
    )
    return frame.mapInArrow(answer, schema)


def _choose_tasks(specs: Sequence[TaskSpec], names: Iterable[str] | None) -> Sequence[TaskSpec]:
    by_name = {spec.name: spec for spec in specs}
    chosen = list(by_name if names is None else dict.fromkeys(names))
    for name in chosen:
        if name not in by_name:
            raise UnknownTaskError(name, by_name)
    return [by_name[name] for name in chosen]


def _check_columns(columns: Sequence[str], column: str, added: Iterable[str]) -> None:
    if column not in columns:
        raise MtlError(f"the DataFrame has no column {column!r}; its columns are: {enumerate_names(columns)}")
    if taken := sorted(set(columns) & set(added)):
        raise MtlError(f"the answers would overwrite the columns {enumerate_names(taken)}; give them a prefix")


def _answer_batches(
    batches: Iterable[Any],
    *,
    archive: Any,
    digest: str,
    column: str,
    tasks: Sequence[str],
    added: dict[str, type],
    probabilities: bool,
    prefix: str,
    load_options: dict[str, Any],
) -> Iterator[Any]:
    """What a Python worker does with the record batches of a partition."""
    import pyarrow

    key = (digest, *load_options.values())
    if key not in _classifiers:
        _classifiers.clear()
        _classifiers[key] = load(unpack_bundle(digest, lambda: archive.value), **load_options)
    classifier = _classifiers[key]
    types = {str: pyarrow.string(), float: pyarrow.float64()}
    for batch in batches:
        texts = batch.column(column).to_pylist()
        predictions = iter(classifier([text for text in texts if text is not None], tasks=tasks))
        rows = [
            {} if text is None else answer_cells(next(predictions), probabilities=probabilities, prefix=prefix)
            for text in texts
        ]
        answers = [pyarrow.array([row.get(name) for row in rows], types[kind]) for name, kind in added.items()]
        yield pyarrow.record_batch([*batch.columns, *answers], names=[*batch.schema.names, *added])
