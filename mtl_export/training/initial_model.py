"""config + task specs (+ base checkpoint) -> the model to train, with the parts frozen that must not change."""

import dataclasses
from collections.abc import Mapping, Sequence

from mtl_export.checkpoint import WEIGHTS_NAME, Checkpoint, load_weights
from mtl_export.config import Config, EncoderConfig, TaskConfig
from mtl_export.errors import ConfigError
from mtl_export.model import HeadSpec, MultiTaskModel
from mtl_export.preflight import encoder_of
from mtl_runtime.bundle.manifest import TaskSpec

__all__ = ["initial_model", "specs_with_base_standardization", "tasks_with_base_labels"]


def initial_model(config: Config, base: Checkpoint | None, specs: Sequence[TaskSpec]) -> MultiTaskModel:
    """Build the model that the config describes, from ``base`` if there is one.

    Raises:
        ConfigError: there is neither a base nor an [encoder].
        EncoderError: the encoder cannot be loaded.
    """
    if base is not None:
        return extend_model(config, base, specs)
    return new_model(config, encoder_of(config), specs)


def new_model(config: Config, encoder: EncoderConfig, specs: Sequence[TaskSpec]) -> MultiTaskModel:
    """Build a pretrained encoder with new heads, frozen as the config says."""
    model = MultiTaskModel.from_encoder(
        encoder.model,
        specs,
        heads=_head_specs(config.tasks),
        pooling=encoder.pooling,
        max_length=encoder.max_length,
    )
    if config.training.freeze_encoder:
        model.freeze_encoder()
    elif config.training.freeze_layers:
        model.freeze_encoder(config.training.freeze_layers)
    return model


def tasks_with_base_labels(config: Config, base: Checkpoint) -> dict[str, TaskConfig]:
    """The tasks of the config; a task that ``base`` knows gets the labels that it has there.

    Raises:
        ConfigError: the config contradicts the checkpoint.
    """
    known = {task.name: task for task in base.record.model.tasks}
    tasks = {}
    for name, task in config.tasks.items():
        if name not in known:
            tasks[name] = task
            continue
        spec, head = known[name], base.record.model.heads[name]
        if task.kind != spec.kind or task.head != head.kind:
            raise ConfigError(
                f"tasks.{name}: the checkpoint has kind {spec.kind!r} and head {head.kind!r}; "
                f"write the same to tune it, or choose another task name"
            )
        if task.labels and task.labels != spec.labels:
            raise ConfigError(f"tasks.{name}.labels: the checkpoint has {', '.join(spec.labels)}; leave them out")
        tasks[name] = dataclasses.replace(task, labels=spec.labels)
    _check_encoder(config.encoder, base)
    return tasks


def specs_with_base_standardization(specs: Sequence[TaskSpec], base: Checkpoint) -> tuple[TaskSpec, ...]:
    """``specs``; a regression that ``base`` knows keeps the standardization that its head was trained with."""
    known = {task.name: task for task in base.record.model.tasks}
    return tuple(
        dataclasses.replace(spec, standardization=known[spec.name].standardization) if spec.name in known else spec
        for spec in specs
    )


def extend_model(config: Config, base: Checkpoint, specs: Sequence[TaskSpec]) -> MultiTaskModel:
    """Build the base model with the config's tasks, added or to be tuned; all other parts are frozen.

    Args:
        config: its tasks are trained.
        base: has the encoder and all other heads.
        specs: of the config's tasks.
    """
    trained = {spec.name: spec for spec in specs}
    original = base.record.model
    tasks = [trained.get(task.name, task) for task in original.tasks]
    tasks += [spec for spec in specs if spec.name not in original.heads]
    spec = dataclasses.replace(original, tasks=tuple(tasks), heads={**original.heads, **_head_specs(config.tasks)})
    model = MultiTaskModel.rebuild(spec, base.model.tokenizer)
    load_weights(model, {**model.state_dict(), **base.model.state_dict()}, str(base.path / WEIGHTS_NAME))
    model.freeze_encoder()
    model.freeze(*(model.head(task.name) for task in tasks if task.name not in trained))
    return model


def _head_specs(tasks: Mapping[str, TaskConfig]) -> dict[str, HeadSpec]:
    return {name: HeadSpec(kind=task.head, dropout=task.dropout) for name, task in tasks.items()}


def _check_encoder(encoder: EncoderConfig | None, base: Checkpoint) -> None:
    spec = base.record.model.encoder
    if encoder is None:
        return
    if encoder.pooling not in ("auto", spec.pooling) or encoder.max_length not in ("auto", spec.max_length):
        raise ConfigError(
            f"encoder: the checkpoint has pooling {spec.pooling!r} and max_length {spec.max_length}, which cannot "
            f"change; leave [encoder] out when training starts from a checkpoint"
        )
