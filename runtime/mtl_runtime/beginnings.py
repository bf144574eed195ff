"""work -> its result, begun now in another thread and waited for later: reading and hashing while imports run."""

import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["begin"]

T = TypeVar("T")


def begin(work: Callable[[], T]) -> Callable[[], T]:
    """Begin ``work``; what is returned waits for it, gives its result or raises its exception."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            errors.append(error)

    # No daemon: an interpreter that ends in the middle of an import may crash, so it waits.
    thread = threading.Thread(target=run, name="mtl-begun")
    thread.start()

    def wait() -> T:
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    return wait
