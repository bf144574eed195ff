"""prepared encoder and sentences -> results file of the study, run by run.

python -m mtl_bench.studies.small_data PREPARED -o small_data.json [--sets trec-8,vader-8] [--methods default,probe]
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import click

from mtl_bench.effort import SMALL_DATA_STUDY
from mtl_bench.results.files import read_results, write_results
from mtl_bench.studies.command_line import names_option, study_command
from mtl_bench.studies.small_data.data_sets import DATA_SETS
from mtl_bench.studies.small_data.methods import METHODS, TrainingInput, read_rows
from mtl_bench.studies.small_data.results import MethodRun, SmallDataResults, TaskScore
from mtl_runtime.core.machine import machine_facts

__all__ = ["PlannedRun", "main", "plan_runs"]

_log = logging.getLogger(__name__)


class PlannedRun(NamedTuple):
    """What one run trains."""

    data_set: str
    seed: int
    method: str


def plan_runs(
    results: SmallDataResults, *, sets: Sequence[str], methods: Sequence[str], seeds: Sequence[int]
) -> Iterator[PlannedRun]:
    """The runs that are not in ``results`` yet, set by set in the order of their cost."""
    for name, data_set in DATA_SETS.items():
        for seed in seeds:
            for method_name, method in METHODS.items():
                wanted = name in sets and method_name in methods and (data_set.few_shot or not method.few_shot_only)
                if wanted and not results.has(name, seed, method_name):
                    yield PlannedRun(name, seed, method_name)


def run_method(prepared: Path, planned: PlannedRun, folder: Path) -> MethodRun:
    """Train and score one method.

    Args:
        prepared: folder that examples/vader/prepare.py wrote.
        planned: set, seed and method.
        folder: for the files of this run.

    Raises:
        MtlError: it cannot be trained.
    """
    data_set, method = DATA_SETS[planned.data_set], METHODS[planned.method]
    files = data_set.write(prepared / "data", folder, seed=planned.seed)
    answers = method.answer(
        TrainingInput(
            encoder=(prepared / "encoder").absolute(),
            tasks=data_set.tasks,
            files=files,
            seed=planned.seed,
            folder=folder,
        )
    )
    texts, truth = read_rows(files.test, data_set.tasks)
    machine = machine_facts()
    return MethodRun(
        data_set=planned.data_set,
        seed=planned.seed,
        method=planned.method,
        train_rows=len(read_rows(files.train, data_set.tasks)[0]),
        validation_rows=len(read_rows(files.validation, data_set.tasks)[0]) if files.validation else 0,
        test_rows=len(texts),
        seconds=answers.seconds,
        tasks={task: TaskScore.of(answers.labels[task], truth[task]) for task in data_set.tasks},
        facts=answers.facts,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        processor=machine.cpu,
        cores=machine.cores_allowed,
    )


def _parse_seeds(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        return tuple(int(seed) for seed in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} are no whole numbers, separated by commas") from error


@click.command()
@click.argument("prepared", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file (JSON); runs in it stay."
)
@names_option("--sets", DATA_SETS)
@names_option("--methods", METHODS)
@click.option(
    "--seeds",
    default=",".join(map(str, SMALL_DATA_STUDY.seeds)),
    show_default=True,
    callback=_parse_seeds,
    help="Of the draws and of the trainings, separated by commas.",
)
def main(prepared: Path, output: Path, sets: tuple[str, ...], methods: tuple[str, ...], seeds: tuple[int, ...]) -> None:
    """Train each method on each set with the encoder and the sentences of the folder PREPARED, and score it."""
    with study_command():
        results = read_results(SmallDataResults, output) if output.is_file() else SmallDataResults()
        planned = list(plan_runs(results, sets=sets, methods=methods, seeds=seeds))
        for number, run in enumerate(planned, 1):
            _log.info("run %d of %d: %s, seed %d, %s", number, len(planned), *run)
            with tempfile.TemporaryDirectory(prefix="small-data-") as folder:
                results = results.with_run(run_method(prepared, run, Path(folder)))
            write_results(results, output)
