"""``mtl predict``: texts of a file, of stdin or of the command line -> their answers."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtl_runtime.cli.explanations import show_explanations
from mtl_runtime.cli.options import bundle_argument, json_option, threads_option
from mtl_runtime.cli.terminal import binary_stdout, print_json, print_table, printable, row_progress
from mtl_runtime.inference.decode import Answer, MultiLabelAnswer, Prediction, RegressionAnswer
from mtl_runtime.tables.table import FORMATS, TableFormat
from mtl_runtime.text.validation import AGGREGATES, LONG_TEXT

if TYPE_CHECKING:
    from mtl_runtime.bulk.predict_file import OnBadRow, Summary
    from mtl_runtime.inference.classifier import Classifier

__all__ = ["predict"]

_OUTPUT_FORMATS = [name for name in FORMATS if name != "txt"]


@click.command()
@bundle_argument()
@click.argument("source", metavar="[INPUT]", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write here; default: stdout.")
@click.option("--text", "texts", multiple=True, help="Classify this text (repeatable) instead of INPUT.")
@click.option("--tasks", help="Only these tasks, separated by commas.")
@click.option("--variant", help="Variant of the bundle to run.")
@threads_option()
@click.option("--workers", type=click.IntRange(min=1), help="Batches at the same time. Default: as measured here.")
@click.option("--max-batch-tokens", type=click.IntRange(min=1), help="Padded tokens of a batch. Default: likewise.")
@click.option(
    "--long-text", type=click.Choice(LONG_TEXT), help="What if the encoder cannot read it all. Default: truncate."
)
@click.option("--aggregate", type=click.Choice(AGGREGATES), help="How windows become one answer. Default: mean.")
@click.option("--column", default="text", show_default=True, help="Column of INPUT with the texts.")
@click.option("--probabilities", is_flag=True, help="Give the probability of every label.")
@click.option("--explain", is_flag=True, help="Show how much each word of --text adds to each answer.")
@click.option("--prefix", default="", help="Put this before the names of the columns added, as in predicted.sentiment.")
@click.option("--input-format", type=click.Choice(FORMATS), help="Default: by INPUT's suffix; txt for stdin.")
@click.option("--output-format", type=click.Choice(_OUTPUT_FORMATS), help="Default: by OUTPUT's suffix.")
@click.option(
    "--on-bad-row",
    type=click.Choice(["error", "skip"]),
    help="End at a row that cannot be classified, or leave it out and list it. Default: error.",
)
@click.option("--rejects", type=click.Path(path_type=Path), help="Leave bad rows out and write them here (jsonl).")
@click.option("--resume", is_flag=True, help="Go on with an OUTPUT whose writing was interrupted; else begin it.")
@click.option("--force", is_flag=True, help="Replace OUTPUT if it exists, and forget what an interrupted run did.")
@json_option()
def predict(
    *,
    bundle: Path,
    source: str | None,
    output: Path | None,
    texts: tuple[str, ...],
    tasks: str | None,
    variant: str | None,
    threads: int | None,
    workers: int | None,
    max_batch_tokens: int | None,
    long_text: str | None,
    aggregate: str | None,
    column: str,
    probabilities: bool,
    explain: bool,
    prefix: str,
    input_format: TableFormat | None,
    output_format: TableFormat | None,
    on_bad_row: "OnBadRow | None",
    rejects: Path | None,
    resume: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Answer every task of BUNDLE for each text of INPUT (csv, tsv, jsonl, parquet, txt; - for stdin).

    The output has the input's columns, then for each task its answer (several labels are joined by |) and,
    for a task with one label, its probability.
    """
    _refuse(
        ((source is None) == (not texts), "give either INPUT (a file, or - for stdin) or --text."),
        (
            source is not None and output is None and as_json,
            "--json tells of --text, or of what was written with -o; see --output-format.",
        ),
        (source is not None and explain, "--explain is for single texts: give them with --text instead of INPUT."),
        (
            resume and (source in (None, "-") or output is None),
            "--resume goes on from an INPUT file to an OUTPUT file (-o); a stream cannot be taken up.",
        ),
        (resume and force, "--resume goes on and --force starts anew; choose one."),
        (
            rejects is not None and on_bad_row == "error",
            "--rejects writes bad rows away and --on-bad-row error ends at one; choose one.",
        ),
        (
            bool(texts) and (output is not None or rejects is not None),
            "--text prints its answers; -o and --rejects are for INPUT.",
        ),
        (aggregate is not None and long_text != "windows", "--aggregate is for --long-text windows."),
    )
    from mtl_runtime.bulk.predict_file import predict_file

    names = [name.strip() for name in tasks.split(",")] if tasks is not None else None
    wishes = {
        "variant": variant,
        "threads": threads,
        "workers": workers,
        "max_batch_tokens": max_batch_tokens,
        "long_text": long_text,
        "aggregate": aggregate,
    }
    classifier = _open(bundle, output if resume else None, wishes)
    if explain:
        with row_progress("explaining") as progress:
            found = []
            for text in texts:
                found.append(classifier.explain_tasks(text, tasks=names))
                progress(len(found), len(found) / len(texts))
        show_explanations(texts, found, as_json=as_json)
        return
    if source is None:
        _show(texts, classifier(texts, tasks=names), probabilities=probabilities, as_json=as_json)
        return
    with row_progress("classifying") as progress:
        summary = predict_file(
            classifier,
            sys.stdin.buffer if source == "-" else Path(source),
            output or binary_stdout(),
            tasks=names,
            column=column,
            probabilities=probabilities,
            prefix=prefix,
            input_format=input_format,
            output_format=output_format,
            on_bad_row=on_bad_row or "error",
            rejects=rejects,
            overwrite=force,
            resume=resume,
            progress=progress,
        )
    _report(summary, output, rejects, as_json=as_json)


