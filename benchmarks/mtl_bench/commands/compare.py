"""``mtl compare``: two results files -> what changed, and exit code 1 if something of ours became worse."""

from pathlib import Path

import click

from mtl_bench.compare.comparable import ACROSS
from mtl_bench.compare.comparison import RunComparison, compare_reports
from mtl_bench.compare.text import comparison_markdown, headline, print_comparison
from mtl_bench.results.files import read_report
from mtl_runtime.cli.options import finite, json_option
from mtl_runtime.cli.terminal import print_json, print_line
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError

__all__ = ["compare"]


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    type=click.FloatRange(min=0),
    callback=finite,
    default=5.0,
    show_default=True,
    metavar="PERCENT",
    help="The smallest difference in time or memory that counts.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0, max=100),
    callback=finite,
    default=0.5,
    show_default=True,
    metavar="POINTS",
    help="How far agreement, accuracy and macro-F1 may drop; one text always may.",
)
@click.option("--across-machines", is_flag=True, help="Let the machines differ; times are then compared as measured.")
@click.option("--across-bundles", is_flag=True, help="Let the bundles differ.")
@click.option("--across-workloads", is_flag=True, help="Let the texts differ.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, as for a comment on a pull request.")
@json_option()
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    a: Path,
    b: Path,
    threshold: float,
    tolerance: float,
    as_markdown: bool,
    as_json: bool,
    **across: bool,
) -> None:
    """Show whether the benchmark run B is slower, larger or less right than the run A before it.

    A and B are results files of `mtl bench`. Exits 1 if something of ours became worse; peers are shown, but do not
    change the exit code.
    """
    if as_markdown and as_json:
        raise click.UsageError("--markdown and --json exclude each other; name one")
    before, after = read_report(a), read_report(b)
    if before == after:
        when = before.conditions.started_at
        raise MtlError(
            f"{a} and {b} hold the same run, of {when}; name one from before the change and one from after it"
        )
    comparison = compare_reports(
        before,
        after,
        names=(str(a), str(b)),
        threshold=threshold / 100,
        tolerance=tolerance / 100,
        across=[kind for kind in ACROSS if across[f"across_{kind}"]],
    )
    _show(comparison, as_json=as_json, as_markdown=as_markdown)
    ctx.exit(1 if comparison.regressed else 0)


def _show(comparison: RunComparison, *, as_json: bool, as_markdown: bool) -> None:
    if as_json:
        content = {"regressed": comparison.regressed, "headline": headline(comparison), **records.to_dict(comparison)}
        print_json(content)
    elif as_markdown:
        print_line(comparison_markdown(comparison).rstrip("\n"), keep="\n")
    else:
        print_comparison(comparison)
