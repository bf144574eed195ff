"""bundle -> what the first load costs on a machine that did not verify it, and what later ones cost.

python -m mtl_bench.studies.self_test.first_load BUNDLE -o benchmarks/results/first_load.json
"""

import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from mtl_bench.effort import RUNTIME_STUDY
from mtl_bench.processes.interleave import run_interleaved
from mtl_bench.results.files import write_results
from mtl_bench.studies.command_line import study_command
from mtl_bench.studies.runtime.cold_start import time_first_answer
from mtl_bench.studies.runtime.overhead import SHORT_TEXT
from mtl_bench.studies.runtime.results import TargetCheck
from mtl_bench.studies.runtime.tables import CHECK_COLUMNS, check_rows
from mtl_bench.studies.self_test.results import FirstLoadResults, circumstances
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.golden import parse_golden_answers
from mtl_runtime.cli.terminal import print_table
from mtl_runtime.errors import MtlError

__all__ = ["FIRST_SECONDS", "LATER_SECONDS", "main", "measure_first_load"]

_log = logging.getLogger(__name__)

# More than where evidence of this machine is there.
FIRST_SECONDS = 0.15
LATER_SECONDS = 0.02

KNOWN, FIRST, LATER = "known machine", "first load elsewhere", "later load elsewhere"
_SCRIPT = """
import sys
from mtl_runtime import load
classifier = load(sys.argv[1])
prediction = classifier(sys.argv[2])
answers = [str(prediction[task].value) for task in prediction]
print(classifier.info.variant, *answers, sep="\\t", flush=True)
"""

Answer = tuple[float, str]  # seconds, and what was printed


def measure_first_load(bundle: Bundle, folder: Path, *, processes: int) -> FirstLoadResults:
    """Start fresh processes of all three kinds in turn; the first of each only fills the caches.

    Args:
        bundle: one that was verified on this machine, with this onnxruntime.
        folder: for temporary files.
        processes: of each kind.

    Raises:
        MtlError: cpu-fp32 is the fastest here, or the kinds do not run the same variant.
    """
    now = circumstances(bundle)
    elsewhere = _copy_from_elsewhere(bundle, folder / "bundle")
    runs: Mapping[str, Callable[[], Answer]] = {
        KNOWN: partial(_load_with_cache, bundle.path, folder / "known"),
        FIRST: partial(_load_without_cache, elsewhere, folder),
        LATER: partial(_load_with_cache, elsewhere, folder / "later"),
    }
    _log.info("fresh processes: %s", ", ".join(runs))
    variant = _common_variant(run_interleaved(runs, rounds=1))
    name = bundle.manifest.variants[variant].golden_answers
    if name is None:
        raise MtlError(f"{variant} has no golden answers in {bundle.path}; export it again")
    measured = run_interleaved(runs, rounds=processes, stage="first load")
    seconds = {kind: tuple(seconds for seconds, _ in values) for kind, values in measured.items()}
    return FirstLoadResults(
        circumstances=now,
        variant=variant,
        text=SHORT_TEXT,
        golden_texts=len(parse_golden_answers(bundle.read(name), where=name).lines),
        seconds=seconds,
        checks=tuple(
            TargetCheck.of(f"{kind}, above a {KNOWN}, {variant}", "s", _delays(seconds, kind), at_most=limit)
            for kind, limit in ((FIRST, FIRST_SECONDS), (LATER, LATER_SECONDS))
        ),
    )


def _copy_from_elsewhere(bundle: Bundle, target: Path) -> Path:
    """A copy whose evidence was measured on a processor of another name."""
    shutil.copytree(bundle.path, target)
    for file in (target / "evidence").glob("*.json"):
        content = json.loads(file.read_text("utf-8"))
        content["machine"]["cpu"] += " of another machine"
        file.write_text(json.dumps(content), "utf-8")
    return target


def _load_with_cache(bundle: Path, cache: Path) -> Answer:
    # What onnxruntime itself writes into an empty cache is not our cost, nor is it wanted.
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "ORT_DISABLE_TELEMETRY": "1"}
    return time_first_answer([sys.executable, "-c", _SCRIPT, str(bundle), SHORT_TEXT], environment)


def _load_without_cache(bundle: Path, folder: Path) -> Answer:
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        return _load_with_cache(bundle, Path(cache))


def _common_variant(first: Mapping[str, Sequence[Answer]]) -> str:
    """The variant that all kinds ran."""
    answers = {kind: values[0][1] for kind, values in first.items()}
    if len(set(answers.values())) != 1:
        raise MtlError(f"not the same variant or answer everywhere: {answers}; is there evidence of this machine?")
    variant = answers[KNOWN].partition("\t")[0]
    if variant == "cpu-fp32":
        raise MtlError("cpu-fp32 is the fastest variant here, and needs no self-test; take another bundle")
    return variant


def _delays(seconds: Mapping[str, Sequence[float]], kind: str) -> tuple[float, ...]:
    return tuple(own - known for own, known in zip(seconds[kind], seconds[KNOWN], strict=True))


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file (JSON).")
@click.option(
    "--processes", default=RUNTIME_STUDY.launches, show_default=True, type=click.IntRange(1), help="Of each kind."
)
def main(bundle: Path, output: Path, processes: int) -> None:
    """Measure what the first load of BUNDLE, verified on this machine, would cost on another one."""
    with study_command(), tempfile.TemporaryDirectory() as folder:
        results = measure_first_load(Bundle.open(bundle.absolute()), Path(folder), processes=processes)
        write_results(results, output)
    print_table("The first load on another machine", CHECK_COLUMNS, check_rows(results.checks))


if __name__ == "__main__":
    main()
