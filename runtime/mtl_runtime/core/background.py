"""work -> its result, begun now in another thread and waited for later: hashing while libraries are imported.

A ThreadPoolExecutor would do nearly the same. It takes 4 ms to import, and an interrupted block would leave its thread.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["run_in_background"]

T = TypeVar("T")


@contextmanager
def run_in_background(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Begin ``work``; what the block is given waits for it, gives its result or raises its exception, once.

    The block does not end before the work, so that no thread is left behind; only a second Ctrl-C leaves it earlier.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    # Waited for before Thread.join: until Python 3.13 a thread whose join was interrupted counts as ended.
    done = threading.Event()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run, name="mtl-begun")
    thread.start()

    def wait() -> T:
        done.wait()
        if errors:
            raise errors.pop()  # kept here, it would keep this frame and itself alive
        return results.pop()

    try:
        yield wait
    finally:
        done.wait()
        thread.join()
