"""checkpoint -> bundles with 1 and with 8 tasks on the same encoder, every head a copy of the checkpoint's first."""

import csv
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from mtl_export.bundle import export_bundle
from mtl_export.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mtl_export.config import Config
from mtl_export.model import ModelSpec, MultiTaskModel
from mtl_runtime.budgets import Budget, GateConfig

__all__ = ["Shares", "bundle_with", "shares", "task_names"]

# These bundles are made to be timed; what their gate says of the copies' answers decides nothing.
_ANY_ANSWER = GateConfig(budget=Budget(max_logit_difference=100.0, min_agreement=0.0, max_metric_drop=100.0))


@dataclass(frozen=True, slots=True)
class Shares:
    """What part of a model its heads are."""

    parameters: float
    flops: float  # for one sentence


def task_names(count: int) -> list[str]:
    """t1, t2, and so on."""
    return [f"t{number}" for number in range(1, count + 1)]


def bundle_with(
    count: int,
    checkpoint: Path,
    folder: Path,
    *,
    variant: str,
    texts: Sequence[str],
    report: Callable[[str], None],
) -> Path:
    """Export a bundle with ``count`` tasks to a folder below ``folder``.

    Args:
        count: of tasks.
        checkpoint: folder that ``mtl train`` wrote.
        folder: for the bundle and what it is made from.
        variant: to make beside cpu-fp32.
        texts: that int8's ranges are measured on, and that the gate compares.
        report: is told each stage.
    """
    trained = load_checkpoint(checkpoint)
    model = _model(trained, count)
    made = folder / f"checkpoint-{count}"
    record = dataclasses.replace(
        trained.record,
        model=model.spec,
        training=dataclasses.replace(trained.record.training, config=_config(trained, count)),
    )
    save_checkpoint(made, model, record)
    sentences = folder / f"sentences-{count}.csv"
    with sentences.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([trained.record.training.config.data.sources[0].text])
        writer.writerows([text] for text in texts)
    target = folder / f"bundle-{count}"
    export_bundle(
        made,
        target,
        variants=[variant],
        data=[sentences],
        calibration=[sentences],
        gate=_ANY_ANSWER,
        report=lambda line: report(f"bundle of {count}: {line}"),
    )
    return target


def shares(checkpoint: Path, count: int, tokens: int) -> Shares:
    """Of a model with ``count`` tasks, for a sentence of ``tokens`` tokens.

    Args:
        checkpoint: folder that ``mtl train`` wrote.
        count: of tasks.
        tokens: of the sentence, special ones included.
    """
    model = _model(load_checkpoint(checkpoint), count).eval()
    sentence = torch.ones((1, tokens), dtype=torch.int64)
    inputs = {name: sentence.clone() for name in model.inputs}
    embedding = torch.zeros((1, model.spec.encoder.hidden_size))
    heads = _flops(lambda: [head(embedding) for head in model.heads.values()])
    return Shares(
        parameters=_size(model.heads) / _size(model),
        flops=heads / _flops(lambda: model(**inputs)),
    )


def _model(trained: Checkpoint, count: int) -> MultiTaskModel:
    spec, first = trained.record.model, trained.record.model.tasks[0]
    names = task_names(count)
    copied = dataclasses.replace(
        spec,
        tasks=tuple(dataclasses.replace(first, name=name) for name in names),
        heads=dict.fromkeys(names, spec.heads[first.name]),
    )
    return _with_weights(copied, trained.model, first.name)


def _with_weights(spec: ModelSpec, model: MultiTaskModel, task: str) -> MultiTaskModel:
    """A model of that shape with the encoder of ``model``, and its head of ``task`` for each task."""
    made = MultiTaskModel.rebuild(spec, model.tokenizer)
    made.encoder.load_state_dict(model.encoder.state_dict())
    for name in spec.heads:
        made.head(name).load_state_dict(model.head(task).state_dict())
    return made


def _config(trained: Checkpoint, count: int) -> Config:
    config, first = trained.record.training.config, trained.record.model.tasks[0]
    task = config.tasks[first.name]
    sources = tuple(dataclasses.replace(source, tasks=()) for source in config.data.sources)
    return dataclasses.replace(
        config, tasks=dict.fromkeys(task_names(count), task), data=dataclasses.replace(config.data, sources=sources)
    )


def _size(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _flops(run: Callable[[], object]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())
