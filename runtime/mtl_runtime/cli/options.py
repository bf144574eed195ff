"""Command-line options and arguments that several commands share."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["bundle_argument", "column_option", "finite", "json_option", "threads_option"]

F = TypeVar("F", bound=Callable[..., Any])


def bundle_argument(*, required: bool = True) -> Callable[[F], F]:
    """The argument BUNDLE; the library checks whether a bundle is there."""
    return click.argument("bundle", required=required, type=click.Path(path_type=Path))


def column_option(data: str) -> Callable[[F], F]:
    """The option ``--column``, of the texts in ``data``; without it the library chooses (mtl_runtime.tables)."""
    return click.option("--column", help=f'Column of {data} with the texts. Default: as in training, else "text".')


def finite(_ctx: click.Context, _option: click.Parameter, value: float) -> float:
    """Check an option's number (a click callback): ``nan`` passes every range, and ``inf`` those without a maximum."""
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number")
    return value


def json_option() -> Callable[[F], F]:
    """The option ``--json``: the same content for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


def threads_option() -> Callable[[F], F]:
    """The option ``--threads``."""
    help_text = "Threads of the model; default: the cores that this process may use."
    return click.option("--threads", type=click.IntRange(min=1), help=help_text)
