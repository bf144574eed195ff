"""Run work in a background thread and wait for its result later: files are hashed while libraries are imported.

A ThreadPoolExecutor would do nearly the same, but it takes 4 ms to import, and an interrupted block would leave its
thread behind.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["run_in_background"]

T = TypeVar("T")


@contextmanager
def run_in_background(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Start ``work`` in a thread; yield a function that waits for it and returns its result or raises its exception.

    That function may be called once. The block does not end before the work, so that no thread is left behind; only a
    second Ctrl-C leaves it earlier.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    # Wait for this before Thread.join: until Python 3.13 a thread whose join was interrupted counts as ended.
    done = threading.Event()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is requested
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run, name="mtl-background")
    thread.start()

    def wait() -> T:
        done.wait()
        if errors:
            raise errors.pop()  # a reference here would keep this frame and the error itself alive
        return results.pop()

    try:
        yield wait
    finally:
        done.wait()
        thread.join()
