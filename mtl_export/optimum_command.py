"""Register ``optimum-cli export mtl``, which runs ``mtl export``.

The wheel installs this file into the namespace ``optimum.commands.register``, where optimum-cli looks for commands.
"""

import argparse
import sys

from optimum.commands.base import BaseOptimumCLICommand, CommandInfo
from optimum.commands.export.base import ExportCommand

__all__ = ["REGISTER_COMMANDS"]


class MtlExportCommand(BaseOptimumCLICommand):  # type: ignore[misc]  # optimum is not typed
    """Passes its arguments to ``mtl export``, so that both commands have the same options."""

    COMMAND = CommandInfo(
        name="mtl",
        help="Export a multi-task sentence classifier (an mtl-export checkpoint) to one ONNX graph.",
    )

    @staticmethod
    def parse_args(parser: argparse.ArgumentParser) -> None:
        """Accept all arguments unparsed; `mtl export --help` explains them."""
        parser.add_argument("arguments", nargs=argparse.REMAINDER, help="CHECKPOINT -o BUNDLE; see `mtl export --help`")

    def run(self) -> None:
        """Run `mtl export` and exit with its exit code."""
        from mtl_runtime.cli.app import main

        sys.exit(main(["export", *self.args.arguments]))


REGISTER_COMMANDS = [(MtlExportCommand, ExportCommand)]
