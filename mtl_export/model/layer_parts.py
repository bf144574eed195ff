"""family -> the modules of one of its layers that can be narrowed: attention by heads, feed-forward by neurons.

The width of a feed-forward is a number in the encoder's config. The number of heads is not: in these families the size
of a head follows from it. So an encoder with fewer heads is built with its config and then narrowed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mtl_export.errors import EncoderError
from mtl_export.model.encoder import encoder_layers

__all__ = ["LayerParts", "find_layer_parts", "narrow_attention", "select_biases", "select_heads", "select_neurons"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerParts:
    """Paths of linear layers below one layer; a matrix that holds several of equal size has their number as value."""

    to_heads: Mapping[str, int]  # query, key and value, and what else has a row for each element of each head
    from_heads: str  # reads the heads' outputs, one column for each element of each head
    to_neurons: Mapping[str, int]
    from_neurons: str
    width_key: str = "intermediate_size"  # of the feed-forward, in the encoder's config
    head_counter: str = ""  # path of the module that has the number of heads as an attribute; "": none needs it
    # Path below the encoder of an embedding of distances, with a column for each head, that all layers share: the same
    # heads are left in all of them. "": there is none, and each layer has its own choice.
    head_biases: str = ""

    def of(self, layer: nn.Module, path: str) -> nn.Linear:
        """The linear layer at ``path``; a KeyError where this encoder has none there."""
        module = dict(layer.named_modules())[path]
        assert isinstance(module, nn.Linear)  # noqa: S101 - every row of the table names linear layers
        return module

    def present(self, layer: nn.Module) -> dict[str, int]:
        """Those of ``to_heads`` that this encoder has."""
        names = dict(layer.named_modules())
        return {path: count for path, count in self.to_heads.items() if path in names}


_BERT = LayerParts(
    to_heads={"attention.self.query": 1, "attention.self.key": 1, "attention.self.value": 1},
    from_heads="attention.output.dense",
    to_neurons={"intermediate.dense": 1},
    from_neurons="output.dense",
)
_PARTS: Mapping[str, LayerParts] = {
    "bert": _BERT,
    "camembert": _BERT,
    "electra": _BERT,
    "ernie": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "distilbert": LayerParts(
        to_heads={"attention.q_lin": 1, "attention.k_lin": 1, "attention.v_lin": 1},
        from_heads="attention.out_lin",
        to_neurons={"ffn.lin1": 1},
        from_neurons="ffn.lin2",
        width_key="hidden_dim",
    ),
    "modernbert": LayerParts(
        to_heads={"attn.Wqkv": 3}, from_heads="attn.Wo", to_neurons={"mlp.Wi": 2}, from_neurons="mlp.Wo"
    ),
    "deberta-v2": LayerParts(
        to_heads={f"attention.self.{name}_proj": 1 for name in ("query", "key", "value", "pos_key", "pos_query")},
        from_heads="attention.output.dense",
        to_neurons={"intermediate.dense": 1},
        from_neurons="output.dense",
        head_counter="attention.self",
    ),
    "mpnet": LayerParts(
        to_heads={f"attention.attn.{name}": 1 for name in "qkv"},
        from_heads="attention.attn.o",
        to_neurons={"intermediate.dense": 1},
        from_neurons="output.dense",
        head_counter="attention.attn",
        head_biases="encoder.relative_attention_bias",
    ),
}


def find_layer_parts(family: str) -> LayerParts | None:
    """The parts of the layers of ``family``; None where they are not known, so that no width can change."""
    return _PARTS.get(family)


def narrow_attention(encoder: nn.Module, heads: int) -> None:
    """Leave the first ``heads`` heads in each layer of ``encoder``, in place.

    Raises:
        EncoderError: the parts of this family's layers are not known, or it has no separate layers.
    """
    config: Any = encoder.config
    parts = find_layer_parts(config.model_type)
    if parts is None:
        raise EncoderError(f"{config.model_type} cannot have fewer heads: the parts of its layers are not known")
    for layer in encoder_layers(encoder):
        select_heads(layer, parts, range(heads), size=config.hidden_size // config.num_attention_heads)
    select_biases(encoder, parts, range(heads))


def select_biases(encoder: nn.Module, parts: LayerParts, heads: Sequence[int]) -> None:
    """Leave what all layers of ``encoder`` share for the heads numbered ``heads``, in place, if they share anything."""
    if parts.head_biases:
        biases: Any = encoder.get_submodule(parts.head_biases)
        biases.weight = nn.Parameter(biases.weight.detach()[:, list(heads)].clone())
        biases.embedding_dim = len(heads)


def select_heads(layer: nn.Module, parts: LayerParts, heads: Sequence[int], *, size: int) -> None:
    """Leave the attention heads numbered ``heads`` in ``layer``, in place; each has ``size`` elements."""
    elements = torch.tensor([head * size + element for head in heads for element in range(size)])
    for path, count in parts.present(layer).items():
        _select_outputs(parts.of(layer, path), elements, count)
    _select_inputs(parts.of(layer, parts.from_heads), elements)
    if parts.head_counter:
        counter: Any = dict(layer.named_modules())[parts.head_counter]
        counter.num_attention_heads = len(heads)
        counter.all_head_size = len(elements)


def select_neurons(layer: nn.Module, parts: LayerParts, neurons: Sequence[int]) -> None:
    """Leave the feed-forward neurons numbered ``neurons`` in ``layer``, in place."""
    numbers = torch.tensor(list(neurons))
    for path, count in parts.to_neurons.items():
        _select_outputs(parts.of(layer, path), numbers, count)
    _select_inputs(parts.of(layer, parts.from_neurons), numbers)


def _select_outputs(linear: nn.Linear, rows: torch.Tensor, count: int) -> None:
    """Leave ``rows`` of each of the ``count`` matrices that ``linear`` holds, in place."""
    size = linear.out_features // count
    chosen = torch.cat([rows + number * size for number in range(count)])
    linear.weight = nn.Parameter(linear.weight.detach()[chosen].clone())
    if linear.bias is not None:
        linear.bias = nn.Parameter(linear.bias.detach()[chosen].clone())
    linear.out_features = len(chosen)


def _select_inputs(linear: nn.Linear, columns: torch.Tensor) -> None:
    """Leave ``columns`` of ``linear``, in place."""
    linear.weight = nn.Parameter(linear.weight.detach()[:, columns].clone())
    linear.in_features = len(columns)
