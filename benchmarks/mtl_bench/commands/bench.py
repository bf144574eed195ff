"""``mtl bench``: bundle -> results.json and report.html in a folder, and a table on the terminal."""

import shlex
import shutil
from pathlib import Path

import click

from mtl_bench.effort import FULL, FULL_WITH_PEERS, QUICK, QUICK_WITH_PEERS, Effort, extend_for_gpu
from mtl_bench.report.document import report_page
from mtl_bench.report.markdown import report_markdown
from mtl_bench.report.terminal import print_report
from mtl_bench.results.schema import Report
from mtl_bench.suite.progress import ProgressEstimate
from mtl_bench.suite.suite import BenchConfig, run_bench
from mtl_bench.workloads.workload import Workload, golden_workload, read_workload
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.cli.options import bundle_argument, column_option, finite, json_option
from mtl_runtime.cli.stages import stages
from mtl_runtime.cli.terminal import print_json, print_line
from mtl_runtime.core import records
from mtl_runtime.core.outputs import check_folder, move_folder, refuse_link
from mtl_runtime.errors import MtlError
from mtl_runtime.providers.registry import PROVIDERS
from mtl_runtime.providers.session import provider_problem

__all__ = ["bench"]

_FILE = click.Path(path_type=Path)
# By --quick, and whether there are --peers.
_EFFORTS = {
    (False, False): FULL,
    (False, True): FULL_WITH_PEERS,
    (True, False): QUICK,
    (True, True): QUICK_WITH_PEERS,
}
_RESULTS, _PAGE, _LOGS = "results.json", "report.html", "logs"


@click.command()
@bundle_argument()
@click.option("-o", "--output", required=True, type=_FILE, help="Folder for results.json and report.html.")
@click.option("--data", type=_FILE, help="Sentences to answer, best with labels; default: the bundle's golden texts.")
@column_option("--data")
@click.option("--peers", type=_FILE, help="Also measure other systems: a peers.toml, or the folder it is in.")
@click.option("--systems", default="", help="Only these, separated by commas; default: all.")
@click.option("--quick", is_flag=True, help="Fewer texts and rounds, and only the table: a few minutes.")
@click.option(
    "--p99",
    default=100.0,
    show_default=True,
    type=click.FloatRange(0.1, 3.6e6),
    callback=finite,
    help="Server scenario: bound of the 99th percentile of latencies, in ms.",
)
@click.option("--force", is_flag=True, help="Replace an earlier report.")
@click.option("--markdown", is_flag=True, help="Print the table for a pull request.")
@json_option()
def bench(
    bundle: Path,
    output: Path,
    data: Path | None,
    column: str | None,
    peers: Path | None,
    systems: str,
    quick: bool,
    p99: float,
    force: bool,
    markdown: bool,
    as_json: bool,
) -> None:
    """Measure how right and how fast BUNDLE is on this machine, compared with other systems.

    Every variant that runs here, text to labels, in fresh processes whose rounds are interleaved: offline throughput,
    single-stream latency, server rate within a bound of the 99th percentile, cold start, memory, size. Nothing else
    should run meanwhile; the report warns of what did. A system that fails is a row with its error, and the exit code
    stays 0.
    """
    opened = Bundle.open(bundle.absolute())
    effort = _choose_effort(opened, quick=quick, peers=peers)
    names = [name for part in systems.split(",") if (name := part.strip())]
    options = _option_words(data, column, peers, quick=quick, p99=p99)
    config = BenchConfig(
        bundle=opened,
        workload=_workload(opened, data, column, effort),
        effort=effort,
        peers=peers,
        systems=names,
        bound=p99 / 1000,
        command=_command(bundle, output, *options, *(["--systems", ",".join(names)] if names else [])),
        command_of=lambda name: _command(bundle, Path(f"report-{name}"), *options, "--systems", name),
    )
    report = run_bench(
        config,
        make_log_folder=lambda: _make_log_folder(output, force=force),
        show_stages=lambda plan: stages(lambda show: ProgressEstimate(show, plan), packages=("mtl_bench",)),
    )
    _show(report, as_json=as_json, markdown=markdown)  # first, in case that the disk is full
    _write(report, output, force=force)
    if not (as_json or markdown):
        print_line(f"report: {output / _PAGE}")


def _choose_effort(bundle: Bundle, *, quick: bool, peers: Path | None) -> Effort:
    effort = _EFFORTS[quick, peers is not None]
    providers = {spec.provider for spec in bundle.manifest.variants.values()}
    on_gpu = any(PROVIDERS[name].cuda_library and provider_problem(name) is None for name in providers)
    return extend_for_gpu(effort) if on_gpu else effort


def _workload(bundle: Bundle, data: Path | None, column: str | None, effort: Effort) -> Workload:
    if data is None:
        return golden_workload(bundle, timed_texts=effort.timed_texts)
    return read_workload(bundle, data, column=column, timed_texts=effort.timed_texts, scored_texts=effort.scored_texts)


def _make_log_folder(output: Path, *, force: bool) -> Path:
    """Make the folder for logs, in one next to ``output``: an earlier report stays until this one is complete."""
    check_folder(output, replace=force)
    refuse_link(_unfinished_folder(output))
    for folder in (output, _unfinished_folder(output)):
        if folder.exists() and any(folder.iterdir()) and not _is_report(folder):
            raise MtlError(f"{folder} holds more than an earlier report, and is not replaced; name another folder")
    shutil.rmtree(_unfinished_folder(output), ignore_errors=True)
    logs = _unfinished_folder(output) / _LOGS
    try:
        logs.mkdir(parents=True)
    except OSError as error:
        raise MtlError(f"{logs} cannot be made ({error.strerror}); name another folder") from error
    return logs


def _write(report: Report, output: Path, *, force: bool) -> None:
    """Write the report, and with ``force`` put it in the place of an earlier one."""
    unfinished = _unfinished_folder(output)
    (unfinished / _RESULTS).write_text(records.to_json(report), "utf-8")
    (unfinished / _PAGE).write_text(report_page(report, title=report.bundle), "utf-8")
    move_folder(unfinished, output, replace=force, advice=f"the report is complete in {unfinished}")


def _show(report: Report, *, as_json: bool, markdown: bool) -> None:
    if as_json:
        print_json(records.to_dict(report))
    elif markdown:
        print_line(report_markdown(report).rstrip("\n"), keep="\n")
    else:
        print_report(report)


def _unfinished_folder(output: Path) -> Path:
    return output.with_name(f"{output.name}.unfinished")


def _is_report(folder: Path) -> bool:
    return folder.is_dir() and {entry.name for entry in folder.iterdir()} <= {_RESULTS, _PAGE, _LOGS}


def _option_words(data: Path | None, column: str | None, peers: Path | None, *, quick: bool, p99: float) -> list[str]:
    """The options that differ from their defaults, as words of a command line."""
    values = [("--data", data), ("--column", column), ("--peers", peers)]
    words = [word for name, value in values if value is not None for word in (name, str(value))]
    return [*words, *(["--p99", f"{p99:g}"] if p99 != 100 else []), *(["--quick"] if quick else [])]


def _command(bundle: Path, output: Path, *options: str) -> str:
    return shlex.join(["mtl", "bench", str(bundle), *options, "-o", str(output)])
