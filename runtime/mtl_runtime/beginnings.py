"""work -> its result, begun now in another thread and waited for later: hashing while libraries are imported."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["begin"]

T = TypeVar("T")


@contextmanager
def begin(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Begin ``work``; what the block is given waits for it, gives its result or raises its exception.

    The block does not end before the work, whatever happens in it: no thread is left behind.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            errors.append(error)

    thread = threading.Thread(target=run, name="mtl-begun")
    thread.start()

    def wait() -> T:
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    try:
        yield wait
    finally:
        thread.join()
