"""config of an encoder -> the encoder without its weights."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from mtl_export.errors import EncoderError
from mtl_export.model.encoder.encoder_part import take_encoder_part
from mtl_export.upstream import encoder_class
from mtl_runtime.bundle.manifest import Pooling

__all__ = ["pooler_argument", "rebuild_encoder"]


def rebuild_encoder(config: Mapping[str, Any], *, pooling: Pooling, attention: str | None = None) -> nn.Module:
    """Build an encoder without its weights; this needs neither files nor a network.

    Args:
        config: transformers' config of the encoder as a dict, as a checkpoint stores it.
        pooling: of the model; only "pooler" needs an encoder with a pooler.
        attention: transformers' attn_implementation; None: the family's default.

    Raises:
        EncoderError: transformers cannot build an encoder from this config.
    """
    from transformers import AutoConfig, AutoModel

    values = dict(config)
    try:
        parsed = AutoConfig.for_model(values.pop("model_type"), **values)
        model: nn.Module = AutoModel.from_config(  # type: ignore[no-untyped-call]
            parsed,
            trust_remote_code=False,
            attn_implementation=attention,
            **pooler_argument(parsed, pooling),
        )
    except Exception as error:  # as where it was loaded: each family has exceptions of its own
        raise EncoderError(f"the encoder's config cannot be used: {' '.join(str(error).split())}") from error
    return take_encoder_part(model)


def pooler_argument(config: Any, pooling: Pooling) -> dict[str, bool]:
    """Leave out a pooler that no pooling uses: its weights would never be trained."""
    model_class = encoder_class(config)
    parameters = inspect.signature(model_class).parameters if model_class else {}
    return {"add_pooling_layer": pooling == "pooler"} if "add_pooling_layer" in parameters else {}
