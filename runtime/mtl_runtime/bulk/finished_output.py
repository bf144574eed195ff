"""input + output of an earlier run -> Summary, where the output has the answers to all texts of the input."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from mtl_runtime.bulk.request import BadRows, PredictJob, Summary
from mtl_runtime.bulk.row_predictions import PredictionColumns
from mtl_runtime.errors import MtlError, TableError
from mtl_runtime.tables.readers import open_table
from mtl_runtime.tables.row_chunks import chunk_rows
from mtl_runtime.tables.table import Table

__all__ = ["summarize_finished_output"]


def summarize_finished_output(job: PredictJob, columns: PredictionColumns, source: Path, target: Path) -> Summary:
    """Summarize the output ``target``, on which no work is left.

    Its columns and the texts of its rows are compared with what the job would write; the answers are not computed
    again, so they may be those of another bundle or variant.

    Raises:
        MtlError: ``target`` is not the output of such a job.
        TableError: ``source`` cannot be read.
    """
    other = MtlError(
        f"{target} exists already and has other texts or columns than this job; give --force to replace it"
    )
    bad, rows = BadRows(), 0
    with job.open_table(source) as inputs:
        try:
            with open_table(target, format=job.output_format, max_row_bytes=4 * job.max_row_bytes) as outputs:
                if not {columns.text_column, *columns.added} <= set(outputs.columns):
                    raise other
                written = _texts(job, columns, outputs, BadRows())
                for text, answered in zip_longest(_texts(job, columns, inputs, bad), written):
                    if text != answered:
                        raise other
                    rows += 1
        except TableError as error:
            raise other from error
    return Summary(rows=rows, truncated=None, bad_rows=bad, finished_before=True)


def _texts(job: PredictJob, columns: PredictionColumns, table: Table, bad: BadRows) -> Iterator[str]:
    """Yield the texts that can be classified; the other rows are counted in ``bad``."""
    max_text_bytes = job.classifier.settings.inputs.max_text_bytes
    for chunk in chunk_rows(table, column=columns.text_column, max_text_bytes=max_text_bytes, limits=job.limits):
        for bad_row in chunk.bad:
            bad.add(bad_row.error)
        for row in chunk.rows:
            yield row.values[columns.text_column]
