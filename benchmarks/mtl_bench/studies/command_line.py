"""What the commands of all studies have in common: progress on stderr, and errors in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from mtl_runtime.cli.stages import stages
from mtl_runtime.errors import MtlError

__all__ = ["study_command"]


@contextmanager
def study_command() -> Iterator[None]:
    """Within the block, show each logged stage, and end with exit code 1 and one line on an error."""
    with stages():
        try:
            yield
        except MtlError as error:
            raise click.ClickException(str(error)) from error
