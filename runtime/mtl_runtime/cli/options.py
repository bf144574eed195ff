"""command line -> options that several commands share."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["bundle_argument", "finite", "json_option", "threads_option"]

F = TypeVar("F", bound=Callable[..., Any])


def bundle_argument(*, required: bool = True) -> Callable[[F], F]:
    """The argument BUNDLE; whether a bundle is there is the library's to say."""
    return click.argument("bundle", required=required, type=click.Path(path_type=Path))


def finite(_ctx: click.Context, _option: click.Parameter, value: float) -> float:
    """Callback of an option with a number: ``nan`` passes every range, and ``inf`` those without an end."""
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is no number to reckon with")
    return value


def json_option() -> Callable[[F], F]:
    """``--json``: the same content for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


def threads_option() -> Callable[[F], F]:
    """``--threads``."""
    help_text = "Threads of the model; default: the cores that this process may use."
    return click.option("--threads", type=click.IntRange(min=1), help=help_text)
