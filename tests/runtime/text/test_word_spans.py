"""Which characters of a text are one word, whatever tokens a tokenizer makes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as HfTokenizer
from tokenizers import models, pre_tokenizers, processors

from mtl_runtime.text.tokenizer import Tokenizer
from mtl_runtime.text.word_spans import word_spans

pieces = [
    "good",
    "wasn't",
    "'",
    ".",
    "é",
    "e\u0301",
    "中",
    "国",
    "👍🏽",
    "👩\u200d👧",
    "नि",
    "ไทย",
    "_",
    "x1",
    " ",
    "\n",
    "\u200d",
]
any_text = st.lists(st.sampled_from(pieces) | st.text(max_size=3), max_size=12).map("".join)


def byte_level(*, trim):
    """As roberta's: a character outside of ASCII is several tokens of the same span."""
    vocabulary = {token: index for index, token in enumerate(["<s>", "</s>", *pre_tokenizers.ByteLevel.alphabet()])}
    tokenizer = HfTokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), trim_offsets=trim)
    return tokenizer


def metaspace():
    """As xlm-roberta's: spaces are tokens or parts of tokens."""
    known = ["▁", "▁good", "▁so", "up", *"中国éabcdeghiknopstuvx1_,'\u2019\u0308👍🏽👩\u200d👧"]
    scores = [("<unk>", -20.0), ("<s>", 0.0), *((piece, -2.0) for piece in known)]
    tokenizer = HfTokenizer(models.Unigram(scores, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


TOKENIZERS = {
    "byte level": byte_level(trim=False),
    "byte level, trimmed": byte_level(trim=True),
    "metaspace": metaspace(),
}


@pytest.fixture(scope="module")
def tokenizers(classifier):
    fakes = {name: Tokenizer.from_bytes(it.to_str().encode(), max_length=200) for name, it in TOKENIZERS.items()}
    return {"word pieces": classifier.tokenizer, **fakes}


@given(st.sampled_from(["word pieces", *TOKENIZERS]), any_text, st.sampled_from(["word", "token"]))
def test_parts_are_pieces_of_the_text_in_order_and_hold_each_token_that_stands_for_characters_once(
    tokenizers, which, text, by
):
    _, spans = tokenizers[which].encode_with_spans(text)
    parts = word_spans(text, spans, by=by)
    bounds = [bound for part in parts for bound in (part.start, part.end)]
    assert bounds == sorted(bounds)
    assert all(part.start < part.end for part in parts)
    places = sorted(place for part in parts for place in part.tokens)
    assert places == [(0, index) for index, (start, end) in enumerate(spans[0]) if start < end]


@pytest.mark.parametrize("which", ["word pieces", *TOKENIZERS])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("good  soup, é 中国", ["good", "soup", ",", "é", "中", "国"]),
        ("It's nai\u0308ve\u2019s", ["It's", "nai\u0308ve\u2019s"]),
        ("'good'", ["'", "good", "'"]),
        ("👍🏽 👩\u200d👧", ["👍🏽", "👩\u200d👧"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("snake_case x1", ["snake_case", "x1"]),
    ],
)
def test_words_are_those_that_a_reader_sees_whatever_the_tokens(tokenizers, which, text, expected):
    _, spans = tokenizers[which].encode_with_spans(text)
    assert [text[part.start : part.end] for part in word_spans(text, spans, by="word")] == expected
