"""A model before its first step, tried on what would otherwise fail after its last: padding, saving, tracing.

Families that the tests train and export are tried on padding and saving alone, which takes a fraction of a second.
Others also read a text of max_length tokens, compute gradients, and are traced with few layers.
"""

import dataclasses
import logging
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch

from mtl_export.errors import EncoderError, ExportError
from mtl_export.graphs.trace import check_trace
from mtl_export.model import MultiTaskModel
from mtl_export.model.encoder import TESTED_FAMILIES, WHY_REFUSED, count_embedded_tokens
from mtl_runtime.text.tokenizer import TokenizedText

__all__ = ["try_encoder"]

_log = logging.getLogger(__name__)

_LENGTHS = (3, 7, 12)  # tokens of the texts that are tried
_TRACED_LAYERS = 2
# Shares of the largest value of an embedding: rounding stays a hundred times below the first, what reads padding is far
# above it.
_PADDING_TOLERANCE = 1e-3
_ROUNDING = 1e-6


def try_encoder(model: MultiTaskModel) -> None:
    """Try ``model``; it and the random numbers of the run stay as they are.

    Raises:
        EncoderError: the encoder cannot be trained, saved, traced or served; the message names the cause.
    """
    family = model.spec.encoder.family
    if family in WHY_REFUSED:
        raise _refusal(model, f"cannot be served: {WHY_REFUSED[family]}")
    was_training = model.training
    try:
        with torch.random.fork_rng(devices=[]):
            model.eval()
            _check_padding(model)
            _check_reading(model)
            _check_storage(model)
            if family not in TESTED_FAMILIES:
                _log.info("%s is not among the tested families; trying it", family)
                _embed(model, [_text(model, model.spec.encoder.max_length)])
                _check_gradients(model)
                _check_trace(model)
    finally:
        model.train(was_training)


def _check_padding(model: MultiTaskModel) -> None:
    """The same text has the same embedding alone and padded."""
    texts = [_text(model, length) for length in _LENGTHS]
    together = _embed(model, texts)
    if not torch.isfinite(together).all():
        raise _refusal(model, "gives embeddings that are not finite, before any training")
    alone = torch.cat([_embed(model, [text]) for text in texts])
    difference = float((alone - together).abs().max() / together.abs().max())
    if difference > _PADDING_TOLERANCE:
        raise _refusal(
            model,
            f"reads padding, so that answers would depend on the batch: the embedding of a text alone and padded "
            f"differs by {difference:.1%} of its largest value",
        )


def _check_reading(model: MultiTaskModel) -> None:
    """Two texts that differ in all tokens but the first have different embeddings."""
    text, other = _text(model, _LENGTHS[-1]), _text(model, _LENGTHS[-1], step=2)
    embedding, of_other = _embed(model, [text]), _embed(model, [other])
    if float((embedding - of_other).abs().max()) > _ROUNDING * float(embedding.abs().max()):
        return
    family, pooling = model.spec.encoder.family, model.spec.encoder.pooling
    if pooling == "cls":
        raise EncoderError(
            f"{family} reads from left to right, so that the first token sees nothing of the text; use pooling mean "
            f"in place of cls"
        )
    raise _refusal(model, "gives every text the same embedding")


def _check_storage(model: MultiTaskModel) -> None:
    """No two weights share memory: safetensors does not write such weights."""
    weights = [
        (weight.data_ptr(), weight.nbytes, name) for name, weight in model.state_dict().items() if weight.numel()
    ]
    for (start, size, name), (next_start, _, next_name) in pairwise(sorted(weights)):
        if next_start < start + size:
            raise _refusal(model, f"has weights that share memory and so cannot be saved ({name}, {next_name})")


def _check_gradients(model: MultiTaskModel) -> None:
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        output = model.train()(**model.tensors([_text(model, length) for length in _LENGTHS]))
        sum(logits.square().sum() for logits in output.logits.values()).backward()
    except Exception as error:  # each of many families has exceptions of its own
        raise _refusal(model, f"cannot be trained ({_first_line(error)})") from error
    finally:
        model.zero_grad(set_to_none=True)
        for name, buffer in model.eval().named_buffers():
            buffer.copy_(buffers[name])


def _check_trace(model: MultiTaskModel) -> None:
    try:
        check_trace(_shallow(model))
    except ExportError as error:
        raise _refusal(model, f"cannot be exported ({error})") from error


def _shallow(model: MultiTaskModel) -> MultiTaskModel:
    """The model with few layers and random weights, which is traced in seconds; itself where it cannot be cut."""
    total = getattr(model.encoder.config, "num_hidden_layers", None)
    config = {name: _cut(name, value, total) for name, value in model.spec.encoder_config.items()}
    try:
        return MultiTaskModel.rebuild(dataclasses.replace(model.spec, encoder_config=config), model.tokenizer)
    except Exception:  # noqa: BLE001 - a family may want other parts of its config to fit the number of its layers
        _log.debug("%s cannot be built with %d layers", model.spec.encoder.family, _TRACED_LAYERS, exc_info=True)
        return model


def _cut(name: str, value: Any, layers: int | None) -> Any:
    """A value of a config for fewer layers: their number, or a list with an entry for each."""
    if isinstance(value, dict):
        return {key: _cut(key, inner, layers) for key, inner in value.items()}
    if isinstance(value, list) and len(value) == layers:
        return value[:_TRACED_LAYERS]
    return min(value, _TRACED_LAYERS) if "layer" in name and value == layers and layers is not None else value


def _text(model: MultiTaskModel, length: int, *, step: int = 1) -> TokenizedText:
    """A text of ``length`` tokens from all over the vocabulary, none of them padding."""
    ids = [token for token in range(count_embedded_tokens(model.encoder)) if token != model.spec.encoder.pad_id]
    stride = step * max(1, len(ids) // (_LENGTHS[-1] + 1))
    chosen = tuple(ids[(len(ids) // 3 + stride * index) % len(ids)] for index in range(length))
    return TokenizedText(chosen, (0,) * length, truncated=False)


def _embed(model: MultiTaskModel, texts: Sequence[TokenizedText]) -> torch.Tensor:
    """Embeddings of one batch, float32 (N, H)."""
    try:
        with torch.inference_mode():
            embeddings: torch.Tensor = model(**model.tensors(texts)).sentence_embedding
    except Exception as error:  # each of many families has exceptions of its own
        longest = max(len(text) for text in texts)
        raise _refusal(model, f"cannot read a text of {longest} tokens ({_first_line(error)})") from error
    return embeddings


def _refusal(model: MultiTaskModel, problem: str) -> EncoderError:
    family = model.spec.encoder.family
    return EncoderError(f"{family} {problem}; use a family of docs/encoders.md, such as bert, deberta-v2 or modernbert")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
