"""The standard library's csv reader, with a limit of its own for the length of a cell."""

import functools
import importlib.util
from typing import Any

__all__ = ["MOST_CHARACTERS", "csv_module"]

MOST_CHARACTERS = 2**24  # of a cell: a quote that is never closed must not fill the memory


@functools.cache
def csv_module() -> Any:
    """Import a second copy of the extension module behind ``csv``.

    Its limit, 131,072 characters at first, belongs to a module and so to the whole process, where other code may rely
    on it. ``Error`` of the copy is not ``csv.Error``.
    """
    spec: Any = importlib.util.find_spec("_csv")
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.field_size_limit(MOST_CHARACTERS)
    return module
