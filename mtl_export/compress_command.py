"""The command ``mtl compress``: options -> one library call -> its result as a table or JSON."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from mtl_export.commands import LOADING, leave_garbage_at_exit, let_threads_sleep, quiet_transformers
from mtl_export.console_log import log_to_console
from mtl_export.preflight import check_compression
from mtl_runtime.cli.options import column_option, finite, json_option
from mtl_runtime.cli.terminal import print_json, print_line, print_table
from mtl_runtime.core import records
from mtl_runtime.report.number_format import change
from mtl_runtime.report.teacher.outcomes import OUTCOME_WORDS

if TYPE_CHECKING:
    from mtl_export.compression.points import Point, StudentsRecord

__all__ = ["compress"]

_log = logging.getLogger(__name__)

_COLUMNS = ("model", "variant", "work", "texts/s", "speed", "p50, ms", "worst change", "budget", "same answer", "")
_OPTIONAL = ("work", "p50, ms", "same answer")  # the first one is left out first


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the students.")
@click.option(
    "--budget",
    type=click.FloatRange(min=0.0, min_open=True, max=100.0, max_open=True),
    default=0.5,
    show_default=True,
    callback=finite,
    help="Largest drop of accuracy and macro-F1 (regression: correlation) that each task may have, in points of 100.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=1.0, min_open=True),
    default=2.0,
    show_default=True,
    callback=finite,
    help="Target speed, as a multiple of the teacher's fastest variant; sizes around it are tried.",
)
@click.option(
    "--texts",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Sentences without labels, to learn the teacher's answers from. Repeatable.",
)
@column_option("--texts")
@click.option("--variants", default="auto", show_default=True, help="Of each student; names as for `mtl export`.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0.0),
    default=60.0,
    show_default=True,
    callback=finite,
    help="No further size is begun after this many minutes.",
)
@click.option("--resume", is_flag=True, help="Continue the unfinished compression of this output; else start one.")
@click.option("--force", is_flag=True, help="Replace the output, and discard an unfinished compression.")
@json_option()
def compress(
    checkpoint: Path,
    output: Path,
    budget: float,
    speed: float,
    texts: tuple[Path, ...],
    column: str | None,
    variants: str,
    minutes: float,
    resume: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Distill CHECKPOINT into smaller, faster students, and pick the fastest one inside the accuracy budget."""
    names = [name.strip() for name in variants.split(",") if name.strip()]
    check_compression(checkpoint, output, variants=names, texts=texts, column=column, resume=resume, force=force)
    let_threads_sleep()
    leave_garbage_at_exit()
    with log_to_console(Console(stderr=True)) as bar:
        _log.info(LOADING)
        from mtl_export.compression.compress import compress as run

        quiet_transformers()
        record = run(
            checkpoint,
            output,
            budget=budget,
            speed=speed,
            texts=texts,
            column=column,
            variants=names,
            minutes=minutes,
            resume=resume,
            force=force,
            console=bar,
        )
    if as_json:
        print_json(records.to_dict(record))
        return
    _print(record, output)


def _print(record: "StudentsRecord", output: Path) -> None:
    from mtl_export.compression.points import TEACHER

    choice = record.choice
    print_line(f"take {output / choice.model / 'bundle'}, variant {choice.variant}: {choice.reason}")
    print_line("")
    title = f"Students, compared with the teacher on {record.sentences:,} validation sentences ({record.machine.name})"
    rows = list(_rows(record))
    print_table(title, _COLUMNS, rows, optional=_OPTIONAL)
    for note in record.notes:
        print_line(note)
    print_line(f"students written to {output}; what was measured: {output / 'students.html'}")
    if choice.model != TEACHER:
        against = f"mtl evaluate {output / choice.model / 'bundle'} FILE --against {output / TEACHER / 'bundle'}"
        print_line(f"test it on rows that it has not seen: {against}")


def _rows(record: "StudentsRecord") -> Iterator[tuple[str, ...]]:
    for point in record.fastest_first:
        decided = [task.agreement for task in point.tasks.values() if not task.is_regression]
        yield (
            point.model,
            point.variant,
            f"{100 * point.work:.0f} %",
            f"{point.texts_per_second.median:,.0f}",
            f"{point.speed.median:.2f}x",
            f"{point.p50_milliseconds:.2f}",
            change(-point.loss),
            OUTCOME_WORDS[point.outcome],
            f"{100 * min(decided):.2f} %" if decided else "",
            _remarks(record, point),
        )


def _remarks(record: "StudentsRecord", point: "Point") -> str:
    return ", ".join([*(["taken"] if record.is_taken(point) else []), *(["front"] if point.on_front else [])])
