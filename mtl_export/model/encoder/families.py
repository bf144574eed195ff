"""What is known of families of encoders, by transformers' model_type; docs/encoders.md has a row for each."""

from collections.abc import Mapping
from typing import Any

__all__ = ["TESTED_FAMILIES", "WHY_REFUSED", "adapt_config"]

# The tests train, save and export a tiny encoder of each, so a run need not try that again before its first step.
TESTED_FAMILIES = frozenset(
    {
        "albert",
        "bart",
        "bert",
        "big_bird",
        "camembert",
        "convbert",
        "deberta",
        "deberta-v2",
        "distilbert",
        "electra",
        "ernie",
        "eurobert",
        "gemma3_text",
        "gpt2",
        "gte",
        "ibert",
        "jina_embeddings_v3",
        "llama",
        "mbart",
        "mistral",
        "mobilebert",
        "modernbert",
        "mpnet",
        "nomic_bert",
        "qwen2",
        "qwen3",
        "roberta",
        "roformer",
        "t5",
        "t5gemma",
        "ultrabert",
        "xlm-roberta",
        "xlm-roberta-xl",
    }
)

# Families that are refused before the first step, and why.
WHY_REFUSED: Mapping[str, str] = {
    "fnet": "its Fourier transform runs over padding too, so that answers would depend on the batch",
    "funnel": "its layers average neighbouring positions, padding too, so that answers would depend on the batch",
    "longformer": "its attention windows divide the padded length, which a graph would fix at the traced one",
    "nystromformer": "its attention averages over padding too, so that answers would depend on the batch",
    "xlnet": "torch.onnx cannot trace its relative positions",
    "yoso": "its attention hashes padding too, so that answers would depend on the batch",
}

# BigBird draws what its sparse attention reads at random, and does without it where texts are short.
_FULL_ATTENTION = {"attention_type": "original_full"}
_CHANGES: Mapping[str, Mapping[str, Any]] = {"big_bird": _FULL_ATTENTION, "bigbird_pegasus": _FULL_ATTENTION}


def adapt_config(config: Any) -> Any:
    """``config`` of transformers, changed in place so that the encoder answers a whole text in one pass.

    Of a family with a decoder, an encoder that was published alone says that it is none: AutoModel would build both and
    use them as one.
    """
    if getattr(type(config), "is_encoder_decoder", False):
        config.is_encoder_decoder = True
    for name, value in _CHANGES.get(config.model_type, {}).items():
        setattr(config, name, value)
    if getattr(config, "use_cache", False):
        config.use_cache = False  # of keys and values, for a decoder that writes a text
    return config
