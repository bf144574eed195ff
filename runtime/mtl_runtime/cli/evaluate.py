"""``mtl evaluate``: bundle + labelled file -> tables of how good its answers are, and the wrong ones as sentences."""

from pathlib import Path

import click

from mtl_runtime.cli.options import bundle_argument, column_option, finite, json_option, threads_option
from mtl_runtime.cli.output.evaluation_tables import print_evaluation
from mtl_runtime.cli.output.teacher_table import print_bundle_comparison
from mtl_runtime.cli.stages import stages
from mtl_runtime.cli.terminal import print_json, print_line
from mtl_runtime.core import records
from mtl_runtime.core.outputs import check_file
from mtl_runtime.evaluation.answer_file import answer_file
from mtl_runtime.evaluation.evaluate import evaluate_answers
from mtl_runtime.evaluation.wrong_answers_file import write_wrong_answers
from mtl_runtime.gate.compare_bundles import compare_bundles
from mtl_runtime.report.number_format import plural
from mtl_runtime.tables.table import format_of
from mtl_runtime.tables.writers import check_writable

__all__ = ["evaluate"]


@click.command()
@bundle_argument()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--variant", help="Variant of the bundle to run.")
@column_option("FILE")
@threads_option()
@click.option("--against", type=click.Path(path_type=Path), help="Another bundle, that this one is compared with.")
@click.option(
    "--budget",
    type=click.FloatRange(min=0.0, max=100.0),
    default=0.5,
    show_default=True,
    callback=finite,
    help="Points of 100 that a metric may drop below that of --against.",
)
@click.option(
    "--wrong", type=click.IntRange(min=0), default=10, show_default=True, help="Wrong answers shown per task."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write all wrong answers here (csv, tsv, jsonl).")
@click.option("--force", is_flag=True, help="Replace OUTPUT if it exists.")
@json_option()
def evaluate(
    bundle: Path,
    file: Path,
    variant: str | None,
    column: str | None,
    threads: int | None,
    against: Path | None,
    budget: float,
    wrong: int,
    output: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Show how good BUNDLE is on the labelled rows of FILE, which should be rows that training never saw.

    FILE has a column of texts and one for each task, as in training; rows without a label of a task do not count for
    it. With --against the answers of both bundles are compared, such as those of a student and of its teacher. Nothing
    is timed or compared with PyTorch: see `mtl bench` and `mtl verify`.
    """
    if output is not None:
        check_writable(format_of(output), output)
        check_file(output, replace=force)
    with stages(packages=["mtl_runtime.evaluation", "mtl_runtime.gate"]):  # not how the variant was chosen
        answered = answer_file(bundle, file, text=column, variant=variant, threads=threads)
        report = evaluate_answers(answered)
        comparison = compare_bundles(answered, against, threads=threads, budget=budget) if against is not None else None
    if output is not None:
        count = write_wrong_answers(report, output, replace=force)
    if as_json:
        compared = {} if comparison is None else {"against": records.to_dict(comparison)}
        print_json({**records.to_dict(report), **compared})
        return
    print_evaluation(report, wrong=wrong)
    if comparison is not None:
        print_bundle_comparison(comparison)
    if output is not None:
        print_line(f"{plural(count, 'wrong answer')} written to {output}")