def _refuse(*mistakes: tuple[bool, str]) -> None:
    """End with the message of the first mistake that was made."""
    for made, message in mistakes:
        if made:
            raise click.UsageError(message)


def _open(bundle: Path, begun: Path | None, wishes: Mapping[str, Any]) -> "Classifier":
    """The classifier; for an output that was begun it runs as it did then, unless the caller says otherwise.

    Another variant may be the fastest by now, or another budget fit, and neither gives the same bits.
    """
    from mtl_runtime.bulk.work_folder import read_job
    from mtl_runtime.loading.load import load

    job = read_job(begun) if begun is not None else None
    recorded = job.opening if job is not None else {}
    return load(bundle, **{**recorded, **{name: wish for name, wish in wishes.items() if wish is not None}})


def _report(summary: "Summary", output: Path | None, rejects: Path | None, *, as_json: bool) -> None:
    """What was written, and each row that was not."""
    bad = summary.bad_rows
    if rejects is None:
        for error in bad.first:
            click.echo(f"left out: {printable(str(error))}", err=True)
        if bad.count > len(bad.first):
            click.echo(f"left out: {bad.count - len(bad.first)} more rows", err=True)
    if as_json:
        rows = {"rows": summary.rows, "truncated": summary.truncated, "bad_rows": bad.count}
        print_json({"output": str(output), **rows})
        return
    if output is None and not bad.count and not summary.truncated:
        return
    remarks = f"{summary.rows} rows written"
    remarks += f", {bad.count} left out" if bad.count else ""
    remarks += f" (see {printable(str(rejects))})" if bad.count and rejects is not None else ""
    remarks += f", {summary.truncated} texts truncated" if summary.truncated else ""
    click.echo(remarks, err=True)


def _show(texts: Sequence[str], predictions: Sequence[Prediction], *, probabilities: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            [{"text": text, **prediction.to_dict()} for text, prediction in zip(texts, predictions, strict=True)]
        )
        return
    for text, prediction in zip(texts, predictions, strict=True):
        rows = [(task, *_cells(prediction[task], all_labels=probabilities)) for task in prediction]
        remark = f" (truncated after {prediction.tokens} tokens)" if prediction.truncated else ""
        remark += f" (read in {prediction.windows} windows)" if prediction.windows > 1 else ""
        title = text if len(text) <= 60 else f"{text[:57]}..."
        print_table(f"{title}{remark}", ("task", "answer", "probability"), rows)


def _cells(answer: Answer, *, all_labels: bool) -> tuple[str, str]:
    """The answer and its probability, or every label's."""
    if isinstance(answer, RegressionAnswer):
        return f"{answer.value:.4g}", ""
    labels = answer.labels if isinstance(answer, MultiLabelAnswer) else (answer.label,)
    shown = list(answer.probabilities) if all_labels else labels
    prefix = "{} " if all_labels or len(labels) > 1 else ""
    scores = (prefix.format(label) + f"{answer.probabilities[label]:.4f}" for label in shown)
    return ", ".join(labels) or "(none)", "\n".join(scores)
