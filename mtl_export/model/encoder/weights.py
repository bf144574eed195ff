"""the files of an encoder -> the encoder with its weights: safetensors only, no remote code, nothing missing."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from mtl_export.errors import EncoderError
from mtl_export.model.encoder.encoder_part import select_encoder_weights, take_encoder_part
from mtl_export.model.encoder.families import adapt_config
from mtl_export.model.encoder.files import EncoderFiles, loading_error
from mtl_export.model.encoder.rebuild import pooler_argument
from mtl_runtime.bundle.manifest import Pooling
from mtl_runtime.wording import enumerate_names

__all__ = ["LoadedWeights", "load_weights"]

_log = logging.getLogger(__name__)

_ADAPTER = "adapter_config.json"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_PICKLE = (
    "its weights are a pickle, {}, which is never read; write model.safetensors with "
    "AutoModel.from_pretrained(...).save_pretrained(...)"
)
_OTHER_WEIGHTS = "its weights are {}; name a folder or repository with model.safetensors"
# What a folder is that cannot be loaded, by a file in it.
_OTHER_FORMATS: Mapping[str, str] = {
    "checkpoint.json": "it is a checkpoint of mtl train; leave [encoder] out and start from it with --from",
    "manifest.json": "it is a bundle, which is not for training; start from its checkpoint with --from",
    **{name: _PICKLE.format(name) for name in ("pytorch_model.bin", "pytorch_model.bin.index.json")},
    "tf_model.h5": _OTHER_WEIGHTS.format("those of TensorFlow, tf_model.h5"),
    "flax_model.msgpack": _OTHER_WEIGHTS.format("those of Flax, flax_model.msgpack"),
    "onnx/model.onnx": _OTHER_WEIGHTS.format("in a graph, onnx/model.onnx, which cannot be trained"),
    "openvino/openvino_model.xml": _OTHER_WEIGHTS.format("in a graph, openvino_model.xml, which cannot be trained"),
}


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """An encoder in float32, and what it was built from."""

    module: nn.Module  # of an encoder-decoder, its encoder
    config: Any  # of the whole model
    missing: tuple[str, ...]  # names of weights that the files lack: those of its pooler at most


def load_weights(files: EncoderFiles, pooling: Pooling) -> LoadedWeights:
    """Load the encoder in ``files``.

    Raises:
        EncoderError: the encoder cannot be loaded, is an adapter or quantized, or its weights do not fit its config.
    """
    if files.find(_ADAPTER) is not None:
        raise EncoderError(
            f"encoder {files.source!r} is a PEFT adapter ({_ADAPTER}), not an encoder; merge it into its base model "
            f"with merge_and_unload() and name the folder that save_pretrained writes"
        )
    model, loading = _load(files, pooling)
    config: Any = model.config
    own = set(select_encoder_weights((key[0] for key in loading["mismatched_keys"]), config))
    if wrong := sorted(key for key in loading["mismatched_keys"] if key[0] in own):
        name, stored, expected = wrong[0]
        raise EncoderError(
            f"encoder {files.source!r}: {len(wrong)} weights have other shapes than config.json says, the first is "
            f"{name} with {list(stored)} in place of {list(expected)}"
        )
    missing = tuple(sorted(select_encoder_weights(loading["missing_keys"], config)))
    if required := [name for name in missing if "pooler" not in name]:
        raise EncoderError(f"encoder {files.source!r} lacks the weights {enumerate_names(required)}")
    _warn_of_own_code(files, model)
    if missing and pooling == "pooler":
        _log.warning("encoder: %s are not among the weights and start at random", enumerate_names(missing))
    if unplaced := _unplaced(model, loading["unexpected_keys"]):
        _log.warning(
            "encoder: config.json describes no place for the weights %s; they are left out", enumerate_names(unplaced)
        )
    return LoadedWeights(take_encoder_part(model), config, missing)


def _warn_of_own_code(files: EncoderFiles, model: nn.Module) -> None:
    """Say so if the repository has a class of its own for the encoder, which may compute something else."""
    own = files.read_table("config.json").get("auto_map")
    if isinstance(own, Mapping) and isinstance(own.get("AutoModel"), str):
        _log.warning(
            "encoder: its repository's own code (%s) is never run; transformers' %s is used in its place",
            own["AutoModel"],
            type(model).__name__,
        )


def _load(files: EncoderFiles, pooling: Pooling) -> tuple[nn.Module, Mapping[str, Any]]:
    from transformers import AutoConfig, AutoModel

    try:
        config = adapt_config(AutoConfig.from_pretrained(**files.location, trust_remote_code=False))
        _refuse_quantized(files, config)
        options: dict[str, Any] = {**files.location, **pooler_argument(config, pooling)}
        model, loading = AutoModel.from_pretrained(
            **options,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # load_weights names them
            dtype="float32",
        )
    except EncoderError:
        raise
    except Exception as error:  # configs and classes of many families raise whatever a wrong value makes them raise
        raise loading_error(files.source, _explain(files) or error) from error
    return model, loading


def _explain(files: EncoderFiles) -> str | None:
    """What the folder is that cannot be loaded; None where its files do not show it."""
    if pointer := files.find_pointer("config.json", *_WEIGHTS):
        return f"{pointer} is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`"
    if any(files.find(name) for name in _WEIGHTS):
        return None
    return next((text for name, text in _OTHER_FORMATS.items() if files.find(name)), None)


def _refuse_quantized(files: EncoderFiles, config: Any) -> None:
    if quantization := getattr(config, "quantization_config", None):
        raise EncoderError(
            f"encoder {files.source!r} is quantized ({_quantization_method(quantization)}); name the repository or "
            f"folder with its original weights, and let mtl export quantize"
        )


def _quantization_method(quantization: Any) -> str:
    table = quantization if isinstance(quantization, Mapping) else vars(quantization)
    return str(table.get("quant_method", "quantization_config"))


def _unplaced(model: nn.Module, unexpected: Iterable[str]) -> list[str]:
    """Stored weights of the encoder's own parts that were not loaded; those of heads are not meant."""
    prefix = f"{model.base_model_prefix}."
    parts = {name for name, _ in model.named_children()}
    names = (name.removeprefix(prefix) for name in unexpected)
    return sorted(name for name in names if name.partition(".")[0] in parts)
