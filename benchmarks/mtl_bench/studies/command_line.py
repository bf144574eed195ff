"""What the commands of all studies have in common: progress on stderr, and errors in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from mtl_bench.stage_log import draw_logged_stages
from mtl_runtime.errors import MtlError

__all__ = ["study_command"]


@contextmanager
def study_command() -> Iterator[None]:
    """Within the block, draw each logged stage as a line, and end with exit code 1 and one line on an error."""
    with draw_logged_stages(lambda line: click.echo(line, err=True)):
        try:
            yield
        except MtlError as error:
            raise click.ClickException(str(error)) from error
