"""Tiny encoder folders of every family, and csv files with sentences that a model can learn; no network is needed."""

import csv
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, AutoModel

from tests.export.families import FAMILIES, REFUSED

WORDS = {
    "positive": ["good", "great", "lovely", "fine", "superb"],
    "negative": ["bad", "awful", "poor", "nasty", "dull"],
    "neutral": ["plain", "usual", "average", "so", "medium"],
    "film": ["film", "actor", "scene", "plot"],
    "food": ["soup", "bread", "dinner", "taste"],
}
FILLERS = ["the", "a", "is", "was", "very", "and", "of", "it", "this", "that", "in", "on", "with", "one", "two"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
VOCABULARY = [*SPECIAL, *(word for words in WORDS.values() for word in words), *FILLERS, ",", ".", "!"]

_COMMON = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 80,
    "vocab_size": len(VOCABULARY),
    "pad_token_id": 0,
}


def tiny_tokenizer() -> Tokenizer:
    """A word-level tokenizer with [CLS] and [SEP], and with the fixed padding that some published files carry."""
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=60)
    tokenizer.enable_truncation(60)
    return tokenizer


def save_encoder(folder: Path, family: str = "bert", *, seed: int = 0, **changes: object) -> Path:
    """Write a randomly initialized encoder of ``family`` with its tokenizer, as a hub folder looks."""
    torch.manual_seed(seed)
    row = {**FAMILIES, **REFUSED}[family]
    values = {name: value for name, value in {**_COMMON, **row.config, **changes}.items() if name not in row.lacks}
    config = AutoConfig.for_model(family, **values)
    model = AutoModel.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            # Larger than the usual 0.02, so that answers differ between sentences and a wrong mask shows.
            parameter.add_(torch.randn_like(parameter) * 0.08)
    model.save_pretrained(folder)
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def sentence(generator: random.Random, sentiment: str, topic: str) -> str:
    """A sentence of 3 to 20 words that contains a word for each of its labels."""
    words = [generator.choice(FILLERS) for _ in range(generator.choice((1, 2, 3, 4, 18)))]
    for kind in (sentiment, topic):
        words.insert(generator.randint(0, len(words)), generator.choice(WORDS[kind]))
    return " ".join(words)


def rows(count: int, *, seed: int, missing: float = 0.0) -> list[dict[str, str]]:
    """Labelled sentences: sentiment (3 classes), topic (2), tags (multi_label) and stars (a number)."""
    generator = random.Random(seed)
    result = []
    for _ in range(count):
        sentiment, topic = generator.choice(["negative", "neutral", "positive"]), generator.choice(["film", "food"])
        text = sentence(generator, sentiment, topic)
        labels = {
            "sentiment": sentiment,
            "topic": topic,
            "tags": "|".join(name for name in (sentiment, topic) if name != "neutral"),
            "stars": str({"negative": 1.0, "neutral": 2.5, "positive": 4.0}[sentiment]),
        }
        cells = {name: value if generator.random() >= missing else "" for name, value in labels.items()}
        result.append({"text": text, **cells})
    return result


def write_csv(path: Path, records: list[dict[str, str]]) -> Path:
    """Write ``records`` with a header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    return path


def project(folder: Path, *, family: str = "bert", train: int = 384, missing: float = 0.0) -> Path:
    """An encoder folder and three data files below ``folder``, as a config names them."""
    save_encoder(folder / "encoder", family)
    for split, count, seed in (("train", train, 1), ("validation", 32, 2), ("test", 32, 3)):
        write_csv(folder / f"{split}.csv", rows(count, seed=seed, missing=missing))
    return folder


# A probe on an encoder with random weights has huge logits, which lower precisions move far more than a real model's.
SMALL_LOGITS = {"initial_heads": "random", "contrastive_weight": 0.0}
CONFIG = {
    "encoder": {"model": "encoder", "pooling": "mean", "max_length": 40},
    "tasks": {"sentiment": {}, "topic": {"head": "mlp"}},
    "data": {"train": "train.csv", "validation": "validation.csv", "test": "test.csv"},
    # Not "auto" where the machine would decide: what tests compare is the same on all of them.
    "training": {
        "epochs": 2,
        "batch_size": 8,
        "encoder_learning_rate": 3e-3,
        "head_learning_rate": 3e-2,
        "precision": "fp32",
    },
}
