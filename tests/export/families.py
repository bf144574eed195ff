"""Families of encoders: how a tiny one is built, and what is expected of it; docs/encoders.md has the same rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["FAMILIES", "FUSED", "REFUSED", "WITH_POOLER", "Family"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family that trains and exports."""

    config: Mapping[str, object] = field(default_factory=dict)  # in addition to what all tiny encoders have
    pooler: bool = False  # it has one of its own
    fused: bool = True  # its attention becomes one operator per layer
    freezes_layers: bool = True  # it has a list of separate layers
    left_to_right: bool = False  # its first token sees no other
    lacks: tuple[str, ...] = ()  # what all other tiny encoders have, and its config does not take
    one_layer: Mapping[str, object] = field(default_factory=lambda: {"num_hidden_layers": 1})  # enough for a graph


_GROUPED = {"num_key_value_heads": 2, "head_dim": 8}
_FEED_FORWARD = {"encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "decoder_layers": 1}
_GEMMA = {
    **_GROUPED,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 45,
    "sliding_window": 8,
    "layer_types": ["sliding_attention", "full_attention"],
}

FAMILIES: Mapping[str, Family] = {
    "bert": Family(pooler=True),
    "roberta": Family(pooler=True),
    "xlm-roberta": Family(pooler=True),
    "xlm-roberta-xl": Family(pooler=True),
    "distilbert": Family(),
    "electra": Family(config={"embedding_size": 16}),
    "mpnet": Family(pooler=True, fused=False),
    "albert": Family(config={"embedding_size": 16}, pooler=True, freezes_layers=False),
    "deberta": Family(
        config={"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False}, fused=False
    ),
    "deberta-v2": Family(
        config={
            "relative_attention": True,
            "position_buckets": 8,
            "pos_att_type": ["p2c", "c2p"],
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
        },
        fused=False,
    ),
    # Local attention over 8 tokens in every second layer: shorter than the sentences of the tests.
    "modernbert": Family(config={"local_attention": 8, "global_attn_every_n_layers": 2}, one_layer={}),
    "camembert": Family(pooler=True),
    "ernie": Family(pooler=True),
    "convbert": Family(
        config={"embedding_size": 16, "head_ratio": 2, "num_groups": 1, "conv_kernel_size": 3}, fused=False
    ),
    "mobilebert": Family(
        config={
            "embedding_size": 16,
            "true_hidden_size": 16,
            "intra_bottleneck_size": 16,
            "num_feedforward_networks": 1,
        },
        pooler=True,
    ),
    "nomic_bert": Family(pooler=True),
    "gte": Family(pooler=True),
    "jina_embeddings_v3": Family(pooler=True),
    "eurobert": Family(config={"num_key_value_heads": 2}),
    "ultrabert": Family(
        config={
            "num_key_value_heads": 2,
            "sliding_window": 4,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        one_layer={},
    ),
    "gemma3_text": Family(
        config={
            **_GROUPED,
            "use_bidirectional_attention": True,
            "sliding_window": 8,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        one_layer={},
    ),
    "ibert": Family(pooler=True, fused=False),
    "big_bird": Family(pooler=True, fused=False),
    "bart": Family(config=_FEED_FORWARD, fused=False),
    "mbart": Family(config=_FEED_FORWARD, fused=False),
    "t5": Family(config={"d_kv": 8, "d_ff": 64}, fused=False, lacks=("max_position_embeddings",)),
    "t5gemma": Family(config={"encoder": _GEMMA, "decoder": _GEMMA}, fused=False, one_layer={}),
    "gpt2": Family(left_to_right=True),
    "llama": Family(config=_GROUPED, left_to_right=True),
    "mistral": Family(config=_GROUPED, left_to_right=True),
    "qwen2": Family(config=_GROUPED, left_to_right=True),
    "qwen3": Family(config=_GROUPED, left_to_right=True),
    "roformer": Family(config={"embedding_size": 16}, fused=False),
}
WITH_POOLER = tuple(name for name, family in FAMILIES.items() if family.pooler)
FUSED = tuple(name for name, family in FAMILIES.items() if family.fused)

# Families that are refused before the first step.
REFUSED: Mapping[str, Family] = {
    "fnet": Family(config={"tpu_short_seq_length": 16}),
    "funnel": Family(
        config={
            "architectures": ["FunnelModel"],
            "block_sizes": [1, 1],
            "num_decoder_layers": 1,
            "d_head": 8,
            "d_inner": 64,
        },
        lacks=("num_hidden_layers", "max_position_embeddings"),
    ),
    "longformer": Family(config={"attention_window": [4, 4]}),
    "nystromformer": Family(config={"num_landmarks": 8, "segment_means_seq_len": 8}),
    "xlnet": Family(config={"d_head": 8, "d_inner": 64}, lacks=("max_position_embeddings",)),
    "yoso": Family(),
}
