"""nothing -> tests/runtime/data/tiny_bundle: a whole bundle of three tasks in 14 KB, without any training.

Run ``python tests/make_tiny_bundle.py`` (it needs onnx) and commit what it writes; equal code gives equal bytes.
The graph is written by hand: embedding -> masked mean -> one linear head for each task. The golden logits, and
each variant's own golden answers, are computed by numpy, not by onnxruntime, so that the golden test can fail.
tests/runtime/data/tiny_bundle_version_1 is what this script wrote when a manifest had format version 1.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer as HfTokenizer
from tokenizers import models, normalizers, pre_tokenizers, processors

from mtl_runtime.bundle.bundle import write_manifest
from mtl_runtime.bundle.golden import (
    GOLDEN_NAME,
    GoldenAnswers,
    GoldenText,
    golden_answers_name,
    render_golden,
    render_golden_answers,
)
from mtl_runtime.bundle.manifest import (
    EMBEDDING_OUTPUT,
    FORMAT_VERSION,
    EncoderSpec,
    FileSpec,
    Manifest,
    TaskSpec,
    VariantSpec,
    graph_metadata,
    logits_output,
)
from mtl_runtime.text.tokenizer import Tokenizer

TARGET = Path(__file__).parent / "runtime" / "data" / "tiny_bundle"
HIDDEN = 8
MAX_LENGTH = 16
OPSET = 20
IR_VERSION = 10  # what the oldest supported onnxruntime reads

TASKS = (
    TaskSpec(name="sentiment", kind="single_label", labels=("negative", "neutral", "positive"), temperature=1.5),
    TaskSpec(name="topics", kind="multi_label", labels=("food", "sport", "money"), thresholds=(0.5, 0.4, 0.6)),
    TaskSpec(name="stars", kind="regression"),
)
# Word -> what it adds to the first hidden features, which the heads read: good, bad, food, sport, money.
WORDS: Mapping[str, tuple[float, ...]] = {
    "good": (4, 0, 0, 0, 0),
    "great": (6, 0, 0, 0, 0),
    "bad": (0, 4, 0, 0, 0),
    "awful": (0, 6, 0, 0, 0),
    "soup": (0, 0, 8, 0, 0),
    "bread": (0, 0, 8, 0, 0),
    "match": (0, 0, 0, 8, 0),
    "goal": (0, 0, 0, 8, 0),
    "bank": (0, 0, 0, 0, 8),
    "price": (0, 0, 0, 0, 8),
}
FILLERS = ("the", "a", "was", "is", "and", "of", ".", ",", "!", "?", "é", "ß", "я", "中")
GOLDEN_TEXTS = (
    "",
    "good",
    "The soup was good.",
    "The match was awful, the price is bad!",
    "a great goal and a good price",
    "ZÜRICH naïve привет 中文 😀",
    "the bank " * 12,
    "line one\nline two\ttab",
)

GRAPHS = {"cpu-fp32": "model.onnx", "cpu-int8": "model.int8.onnx"}
# Of the golden texts, those that are read whole: the last two are longer than the encoder reads.
SELF_TEST_LINES = (1, 2, 3, 4, 5, 6)

Weights = Mapping[str, NDArray[np.float32]]


def make_bundle(target: Path) -> None:
    """Write the bundle to the folder ``target``, the manifest last."""
    tokenizer = make_tokenizer()
    weights = make_weights(tokenizer)
    golden = [golden_text(text, tokenizer, weights) for text in GOLDEN_TEXTS]
    contents = {
        "tokenizer.json": tokenizer.to_json(),
        "model.onnx": make_graph(weights, int8=False),
        "model.int8.onnx": make_graph(weights, int8=True),
        GOLDEN_NAME: render_golden(golden),
        golden_answers_name("cpu-fp32"): golden_answers(tokenizer, weights),
        golden_answers_name("cpu-int8"): golden_answers(tokenizer, rounded_embedding(weights)),
        "MODEL_CARD.md": b"# Tiny bundle\n\nMade by tests/make_tiny_bundle.py for tests.\n",
    }
    target.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (target / name).write_bytes(data)
    files = {name: FileSpec.of(data) for name, data in contents.items()}
    manifest = make_manifest(files, vocab_size=tokenizer.vocabulary_size)
    write_manifest(target, manifest)


def make_tokenizer() -> Tokenizer:
    """A WordPiece tokenizer of the words above and of single letters."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)] + list("0123456789")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *FILLERS, *letters, *(f"##{c}" for c in letters)]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = HfTokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return Tokenizer.from_bytes(tokenizer.to_str().encode(), max_length=MAX_LENGTH)


