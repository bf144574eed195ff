"""The program ``mtl``: Ctrl-C is quiet before anything else is imported, then the command line runs."""

import _signal  # type: ignore[import-not-found]  # what signal wraps: that imports enum and functools, which takes 10 ms
import os

__all__ = ["INTERRUPTED", "exit_interrupted", "main"]

INTERRUPTED = 128 + 2  # as a shell reports SIGINT


def main() -> None:
    """Run ``mtl`` with the arguments of this process."""
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # else it is ignored, as in the background
        _signal.signal(_signal.SIGINT, exit_interrupted)
    from importlib import import_module

    import_module("mtl_runtime.cli.app").main()  # by name: it imports the handler from here


def exit_interrupted(_number: int, _frame: object) -> None:
    """End the process at once: a handler of SIGINT for times at which there is nothing to clean up."""
    os._exit(INTERRUPTED)
