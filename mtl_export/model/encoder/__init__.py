"""hub id or folder -> encoder with its tokenizer: any Hugging Face encoder, safetensors only, no remote code."""

from mtl_export.model.encoder.layers import encoder_layers
from mtl_export.model.encoder.load import Encoder, load_encoder
from mtl_export.model.encoder.padding_mask import PaddingMask
from mtl_export.model.encoder.rebuild import rebuild_encoder

__all__ = ["Encoder", "PaddingMask", "encoder_layers", "load_encoder", "rebuild_encoder"]
