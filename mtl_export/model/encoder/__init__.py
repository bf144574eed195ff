"""hub id or folder -> encoder with its tokenizer: any Hugging Face encoder, safetensors only, no remote code."""

from mtl_export.model.encoder.encoder_part import count_embedded_tokens
from mtl_export.model.encoder.families import TESTED_FAMILIES, WHY_REFUSED
from mtl_export.model.encoder.layers import encoder_layers, split_after
from mtl_export.model.encoder.load import Encoder, load_encoder
from mtl_export.model.encoder.padding_mask import PaddingMask
from mtl_export.model.encoder.rebuild import rebuild_encoder

__all__ = [
    "TESTED_FAMILIES",
    "WHY_REFUSED",
    "Encoder",
    "PaddingMask",
    "count_embedded_tokens",
    "encoder_layers",
    "load_encoder",
    "rebuild_encoder",
    "split_after",
]
