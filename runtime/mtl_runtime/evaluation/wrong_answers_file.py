"""EvaluationReport -> a csv, tsv, jsonl or parquet file with every wrong answer."""

from dataclasses import asdict
from pathlib import Path

from mtl_runtime.core.atomic_file import atomic_file
from mtl_runtime.evaluation.evaluation_report import EvaluationReport
from mtl_runtime.tables.table import Row, Table, format_of
from mtl_runtime.tables.writers import open_writer

__all__ = ["write_wrong_answers"]

_COLUMNS = ("task", "line", "text", "truth", "answer")
_NUMBERS = {"probability": float, "error": float}


def write_wrong_answers(report: EvaluationReport, target: Path, *, replace: bool) -> int:
    """Write a row for each wrong answer, task by task, and return how many there are.

    Args:
        report: of any bundle.
        target: its suffix says the format.
        replace: an existing file.

    Raises:
        MtlError: ``target`` exists, or cannot be written.
        TableError: the suffix is unknown, or txt.
    """
    format = format_of(target)
    wrong = [answer for task in report.tasks.values() for answer in task.wrong]
    columns = Table(path=target, format=format, columns=_COLUMNS, records=iter(()))
    with (
        atomic_file(target, replace=replace) as stream,
        open_writer(stream, format, source=columns, added=_NUMBERS) as write,
    ):
        write([Row(answer.line, asdict(answer)) for answer in wrong])
    return len(wrong)
