"""``mtl verify``: bundle -> table of checks, and exit code 1 if one failed."""

from pathlib import Path

import click

from mtl_runtime import records
from mtl_runtime.commands.options import bundle_argument, json_option
from mtl_runtime.terminal import print_json, print_table
from mtl_runtime.verification import verify as verify_bundle

__all__ = ["verify"]

_WORDS = {True: "passed", False: "FAILED", None: "not here"}


@click.command()
@bundle_argument()
@click.option("--variant", "variants", multiple=True, help="Only this variant (repeatable); default: all.")
@json_option()
@click.pass_context
def verify(ctx: click.Context, bundle: Path, variants: tuple[str, ...], as_json: bool) -> None:
    """Check each file of BUNDLE against the manifest, then let each variant answer the golden texts.

    Exits 1 if a check failed. "not here" is a variant whose provider this machine lacks.
    """
    report = verify_bundle(bundle, variants=variants or None)
    if as_json:
        print_json({"passed": report.passed, **records.to_dict(report)})
    else:
        rows = [(check.name, _WORDS[check.passed], check.detail) for check in report.checks]
        print_table(f"Checks of {report.bundle}", ("check", "result", "detail"), rows)
    ctx.exit(0 if report.passed else 1)
