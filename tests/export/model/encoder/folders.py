"""Tiny encoder folders as sentence-transformers and transformers publish them."""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from tests.export.tiny import save_encoder

WORDS = [
    *("good", "great", "lovely", "bad", "awful", "film", "actor", "soup", "bread"),
    *("the", "a", "is", "was", "very", "and", "of", "it", "café", "naïve", "über"),
]
BERT_VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s", "##ly", "b", "中", "文", ",", ".", "!"]


def write_json(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), "utf-8")


def save_sentence_transformer(
    folder: Path,
    *,
    pooling: dict[str, object] | None,
    after: tuple[tuple[str, dict[str, object]], ...] = (),
    settings: dict[str, object] | None = None,
    prompts: dict[str, object] | None = None,
    subfolder: str = "",
    **encoder: object,
) -> Path:
    """A folder of sentence-transformers.

    Args:
        folder: to write.
        pooling: config of its Pooling module; None: it has none.
        after: class and config of each further module.
        settings: content of sentence_bert_config.json.
        prompts: content of config_sentence_transformers.json.
        subfolder: of the transformer.
        encoder: arguments of ``save_encoder``.
    """
    (folder / subfolder).mkdir(parents=True, exist_ok=True)
    save_encoder(folder / subfolder, **encoder)
    modules = [("Transformer", subfolder, None)]
    modules += [("Pooling", "1_Pooling", pooling)] if pooling is not None else []
    modules += [(kind, f"{index}_{kind}", config) for index, (kind, config) in enumerate(after, 2)]
    for _, path, config in modules:
        if config:
            write_json(folder / path / "config.json", config)
    write_json(
        folder / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for index, (kind, path, _) in enumerate(modules)
        ],
    )
    if settings is not None:
        write_json(folder / subfolder / "sentence_bert_config.json", settings)
    if prompts is not None:
        write_json(folder / "config_sentence_transformers.json", prompts)
    return folder


def bert_tokenizer(*, lowercase: bool = True, **normalizer: object) -> Tokenizer:
    """A WordPiece tokenizer of BERT with the words of this module."""
    tokenizer = Tokenizer(
        models.WordPiece({token: index for index, token in enumerate(BERT_VOCABULARY)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, **normalizer)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(BERT_VOCABULARY[:5])
    return tokenizer


def byte_level_tokenizer(*, add_prefix_space: bool = False) -> Tokenizer:
    """A byte-level BPE tokenizer of RoBERTa, without a single merge but those of two words."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("g", "o"), ("go", "o"), ("goo", "d"), ("Ġ", "good"), ("f", "i"), ("l", "m"), ("fi", "lm")]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *alphabet, *(left + right for left, right in merges)]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=add_prefix_space)
    return tokenizer


def save_with_tokenizer(
    folder: Path, tokenizer: Tokenizer, config: dict[str, object] | None = None, *, family: str = "bert"
) -> Path:
    """An encoder folder with ``tokenizer`` and, if given, a tokenizer_config.json."""
    save_encoder(folder, family, vocab_size=tokenizer.get_vocab_size())
    tokenizer.save(str(folder / "tokenizer.json"))
    if config is not None:
        write_json(folder / "tokenizer_config.json", config)
    return folder
