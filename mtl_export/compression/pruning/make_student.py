"""teacher + shape + importance -> student: a smaller model with the teacher's own weights, not yet trained.

The student's encoder has an ordinary config of its family, which transformers loads. Which heads and neurons are left
differs between layers, how many of them does not.
"""

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from mtl_export.compression.pruning.fisher import Importance
from mtl_export.compression.pruning.student_shape import StudentShape
from mtl_export.errors import EncoderError
from mtl_export.model import ModelSpec, MultiTaskModel
from mtl_export.model.encoder import encoder_layers
from mtl_export.model.layer_parts import LayerParts, find_layer_parts, select_biases, select_heads, select_neurons

__all__ = ["make_student"]


def make_student(teacher: MultiTaskModel, shape: StudentShape, importance: Importance | None = None) -> MultiTaskModel:
    """Build the student of ``shape`` with the teacher's weights.

    Args:
        teacher: does not change.
        shape: what is left of its encoder.
        importance: says which heads and neurons of each layer are left; needed where ``shape`` has fewer of them.

    Raises:
        EncoderError: the encoder has no list of separate layers, or the parts of its layers are not known.
    """
    family = teacher.spec.encoder.family
    parts = find_layer_parts(family)
    if (shape.heads or shape.neurons) and (parts is None or importance is None):
        raise EncoderError(f"{family} cannot have narrower layers: their parts are not known; leave layers out instead")
    cut = copy.deepcopy(teacher)
    layers = encoder_layers(cut.encoder)
    for number in sorted(set(range(len(layers))) - set(shape.layers), reverse=True):
        del layers[number]
    if parts is not None and importance is not None:
        _narrow(cut.encoder, layers, shape, parts, importance)
    student = MultiTaskModel.rebuild(_student_spec(teacher, shape, parts), teacher.tokenizer)
    try:
        student.load_state_dict(cut.state_dict(), strict=True)
    except RuntimeError as error:
        raise EncoderError(
            f"layers of {family} cannot be left out: its config does not say how many there are"
        ) from error
    return student.eval()


def _narrow(
    encoder: nn.Module, layers: nn.ModuleList, shape: StudentShape, parts: LayerParts, importance: Importance
) -> None:
    config: Any = encoder.config
    size = config.hidden_size // config.num_attention_heads
    heads = [importance.heads[number] for number in shape.layers]
    if parts.head_biases:
        heads = [torch.stack(heads).sum(dim=0)] * len(heads)
    for number, layer, values in zip(shape.layers, layers, heads, strict=True):
        if shape.heads:
            select_heads(layer, parts, _largest(values, shape.heads), size=size)
        if shape.neurons:
            select_neurons(layer, parts, _largest(importance.neurons[number], shape.neurons))
    if shape.heads:
        select_biases(encoder, parts, _largest(heads[0], shape.heads))


def _largest(values: torch.Tensor, count: int) -> list[int]:
    """Positions of the ``count`` largest values, in ascending order; of equal ones the first."""
    order = torch.sort(values, descending=True, stable=True).indices
    return sorted(order[:count].tolist())


def _student_spec(teacher: MultiTaskModel, shape: StudentShape, parts: LayerParts | None) -> ModelSpec:
    config: Any = teacher.encoder.config
    values = {name: _pick_layers(name, value, shape.layers) for name, value in teacher.spec.encoder_config.items()}
    values[config.attribute_map.get("num_hidden_layers", "num_hidden_layers")] = len(shape.layers)
    if shape.neurons and parts is not None:
        values[parts.width_key] = shape.neurons
    heads = shape.heads or teacher.spec.attention_heads
    return dataclasses.replace(teacher.spec, encoder_config=values, attention_heads=heads)


def _pick_layers(name: str, value: Any, layers: Sequence[int]) -> Any:
    """A value of a config for fewer layers: a list such as layer_types has an entry for each."""
    return [value[number] for number in layers] if "layer" in name and isinstance(value, list) else value
