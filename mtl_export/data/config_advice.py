"""Add to the error about a missing column the key of the config that names another one."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from mtl_export.config import SourceConfig, TaskConfig
from mtl_runtime.errors import MissingColumnError

__all__ = ["SKIP_BAD_ROWS", "advise_on_columns"]

SKIP_BAD_ROWS = 'bad_rows = "skip" in [data]'


@contextmanager
def advise_on_columns(sources: Sequence[SourceConfig], tasks: Mapping[str, TaskConfig]) -> Iterator[None]:
    """Let the block raise a MissingColumnError with advice.

    Raises:
        MissingColumnError: the block raised it.
    """
    try:
        yield
    except MissingColumnError as error:
        raise error.with_advice(f"; {_describe_key(error, sources, tasks)}") from None


def _describe_key(error: MissingColumnError, sources: Sequence[SourceConfig], tasks: Mapping[str, TaskConfig]) -> str:
    column = json.dumps(error.similar or "...", ensure_ascii=False)  # a string of TOML as well
    section = "[[data.sources]]" if len(sources) > 1 else "[data]"
    task = next((name for name, config in tasks.items() if (config.column or name) == error.name), None)
    if task is None or error.name in [source.text for source in sources]:
        return f"name the texts' column with text = {column} in {section}"
    key = f"name it with column = {column} in [tasks.{task}]"
    return f"{key}, or the tasks that the file has with tasks = [...] in {section}" if len(sources) > 1 else key
