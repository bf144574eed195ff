"""argv -> exit code: the root command ``mtl``, which loads a sub-command only when it is called.

Sub-commands are entry points of the group ``mtl.commands``, so packages above this one can add theirs.
Exit codes: 0 done, 1 a check failed, 2 the user's mistake, 130 interrupted, 141 nobody reads stdout any more.
"""

import logging
import os
import sys
from importlib import metadata
from typing import Any, NoReturn

import click

from mtl_runtime.cli.terminal import printable
from mtl_runtime.errors import MissingPackageError, MtlError

__all__ = ["main"]

_GROUP = "mtl.commands"
_INTERRUPTED = 128 + 2  # as a shell tells SIGINT and SIGPIPE
_BROKEN_PIPE = 128 + 13

# `mtl --help` shows these, and so imports no command.
_HELP = {
    "train": "Train one multi-task model from a config file.",
    "export": "Export a checkpoint to a bundle with one ONNX graph.",
    "verify": "Check a bundle's files, and gate its variants on this machine.",
    "predict": "Classify the texts of a file, of stdin, or of the command line.",
    "bench": "Measure how right and how fast a bundle is on this machine.",
    "compare": "Tell whether one benchmark run is slower than another.",
    "inspect": "Show what a bundle holds.",
    "doctor": "Show what is installed, what runs here, and how to mend the rest.",
}
_EXTRAS = {
    "onnxruntime": "cpu",
    "pyarrow": "parquet",
    **dict.fromkeys(
        ("torch", "transformers", "accelerate", "safetensors", "onnx", "onnxscript", "onnx_ir", "optimum"),
        "export",
    ),
}


class _Root(click.Group):
    """A group whose commands are entry points, and the one place where errors become exit codes."""

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
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()  # here, where a broken pipe can still be caught
        except MtlError as error:
            _fail(error)
        except ModuleNotFoundError as error:
            _fail(_missing_package(error))
        except KeyboardInterrupt as error:
            _tell_notes(error)
            ctx.exit(_INTERRUPTED)
        except BrokenPipeError:
            # Python flushes stdout once more at exit; let that find an open file.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(_BROKEN_PIPE)
        except OSError as error:
            # A full disk or a folder that may not be written is no bug; -v shows where it happened.
            logging.getLogger(__name__).info("stopped by the system", exc_info=True)
            _fail(MtlError(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")))


def _fail(error: MtlError) -> NoReturn:
    click.echo(f"error: {printable(' '.join(str(error).splitlines()))}", err=True)
    _tell_notes(error)
    raise click.exceptions.Exit(error.exit_code)


def _tell_notes(error: BaseException) -> None:
    """What was added to the error on its way up, such as how to go on."""
    for note in getattr(error, "__notes__", ()):
        click.echo(printable(note), err=True)


def _missing_package(error: ModuleNotFoundError) -> MissingPackageError:
    """What to install for a package that an extra brings; any other missing module is a bug and is raised."""
    package = (error.name or "").partition(".")[0]
    if package not in _EXTRAS:
        raise error
    return MissingPackageError(
        f"this needs {package}, which is not installed; run `pip install 'mtl-export[{_EXTRAS[package]}]'`"
    )


def _entry_points() -> set[str]:
    return {entry.name for entry in metadata.entry_points(group=_GROUP)}


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", count=True, help="Log to stderr what happens (-vv: everything).")
@click.version_option(package_name="mtl-export", prog_name="mtl")
def main(verbose: int) -> None:
    """Train one multi-task sentence classifier, export it to one ONNX graph, serve it without torch."""
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
