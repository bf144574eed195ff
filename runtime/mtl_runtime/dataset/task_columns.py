"""tasks of a bundle + labelled file -> the columns of its texts and of each task's labels."""

from pathlib import Path

from mtl_runtime.bundle.manifest import Manifest
from mtl_runtime.dataset.examples import find_columns, warn_of_twin_columns
from mtl_runtime.dataset.label_cells import LabelColumn
from mtl_runtime.errors import TableError

__all__ = ["check_task_columns", "find_task_columns"]


def find_task_columns(manifest: Manifest, data: Path, asked: str | None = None) -> tuple[str, dict[str, LabelColumn]]:
    """The columns of ``data`` that hold the texts, ``asked`` or as in training, and the labels of each task.

    Raises:
        TableError: ``data`` cannot be read, or has no column of texts, or none of a task.
    """
    text, columns = find_columns(data, trained=manifest.text_columns, asked=asked)
    tasks = {task.name: LabelColumn.of(task) for task in manifest.tasks if task.name in columns}
    if not tasks:
        names = ", ".join(task.name for task in manifest.tasks)
        raise TableError(data, f"none of the columns is a task of the bundle: {names}", line=1)
    return text, tasks


def check_task_columns(manifest: Manifest, data: Path, asked: str | None = None) -> tuple[str, dict[str, LabelColumn]]:
    """:func:`find_task_columns`, and a warning of each task whose column is only spelled otherwise.

    Raises:
        TableError: as :func:`find_task_columns`.
    """
    text, tasks = find_task_columns(manifest, data, asked)
    _, columns = find_columns(data, trained=manifest.text_columns, asked=asked)
    warn_of_twin_columns(data, [task.name for task in manifest.tasks], columns)
    return text, tasks
