"""What the commands of all studies have in common: progress, errors in one line, named parts, fresh processes."""

import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from mtl_runtime.cli.stages import stages
from mtl_runtime.errors import CheckFailedError, MtlError

__all__ = ["names_option", "run_process", "study_command"]


@contextmanager
def study_command() -> Iterator[None]:
    """Within the block, show each logged stage, and end with exit code 1 and one line on an error."""
    with stages():
        try:
            yield
        except MtlError as error:
            raise click.ClickException(str(error)) from error


def names_option(option: str, known: Collection[str]) -> Callable[[Any], Any]:
    """Make an option that takes some of the ``known`` names, separated by commas; default: all of them."""

    def parse(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...]:
        names = tuple(value.split(",")) if value else tuple(known)
        if unknown := [name for name in names if name not in known]:
            raise click.BadParameter(f"there is no {unknown[0]!r}; there are: {', '.join(known)}")
        return names

    return click.option(option, callback=parse, help=f"Of {','.join(known)}; default: all.")


def run_process(what: str, command: Sequence[Any], environment: Mapping[str, str]) -> None:
    """Run a process to its end; ``what`` it is stands in the error.

    Raises:
        CheckFailedError: it failed; the message has the last line that it wrote to stderr.
    """
    process = subprocess.run(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    if process.returncode:
        last = next((line for line in reversed(process.stderr.splitlines()) if line.strip()), "")
        raise CheckFailedError(f"{what} ended with exit code {process.returncode}: {last}")
