"""``mtl verify``: bundle -> table of checks; exit code 1 if one failed."""

from pathlib import Path

import click

from mtl_runtime.cli.options import bundle_argument, column_option, json_option
from mtl_runtime.cli.output.evidence_table import print_evidence, print_quality_on_data
from mtl_runtime.cli.output.model_quality_table import print_model_quality
from mtl_runtime.cli.stages import stages
from mtl_runtime.cli.terminal import print_json, print_line, print_message, print_table
from mtl_runtime.core import records
from mtl_runtime.gate.verify import verify as verify_bundle

__all__ = ["verify"]

_RESULTS = {True: "passed", False: "FAILED", None: "unavailable"}


@click.command()
@bundle_argument()
@click.option("--variant", "variants", multiple=True, help="Only this variant (repeatable); default: all.")
@click.option("--data", type=click.Path(path_type=Path), help="Labelled sentences to gate on; default: golden texts.")
@column_option("--data")
@click.option("--quick", is_flag=True, help="Check hashes and golden answers, in seconds; run no gate.")
@json_option()
@click.pass_context
def verify(
    ctx: click.Context,
    bundle: Path,
    variants: tuple[str, ...],
    data: Path | None,
    column: str | None,
    quick: bool,
    as_json: bool,
) -> None:
    """Check each file of BUNDLE against the manifest, then gate each variant on this machine.

    The gate compares the variants' answers with the reference's, task by task, and writes its evidence into the bundle;
    from then on the fastest variant that passed runs on this machine. Labelled sentences need a column for each task.
    With --quick, each variant repeats its own golden answers instead, and the user's cache remembers the outcome: a
    step before many processes start.
    Where the evidence cannot be stored, a warning says so. Exits 1 if a check failed. A variant is "unavailable" if
    this machine lacks its provider.
    """
    if quick and data is not None:
        raise click.UsageError("--data is for the gate, which --quick leaves out; choose one.")
    with stages():
        report = verify_bundle(bundle, variants=variants or None, data=data, text=column, quick=quick)
    if as_json:
        print_json({"passed": report.passed, **records.to_dict(report)})
    else:
        if report.evidence is not None:
            if data is not None:
                print_quality_on_data(report.evidence)
            print_model_quality(report.evidence.training, other_rows="" if data is None else data.name)
        rows = [(check.name, _RESULTS[check.passed], check.detail) for check in report.checks]
        print_table(f"Checks of {report.bundle}", ("check", "result", "detail"), rows)
        if report.evidence is not None:
            print_evidence(report.evidence)
        if report.page is not None:
            print_line(f"evidence: {report.page}")
    if report.storage_problem is not None:
        print_message(f"warning: {report.storage_problem}")
    ctx.exit(0 if report.passed else 1)
