"""model + validation sentences -> golden texts with PyTorch's logits, and some of them for the self-test at load."""

from collections.abc import Sequence

from mtl_export.model import MultiTaskModel
from mtl_runtime.bundle.golden import GoldenText
from mtl_runtime.core.sampling import evenly_spaced

__all__ = ["EDGE_TEXTS", "golden_texts", "self_test_lines"]

# Enough that a gate on another machine, which has no other sentences, can tell a good variant from a bad one.
_FROM_DATA = 200
# Of these, what a first load on another machine answers: enough to tell other arithmetic from rounding.
_SELF_TEST_FROM_DATA = 32
_SELF_TEST_TOKENS = 1024

# What tokenizers and graphs get wrong first: nothing, blanks, one word, other scripts, composed and decomposed
# letters, emoji joined from several, right-to-left marks, control characters, and more tokens than the encoder reads.
EDGE_TEXTS = (
    "",
    " \t ",
    "a",
    "No.",
    "The service was slow, but the food made up for it.",
    "WHY?!?!",
    "caf\u00e9 and cafe\u0301",
    "Preis: 12,50 \u20ac \u2013 \u201egut\u201c",
    "\u4eca\u5929\u5929\u6c14\u5f88\u597d",
    "\u0627\u0644\u0633\u0644\u0627\u0645 \u0639\u0644\u064a\u0643\u0645 \u202eabc",
    "thanks \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd",
    "zero\u200bwidth and nul\x00byte",
    "supercalifragilisticexpialidocious" * 8,
    "one sentence after another. " * 400,
)


def golden_texts(model: MultiTaskModel, sentences: Sequence[str]) -> list[GoldenText]:
    """Edge cases and 200 of ``sentences`` from the shortest to the longest, as ``model`` reads and answers them."""
    texts = [*EDGE_TEXTS, *evenly_spaced(sorted(set(sentences), key=lambda text: (len(text), text)), _FROM_DATA)]
    logits = model.logits(texts)
    return [
        GoldenText(
            text=text,
            ids=tokens.ids,
            logits={task: tuple(rows[index].tolist()) for task, rows in logits.items()},
        )
        for index, (text, tokens) in enumerate(zip(texts, model.tokenize(texts), strict=True))
    ]


def self_test_lines(golden: Sequence[GoldenText], *, max_length: int) -> tuple[int, ...]:
    """Lines of golden.jsonl, counted from 1, that variants keep their own answers to.

    All edge cases and up to 32 other texts from the shortest to the longest, about 1,024 tokens in all, so that the
    self-test costs a load little. Texts that may have been truncated are left out: however long texts are treated
    (``long_text``), the others are read in the same way.

    Args:
        golden: from :func:`golden_texts`, edge cases first.
        max_length: tokens that the encoder reads.
    """
    whole = [line for line, text in enumerate(golden, 1) if len(text.ids) < max_length]
    edges = [line for line in whole if line <= len(EDGE_TEXTS)]
    others = whole[len(edges) :]
    count = min(_SELF_TEST_FROM_DATA, len(others))
    while count > 1 and _tokens(golden, [*edges, *evenly_spaced(others, count)]) > _SELF_TEST_TOKENS:
        count //= 2
    return (*edges, *evenly_spaced(others, count))


def _tokens(golden: Sequence[GoldenText], lines: Sequence[int]) -> int:
    return sum(len(golden[line - 1].ids) for line in lines)
