"""model + validation sentences -> golden texts: the bundle's self-test, with PyTorch's own logits."""

from collections.abc import Sequence

from mtl_export.model import MultiTaskModel
from mtl_runtime.bundle.golden import GoldenText
from mtl_runtime.core.sampling import evenly_spaced

__all__ = ["EDGE_TEXTS", "golden_texts"]

# Enough that a gate on another machine, which has no other sentences, can tell a good variant from a bad one.
_FROM_DATA = 200

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
