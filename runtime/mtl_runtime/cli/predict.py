"""``mtl predict``: texts of a file, of stdin or of the command line -> their answers."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from mtl_runtime.bulk.work_files import work_folder_path
from mtl_runtime.cli.options import bundle_argument, column_option, json_option, threads_option
from mtl_runtime.cli.output.explanations import show_explanations
from mtl_runtime.cli.predict_options import PredictOptions
from mtl_runtime.cli.shards.output_checks import show_check
from mtl_runtime.cli.shards.predict_on_engine import predict_on_engine
from mtl_runtime.cli.shards.status import show_status
from mtl_runtime.cli.terminal import binary_stdout, print_json, print_line, print_message, print_table, row_progress
from mtl_runtime.core.outputs import check_file
from mtl_runtime.errors import TableError
from mtl_runtime.inference.decode import Answer, MultiLabelAnswer, Prediction, RegressionAnswer
from mtl_runtime.loading.variant_choice import Trust
from mtl_runtime.tables.table import FORMATS, format_of
from mtl_runtime.tables.text_lines import DEFAULT_MAX_ROW_BYTES
from mtl_runtime.text.validation import AGGREGATES, LONG_TEXT

if TYPE_CHECKING:
    from mtl_runtime.bulk.predict_file import Summary
    from mtl_runtime.inference.classifier import Classifier

__all__ = ["predict"]

_OUTPUT_FORMATS = [name for name in FORMATS if name != "txt"]
_LONGEST_TITLE = 60


@click.command()
@bundle_argument(required=False)
@click.argument("sources", metavar="[INPUT]...", nargs=-1)
@click.option(
    "-o", "--output", "output_name", help="Write here; default: stdout. With --on a folder, or the URL of one."
)
@click.option("--text", "texts", multiple=True, help="Classify this text (repeatable) instead of INPUT.")
@click.option("--tasks", help="Only these tasks, separated by commas.")
@click.option("--variant", help="Variant of the bundle to run.")
@click.option(
    "--trust",
    type=click.Choice(get_args(Trust)),
    help="golden: a variant verified elsewhere may run if its golden answers hold here; exact: not. Default: golden.",
)
@threads_option()
@click.option("--workers", type=click.IntRange(min=1), help="Batches at the same time. Default: as measured here.")
@click.option("--max-batch-tokens", type=click.IntRange(min=1), help="Padded tokens of a batch. Default: as measured.")
@click.option(
    "--long-text",
    type=click.Choice(LONG_TEXT),
    help="What to do with a text longer than the encoder reads. Default: truncate.",
)
@click.option("--max-text-bytes", type=click.IntRange(min=1), help="Longest text accepted, in UTF-8. Default: 65536.")
@click.option("--max-row-bytes", type=click.IntRange(min=1), help="Longest row of INPUT. Default: 33554432.")
@click.option("--aggregate", type=click.Choice(AGGREGATES), help="How windows become one answer. Default: mean.")
@column_option("INPUT")
@click.option("--probabilities", is_flag=True, help="Give the probability of every label.")
@click.option("--explain", is_flag=True, help="Show how much each word of --text adds to each answer.")
@click.option("--prefix", default="", help="Put this before the names of the columns added, as in predicted.sentiment.")
@click.option("--input-format", type=click.Choice(FORMATS), help="Default: by INPUT's suffix; txt for stdin.")
@click.option("--output-format", type=click.Choice(_OUTPUT_FORMATS), help="Default: by OUTPUT's suffix.")
@click.option(
    "--on-bad-row",
    type=click.Choice(["error", "skip"]),
    help="Stop at a row that cannot be classified, or skip and list it. Default: error.",
)
@click.option("--rejects", "rejects_name", help="Skip bad rows and write them here (jsonl); with --on, to a folder.")
@click.option(
    "--resume",
    is_flag=True,
    help="Continue an OUTPUT whose writing was interrupted; start one that is not there, leave a complete one.",
)
@click.option("--force", is_flag=True, help="Replace OUTPUT if it exists, and discard what an interrupted run did.")
@click.option(
    "--on",
    "engine",
    metavar="ENGINE",
    help="Answer files, folders, patterns or URLs shard by shard: on local (processes), index (an array of jobs), "
    "ray[:ADDRESS] or spark.",
)
@click.option("--processes", type=click.IntRange(min=1), help="Of --on local. Default: cores / threads.")
@click.option(
    "--shard-rows", type=click.IntRange(1, 10**12), help="Rows of a shard, about. Default: by the files' sizes."
)
@click.option("--attempts", type=click.IntRange(min=1), help="At a shard, until it is given up. Default: 5.")
@click.option("--status", metavar="FOLDER", help="Show how far the job of this output folder is.")
@click.option("--check", metavar="FOLDER", help="Compare this output folder with its manifest.")
@json_option()
def predict(**arguments: Any) -> None:
    """Answer every task of BUNDLE for each text of INPUT (csv, tsv, jsonl, parquet, txt; - for stdin).

    The output has the input's columns, then for each task its answer (several labels are joined by |) and,
    for a task with one label, its probability.
    """
    options = PredictOptions(**arguments)
    if options.status is not None:
        show_status(options.status, as_json=options.as_json)
        return
    if options.check is not None:
        show_check(options.check, as_json=options.as_json)
        return
    if options.engine is not None:
        predict_on_engine(options, options.engine)
        return
    _check_files(options)
    classifier = _load(options)
    if options.explain:
        _explain_texts(classifier, options)
    elif options.source is None:
        _predict_texts(classifier, options)
    else:
        _predict_file(classifier, options, options.source)


def _check_files(options: PredictOptions) -> None:
    """Refuse what shows before the bundle is loaded: an input that is not there, an output that is."""
    if options.source not in (None, "-"):
        source = Path(options.source)
        if options.input_format is None:
            _check_suffix(source)
        if not source.exists():
            raise TableError(source, "cannot be opened: there is no such file")
    if options.output is not None and options.output_format is None:
        format_of(options.output)
    if options.output is not None and not options.resume and not work_folder_path(options.output).exists():
        check_file(options.output, replace=options.force)


def _check_suffix(source: Path) -> None:
    try:
        format_of(source)
    except TableError as error:
        raise error if source.suffix else error.with_advice(", or name its format with --input-format") from None


def _load(options: PredictOptions) -> "Classifier":
    """Load the bundle; to resume a job, as it was loaded then, unless an option says otherwise.

    By now another variant may be the fastest, or another number of tokens per batch, and neither gives the same bits.
    """
    from mtl_runtime.loading.load import load

    return load(options.bundle_path, **{**_recorded_arguments(options), **options.load_arguments})


def _recorded_arguments(options: PredictOptions) -> dict[str, Any]:
    """Read the arguments of ``load`` from the journal of the job to resume."""
    if not options.resume or options.output is None:
        return {}
    from mtl_runtime.bulk.work_folder import read_job

    job = read_job(options.output)
    return job.load_arguments if job is not None else {}


def _explain_texts(classifier: "Classifier", options: PredictOptions) -> None:
    explanations = []
    with row_progress("explaining") as progress:
        for text in options.texts:
            explanations.append(classifier.explain_tasks(text, tasks=options.task_names))
            progress(len(explanations), len(explanations) / len(options.texts))
    show_explanations(options.texts, explanations, as_json=options.as_json)


def _predict_texts(classifier: "Classifier", options: PredictOptions) -> None:
    predictions = classifier(options.texts, tasks=options.task_names)
    if options.as_json:
        pairs = zip(options.texts, predictions, strict=True)
        print_json([{"text": text, **prediction.to_dict()} for text, prediction in pairs])
    else:
        _print_predictions(options.texts, predictions, probabilities=options.probabilities)


def _predict_file(classifier: "Classifier", options: PredictOptions, source: str) -> None:
    from mtl_runtime.bulk.predict_file import predict_file

    with row_progress("classifying") as progress:
        summary = predict_file(
            classifier,
            sys.stdin.buffer if source == "-" else Path(source),
            options.output or binary_stdout(),
            tasks=options.task_names,
            column=options.column,
            probabilities=options.probabilities,
            prefix=options.prefix,
            input_format=options.input_format,
            output_format=options.output_format,
            on_bad_row=options.on_bad_row or "error",
            rejects=options.rejects,
            overwrite=options.force,
            resume=options.resume,
            progress=progress,
            max_row_bytes=options.max_row_bytes or DEFAULT_MAX_ROW_BYTES,
        )
    _print_summary(summary, options)


def _print_summary(summary: "Summary", options: PredictOptions) -> None:
    """Print how many rows were written, and which were not."""
    bad = summary.bad_rows
    if options.rejects is None:
        for error in bad.first:
            print_message(f"left out: {error}")
        if bad.count > len(bad.first):
            print_line(f"left out: {bad.count - len(bad.first)} more rows", err=True)
    if options.as_json:
        rows = {"rows": summary.rows, "truncated": summary.truncated, "bad_rows": bad.count}
        print_json({"output": str(options.output), **rows})
    elif options.output is not None or bad.count or summary.truncated:
        print_line(_summarize(summary, options.rejects), err=True)


def _summarize(summary: "Summary", rejects: Path | None) -> str:
    bad_rows = summary.bad_rows.count
    line = f"{summary.rows} rows written" + (" earlier" if summary.finished_before else "")
    line += f", {bad_rows} left out" if bad_rows else ""
    line += f" (see {rejects})" if bad_rows and rejects is not None else ""
    line += f", {summary.truncated} texts truncated" if summary.truncated else ""
    return line + ("; nothing was left to do" if summary.finished_before else "")


def _print_predictions(texts: Sequence[str], predictions: Sequence[Prediction], *, probabilities: bool) -> None:
    for text, prediction in zip(texts, predictions, strict=True):
        rows = [(task, *_cells(prediction[task], all_labels=probabilities)) for task in prediction]
        remark = f" (truncated after {prediction.tokens} tokens)" if prediction.truncated else ""
        remark += f" (read in {prediction.windows} windows)" if prediction.windows > 1 else ""
        title = text if len(text) <= _LONGEST_TITLE else f"{text[: _LONGEST_TITLE - 3]}..."
        print_table(f"{title}{remark}", ("task", "answer", "probability"), rows)


def _cells(answer: Answer, *, all_labels: bool) -> tuple[str, str]:
    """Format the answer and its probability, or with ``all_labels`` that of every label."""
    if isinstance(answer, RegressionAnswer):
        return f"{answer.value:.4g}", ""
    labels = answer.labels if isinstance(answer, MultiLabelAnswer) else (answer.label,)
    shown = list(answer.probabilities) if all_labels else labels
    prefix = "{} " if all_labels or len(labels) > 1 else ""
    scores = (prefix.format(label) + f"{answer.probabilities[label]:.4f}" for label in shown)
    return ", ".join(labels) or "(none)", "\n".join(scores)
