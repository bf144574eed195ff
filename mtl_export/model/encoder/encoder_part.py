"""pretrained model -> the part of it that reads a text: of an encoder-decoder its encoder, of any other model all."""

from collections.abc import Iterable
from typing import Any

from torch import nn

from mtl_export.errors import EncoderError

__all__ = ["count_embedded_tokens", "select_encoder_weights", "take_encoder_part"]

_DECODER = "decoder."  # what transformers calls it in every encoder-decoder
_SINUSOIDS = "SinusoidalPositionalEmbedding"  # end of the names of the families' own classes


def take_encoder_part(model: nn.Module) -> nn.Module:
    """The encoder of an encoder-decoder, without the embeddings that it shares with its decoder; else ``model``.

    Sinusoidal positions get no gradients and are marked so: several processes would wait for theirs.
    """
    config: Any = model.config
    encoder: nn.Module = model.get_encoder() if config.is_encoder_decoder else model  # type: ignore[operator]
    for module in encoder.modules():
        if type(module).__name__.endswith(_SINUSOIDS):
            module.requires_grad_(requires_grad=False)
    return encoder


def select_encoder_weights(names: Iterable[str], config: Any) -> list[str]:
    """The ``names`` of a model's weights that its encoder part has."""
    return [name for name in names if not (config.is_encoder_decoder and name.startswith(_DECODER))]


def count_embedded_tokens(encoder: nn.Module) -> int:
    """How many tokens have a row in the encoder's embedding table.

    Raises:
        EncoderError: it has none: it reads characters, pixels or whatever else.
    """
    config: Any = encoder.config
    try:
        table: Any = encoder.get_input_embeddings()  # type: ignore[operator]
        rows: int = table.weight.shape[0]
    except (NotImplementedError, AttributeError) as error:
        raise EncoderError(
            f"{config.model_type} has no table of token embeddings; use an encoder that reads tokens"
        ) from error
    return rows
