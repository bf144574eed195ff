"""a config with several tasks -> is one joint model as good as one model per task? A results file with intervals.

    python -m mtl_bench.studies.joint_training examples/vader/config.toml -o benchmarks/results/joint_vs_single.json

For each seed it trains the config as it is, and once more for each task alone, everything else being equal.
All models answer the test split; the difference joint - single is averaged over the seeds, and its interval
comes from a paired bootstrap over the test sentences.
"""

import dataclasses
import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from mtl_bench.analysis.bootstrap import Interval, paired_bootstrap
from mtl_bench.effort import JOINT_TRAINING_STUDY, Effort
from mtl_bench.results.files import write_results
from mtl_bench.studies.command_line import study_command
from mtl_export import Config, MultiTaskModel, train
from mtl_export.data.examples import Examples
from mtl_export.data.splits import read_splits
from mtl_export.errors import ConfigError
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.core import records
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import MachineFacts, machine_facts
from mtl_runtime.dataset.metrics import task_metrics
from mtl_runtime.dataset.targets import Targets, encode_labels, has_label

__all__ = ["JointTrainingResults", "TaskTrainingResult", "compare_training"]

SCHEMA_VERSION = 1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTrainingResult:
    """One task's joint and single models on the test split; metrics are fractions, differences points of 100."""

    sentences: int
    joint: tuple[Mapping[str, float], ...]  # metrics by seed
    single: tuple[Mapping[str, float], ...]
    accuracy: Interval  # joint - single, mean over the seeds
    macro_f1: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class JointTrainingResults:
    """Content of the results file."""

    schema_version: int
    machine: MachineFacts
    made_with: Mapping[str, str]
    seeds: tuple[int, ...]
    config: Config
    tasks: Mapping[str, TaskTrainingResult]


@dataclass(frozen=True, slots=True)
class _TaskLogits:
    """Logits of one task on the test split, by seed."""

    task: TaskSpec
    targets: Targets
    joint: list[NDArray[np.float32]]
    single: list[NDArray[np.float32]]


def compare_training(config: Config, effort: Effort, folder: Path) -> JointTrainingResults:
    """Train everything below ``folder`` and compare on the test split.

    Raises:
        ConfigError: a task is no single_label task, or there is no test file.
    """
    if any(task.kind != "single_label" for task in config.tasks.values()):
        raise ConfigError("this comparison is made for single_label tasks")
    test = _test_split(config)
    texts = [row.text for row in test.rows]
    by_task: dict[str, _TaskLogits] = {}
    for seed in effort.seeds:
        seeded = dataclasses.replace(config, training=dataclasses.replace(config.training, seed=seed))
        joint = _fit(seeded, folder / f"joint-{seed}")
        logits = joint.logits(texts)
        for task in joint.spec.tasks:
            targets = encode_labels(task, [row.labels.get(task.name) for row in test.rows])
            of_task = by_task.setdefault(task.name, _TaskLogits(task, targets, [], []))
            of_task.joint.append(logits[task.name])
            alone = dataclasses.replace(seeded, tasks={task.name: config.tasks[task.name]})
            of_task.single.append(_fit(alone, folder / f"{task.name}-{seed}").logits(texts)[task.name])
    return JointTrainingResults(
        schema_version=SCHEMA_VERSION,
        machine=machine_facts(),
        made_with=installed_versions(),
        seeds=effort.seeds,
        config=config,
        tasks={name: _task_result(of_task) for name, of_task in by_task.items()},
    )


def _fit(config: Config, output: Path) -> MultiTaskModel:
    _log.info("training %s with seed %d", ", ".join(config.tasks), config.training.seed)
    return train(config, output).model


def _test_split(config: Config) -> Examples:
    if not any(source.test for source in config.data.sources):
        raise ConfigError("the config names no test file")
    return read_splits(config.data.sources, config.tasks, ["test"])["test"]


def _task_result(logits: _TaskLogits) -> TaskTrainingResult:
    labelled = np.flatnonzero(has_label(logits.targets))
    task, targets = logits.task, logits.targets

    def points(metric: str, resample: NDArray[np.intp]) -> float:
        rows = labelled[resample]
        joint, single = (
            np.mean([task_metrics(task, targets[rows], of_seed[rows]).values[metric] for of_seed in side])
            for side in (logits.joint, logits.single)
        )
        return 100 * float(joint - single)

    return TaskTrainingResult(
        sentences=len(labelled),
        joint=tuple(task_metrics(task, targets, of_seed).values for of_seed in logits.joint),
        single=tuple(task_metrics(task, targets, of_seed).values for of_seed in logits.single),
        accuracy=paired_bootstrap(lambda resample: points("accuracy", resample), len(labelled)),
        macro_f1=paired_bootstrap(lambda resample: points("macro_f1", resample), len(labelled)),
    )


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file (JSON).")
@click.option(
    "--seeds",
    default=",".join(map(str, JOINT_TRAINING_STUDY.seeds)),
    show_default=True,
    help="Separated by commas.",
)
def main(config: Path, output: Path, seeds: str) -> None:
    """Compare one joint model with one model per task of CONFIG."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    effort = dataclasses.replace(JOINT_TRAINING_STUDY, seeds=tuple(int(seed) for seed in seeds.split(",")))
    with study_command(), tempfile.TemporaryDirectory() as folder:
        results = compare_training(Config.from_toml(config), effort, Path(folder))
    write_results(_without_paths(results), output)
    for name, task in results.tasks.items():
        click.echo(f"{name}: {json.dumps(records.to_dict(task), indent=2)}")


def _without_paths(results: JointTrainingResults) -> JointTrainingResults:
    """The results as they are published: file names without this machine's folders."""

    def names(files: Sequence[str]) -> tuple[str, ...]:
        return tuple(Path(file).name for file in files)

    config = results.config
    sources = tuple(
        dataclasses.replace(
            source, train=names(source.train), validation=names(source.validation), test=names(source.test)
        )
        for source in config.data.sources
    )
    encoder = config.encoder and dataclasses.replace(config.encoder, model=Path(config.encoder.model).name)
    data = dataclasses.replace(config.data, sources=sources)
    return dataclasses.replace(results, config=dataclasses.replace(config, data=data, encoder=encoder))


if __name__ == "__main__":
    main()
