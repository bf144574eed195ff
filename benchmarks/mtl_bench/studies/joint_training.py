"""a config with several tasks -> is one joint model as good as one model per task? A results file with intervals.

    python -m mtl_bench.studies.joint_training examples/vader/config.toml -o benchmarks/results/joint_vs_single.json

For each seed it trains the config as it is, and once more for each task alone, everything else being equal.
All models answer the test split; the difference joint - single is averaged over the seeds, and its interval
comes from a paired bootstrap over the test sentences.
"""

import dataclasses
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from mtl_bench.analysis.bootstrap import Interval, paired_bootstrap
from mtl_export import Config, MultiTaskModel, train
from mtl_export.data.examples import Examples, read_examples, source_files
from mtl_export.errors import ConfigError
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.cli.terminal import stages
from mtl_runtime.core import records
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import MachineFacts, machine_facts
from mtl_runtime.dataset.metrics import task_metrics
from mtl_runtime.dataset.targets import Targets, encode_labels, has_label

__all__ = ["Comparison", "TaskComparison", "compare"]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskComparison:
    """One task's joint and single models on the test split; metrics are fractions, differences points of 100."""

    sentences: int
    joint: tuple[Mapping[str, float], ...]  # metrics by seed
    single: tuple[Mapping[str, float], ...]
    accuracy: Interval  # joint - single, mean over the seeds
    macro_f1: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Content of the results file."""

    schema_version: int
    machine: MachineFacts
    made_with: Mapping[str, str]
    seeds: tuple[int, ...]
    config: Config
    tasks: Mapping[str, TaskComparison]


@dataclass(frozen=True, slots=True)
class _Answers:
    """Logits of one task on the test split, by seed."""

    task: TaskSpec
    targets: Targets
    joint: list[NDArray[np.float32]]
    single: list[NDArray[np.float32]]


def compare(config: Config, seeds: Sequence[int], folder: Path) -> Comparison:
    """Train everything below ``folder`` and compare on the test split.

    Raises:
        ConfigError: a task is no single_label task, or there is no test file.
    """
    if any(task.kind != "single_label" for task in config.tasks.values()):
        raise ConfigError("this comparison is made for single_label tasks")
    test = _test_split(config)
    answers: dict[str, _Answers] = {}
    for seed in seeds:
        seeded = dataclasses.replace(config, training=dataclasses.replace(config.training, seed=seed))
        joint = _fit(seeded, folder / f"joint-{seed}")
        logits = joint.logits([row.text for row in test.rows])
        for task in joint.spec.tasks:
            targets = encode_labels(task, [row.labels.get(task.name) for row in test.rows])
            of_task = answers.setdefault(task.name, _Answers(task, targets, [], []))
            of_task.joint.append(logits[task.name])
            alone = dataclasses.replace(seeded, tasks={task.name: config.tasks[task.name]})
            single = _fit(alone, folder / f"{task.name}-{seed}")
            of_task.single.append(single.logits([row.text for row in test.rows])[task.name])
    return Comparison(
        schema_version=SCHEMA_VERSION,
        machine=machine_facts(),
        made_with=installed_versions(),
        seeds=tuple(seeds),
        config=config,
        tasks={name: _compared(of_task) for name, of_task in answers.items()},
    )


def _fit(config: Config, output: Path) -> MultiTaskModel:
    click.echo(f"training {', '.join(config.tasks)} with seed {config.training.seed}", err=True)
    return train(config, output).model


def _test_split(config: Config) -> Examples:
    sources = [source_files(source, "test", source.tasks or tuple(config.tasks)) for source in config.data.sources]
    if not any(source.files for source in sources):
        raise ConfigError("the config names no test file")
    return read_examples(sources, config.tasks)


def _compared(answers: _Answers) -> TaskComparison:
    rows = np.flatnonzero(has_label(answers.targets))
    task, targets = answers.task, answers.targets

    def points(metric: str, chosen: NDArray[np.intp]) -> float:
        picked = rows[chosen]
        values = [
            np.mean([task_metrics(task, targets[picked], logits[picked]).values[metric] for logits in side])
            for side in (answers.joint, answers.single)
        ]
        return 100 * float(values[0] - values[1])

    return TaskComparison(
        sentences=len(rows),
        joint=tuple(task_metrics(task, targets, logits).values for logits in answers.joint),
        single=tuple(task_metrics(task, targets, logits).values for logits in answers.single),
        accuracy=paired_bootstrap(lambda chosen: points("accuracy", chosen), len(rows)),
        macro_f1=paired_bootstrap(lambda chosen: points("macro_f1", chosen), len(rows)),
    )


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file (JSON).")
@click.option("--seeds", default="0,1", show_default=True, help="Separated by commas.")
def main(config: Path, output: Path, seeds: str) -> None:
    """Compare one joint model with one model per task of CONFIG."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    with stages(), tempfile.TemporaryDirectory() as folder:
        comparison = compare(Config.from_toml(config), [int(seed) for seed in seeds.split(",")], Path(folder))
    output.write_text(records.to_json(_without_paths(comparison)), "utf-8")
    for name, task in comparison.tasks.items():
        click.echo(f"{name}: {json.dumps(records.to_dict(task), indent=2)}")


def _without_paths(comparison: Comparison) -> Comparison:
    """The comparison as it is published: file names in place of this machine's folders."""

    def names(files: Sequence[str]) -> tuple[str, ...]:
        return tuple(Path(file).name for file in files)

    config = comparison.config
    sources = tuple(
        dataclasses.replace(
            source, train=names(source.train), validation=names(source.validation), test=names(source.test)
        )
        for source in config.data.sources
    )
    encoder = config.encoder and dataclasses.replace(config.encoder, model=Path(config.encoder.model).name)
    data = dataclasses.replace(config.data, sources=sources)
    return dataclasses.replace(comparison, config=dataclasses.replace(config, data=data, encoder=encoder))


if __name__ == "__main__":
    main()