def make_weights(tokenizer: Tokenizer) -> Weights:
    """A seeded embedding on which the words' meanings are added, and heads that read them."""
    random = np.random.default_rng(0)
    embedding = random.normal(scale=0.1, size=(tokenizer.vocabulary_size, HIDDEN))
    for word, features in WORDS.items():
        embedding[tokenizer.token_id(word), : len(features)] += features
    heads = {name: random.normal(scale=0.05, size=(HIDDEN, width)) for name, width in _widths().items()}
    heads["sentiment"][0] += (-2, 0, 2)
    heads["sentiment"][1] += (2, 0, -2)
    heads["topics"][2:5] += 4 * np.eye(3)
    heads["stars"][:2, 0] += (1, -1)
    biases = {"sentiment": [0.0, 0.5, 0.0], "topics": [-2.0, -2.0, -2.0], "stars": [3.0]}
    named = {"embedding": embedding}
    named |= {f"{name}.weight": head for name, head in heads.items()}
    named |= {f"{name}.bias": np.array(bias) for name, bias in biases.items()}
    return {name: array.astype(np.float32) for name, array in named.items()}


def make_graph(weights: Weights, *, int8: bool) -> bytes:
    """The ONNX model; with ``int8`` the embedding is stored as int8 with one scale."""
    stored = dict(weights)
    nodes = []
    table = "embedding"
    if int8:
        scale = embedding_scale(weights)
        stored["embedding"] = np.round(weights["embedding"] / scale).astype(np.int8)
        stored["embedding_scale"] = np.array(scale)
        nodes.append(helper.make_node("DequantizeLinear", ["embedding", "embedding_scale"], ["embedding_f"]))
        table = "embedding_f"
    nodes += [
        helper.make_node("Gather", [table, "input_ids"], ["tokens"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last_axis"], ["mask_3d"]),
        helper.make_node("Mul", ["tokens", "mask_3d"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "middle_axis"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["mask_3d", "middle_axis"], ["count"], keepdims=0),
        helper.make_node("Div", ["total", "count"], [EMBEDDING_OUTPUT]),
    ]
    for name in _widths():
        parts = [EMBEDDING_OUTPUT, f"{name}.weight", f"{name}.bias"]
        nodes.append(helper.make_node("Gemm", parts, [logits_output(name)]))
    stored |= {"last_axis": np.array([2]), "middle_axis": np.array([1])}
    outputs = {**{logits_output(name): width for name, width in _widths().items()}, EMBEDDING_OUTPUT: HIDDEN}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [_value(name, TensorProto.INT64, "sequence") for name in ("input_ids", "attention_mask")],
        [_value(name, TensorProto.FLOAT, width) for name, width in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in stored.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="mtl-export",
    )
    helper.set_model_props(model, graph_metadata(TASKS))
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def embedding_scale(weights: Weights) -> np.float32:
    """The size of a step of the int8 embedding."""
    return np.float32(np.abs(weights["embedding"]).max() / 127)


def rounded_embedding(weights: Weights) -> Weights:
    """The weights that the int8 graph computes with."""
    scale = embedding_scale(weights)
    return {**weights, "embedding": np.round(weights["embedding"] / scale).astype(np.int8) * scale}


def golden_answers(tokenizer: Tokenizer, weights: Weights) -> bytes:
    """The answers of a variant with these weights to the golden texts that are read whole."""
    rows = [golden_text(GOLDEN_TEXTS[line - 1], tokenizer, weights).logits for line in SELF_TEST_LINES]
    logits = {name: tuple(row[name] for row in rows) for name in _widths()}
    return render_golden_answers(GoldenAnswers(lines=SELF_TEST_LINES, logits=logits))


def golden_text(text: str, tokenizer: Tokenizer, weights: Weights) -> GoldenText:
    """Token ids of ``text``, and its logits in float64 numpy."""
    (tokens,) = tokenizer.encode([text])
    pooled = weights["embedding"][list(tokens.ids)].astype(np.float64).mean(axis=0)
    logits = {name: pooled @ weights[f"{name}.weight"] + weights[f"{name}.bias"] for name in _widths()}
    rounded = {name: tuple(float(np.float32(value)) for value in row) for name, row in logits.items()}
    return GoldenText(text=text, ids=tokens.ids, logits=rounded)


def make_manifest(files: Mapping[str, FileSpec], *, vocab_size: int) -> Manifest:
    """The manifest of the two graphs."""
    encoder = EncoderSpec(
        family="tiny",
        source="by hand",
        hidden_size=HIDDEN,
        pooling="mean",
        max_length=MAX_LENGTH,
        pad_id=0,
        vocab_size=vocab_size,
    )
    return Manifest(
        format_version=FORMAT_VERSION,
        tasks=TASKS,
        encoder=encoder,
        inputs=("input_ids", "attention_mask"),
        outputs=(*(logits_output(name) for name in _widths()), EMBEDDING_OUTPUT),
        variants={
            name: VariantSpec(
                graph=graph, provider="cpu", provider_options={}, golden_answers=golden_answers_name(name)
            )
            for name, graph in GRAPHS.items()
        },
        files=files,
        made_with={"mtl-export": "0.1.0"},
    )


def _widths() -> dict[str, int]:
    return {task.name: task.width for task in TASKS}


def _value(name: str, kind: int, last_axis: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["batch", last_axis])


if __name__ == "__main__":
    make_bundle(TARGET)
