"""argv -> exit code: the root command ``mtl``, which imports a sub-command only when it is called.

Sub-commands are entry points of the group ``mtl.commands``, so packages above this one can add theirs.
Exit codes: 0 success, 1 a check failed, 2 a mistake of the user, 130 interrupted, 141 stdout is closed, 143 terminated.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any, NoReturn

import click

from mtl_runtime.cli.interrupts import UnwindAtInterrupt, exit_at_interrupt
from mtl_runtime.cli.log import log_to_stderr
from mtl_runtime.cli.start import INTERRUPTED
from mtl_runtime.cli.terminal import escape_unencodable, print_line, print_message
from mtl_runtime.errors import MissingPackageError, MtlError

__all__ = ["main"]

_log = logging.getLogger(__name__)

_GROUP = "mtl.commands"
_BROKEN_PIPE = 128 + 13  # as a shell reports SIGPIPE and SIGTERM
_TERMINATED = 128 + 15

# `mtl --help` shows these, so it imports no command.
_HELP = {
    "train": "Train one multi-task model from a config file.",
    "export": "Export a checkpoint to a bundle with one ONNX graph.",
    "compress": "Make smaller, faster models of a checkpoint whose answers hold.",
    "verify": "Check a bundle's files, and gate its variants on this machine.",
    "evaluate": "Show how good a bundle is on labelled rows that it never saw.",
    "predict": "Classify the texts of a file, of stdin, or of the command line.",
    "serve": "Answer over HTTP until it is told to stop.",
    "triton": "Write a bundle as a model of Triton Inference Server.",
    "bench": "Measure how accurate and how fast a bundle is on this machine.",
    "compare": "Check whether one benchmark run is slower than another.",
    "inspect": "Show what a bundle holds.",
    "doctor": "Show what is installed, what runs here, and how to fix the rest.",
}
_EXTRAS = {
    "onnxruntime": "cpu",
    "pyarrow": "parquet",
    "ray": "ray",
    "pyspark": "spark",
    **dict.fromkeys(("starlette", "uvicorn", "httptools", "msgspec"), "serve"),
    **dict.fromkeys(
        ("torch", "transformers", "accelerate", "safetensors", "onnx", "onnxscript", "onnx_ir", "optimum"),
        "export",
    ),
}


class _Root(click.Group):
    """A group whose commands are entry points, and the one place where errors become exit codes."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line; what is printed from here on cannot fail for lack of a character."""
        with exit_at_interrupt():
            escape_unencodable()
            return super().main(*args, **kwargs)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the options of ``mtl`` itself."""
        with _usage_errors():
            return super().make_context(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        names = _entry_points()
        return [name for name in _HELP if name in names] + sorted(names - _HELP.keys())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        for entry in metadata.entry_points(group=_GROUP, name=cmd_name):
            command: click.Command = entry.load()
            return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _HELP.get(name, "")) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with UnwindAtInterrupt():
                try:
                    with _usage_errors():
                        return super().invoke(ctx)
                finally:
                    sys.stdout.flush()  # a broken pipe can still be caught here
        except MtlError as error:
            _fail(error)
        except ModuleNotFoundError as error:
            _fail(_missing_package(error))
        except KeyboardInterrupt as error:
            print_line("interrupted", err=True)
            _print_notes(error)
            ctx.exit(INTERRUPTED)
        except _Terminated as error:
            print_line("terminated", err=True)
            _print_notes(error)
            ctx.exit(_TERMINATED)
        except BrokenPipeError:
            # Python flushes stdout again at exit, and needs an open file then.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(_BROKEN_PIPE)
        except OSError as error:
            # A full disk or a read-only folder is not a bug; -v shows where it happened.
            _log.info("the operating system refused", exc_info=True)
            _fail(MtlError(_describe_os_error(error)), notes_of=error)


class _Terminated(BaseException):
    """SIGTERM has come; like KeyboardInterrupt, it is not an error that anybody handles on its way up."""


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Show click's errors in the encoding of stderr; click itself writes UTF-8 to a console that is ASCII."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise  # it is help, and ASCII
    except click.ClickException as error:
        error.show(sys.stderr)
        raise click.exceptions.Exit(error.exit_code) from error


def _fail(error: MtlError, *, notes_of: BaseException | None = None) -> NoReturn:
    print_message(f"error: {error}")
    _print_notes(notes_of or error)
    raise click.exceptions.Exit(error.exit_code)


def _print_notes(error: BaseException) -> None:
    """Print what was added to the error on its way up, such as how to continue."""
    for note in getattr(error, "__notes__", ()):
        print_line(note, err=True)


def _describe_os_error(error: OSError) -> str:
    return f"{error.strerror or error}" + (f": {os.fsdecode(error.filename)}" if error.filename else "")


def _missing_package(error: ModuleNotFoundError) -> MissingPackageError:
    """Say which extra installs the package; any other missing module is a bug and is raised."""
    package = (error.name or "").partition(".")[0]
    if package not in _EXTRAS:
        raise error
    return MissingPackageError(
        f"this needs {package}, which is not installed; run `pip install 'mtl-export[{_EXTRAS[package]}]'`"
    )


def _entry_points() -> set[str]:
    return {entry.name for entry in metadata.entry_points(group=_GROUP)}


@contextmanager
def _unwind_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does: with notes, without worker processes or half-written files.

    A second one ends the process at once. Where the signal is ignored, or this is not the main thread, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def unwind(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise _Terminated

    signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", count=True, help="Log to stderr what happens (-vv: everything).")
@click.version_option(package_name="mtl-export", prog_name="mtl")
@click.pass_context
def main(ctx: click.Context, verbose: int) -> None:
    """Train one multi-task sentence classifier, export it to one ONNX graph, serve it without torch."""
    ctx.with_resource(log_to_stderr(verbose))
    ctx.with_resource(_unwind_on_sigterm())
