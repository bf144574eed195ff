"""encoder -> its transformer layers."""

from typing import Any

from torch import nn

from mtl_export.errors import EncoderError

__all__ = ["encoder_layers"]


def encoder_layers(encoder: nn.Module) -> nn.ModuleList:
    """The transformer layers of an encoder, lowest first.

    Raises:
        EncoderError: there is no list of separate layers (albert, for example, has one layer that it repeats).
    """
    config: Any = encoder.config
    for module in encoder.modules():
        if isinstance(module, nn.ModuleList) and len(module) == config.num_hidden_layers:
            return module
    raise EncoderError(
        f"{config.model_type} has no list of {config.num_hidden_layers} separate layers, so single layers cannot be "
        f"frozen; use freeze_encoder, or no freezing"
    )
