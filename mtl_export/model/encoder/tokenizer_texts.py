"""words of a vocabulary, special tokens -> a few hundred texts on which tokenizers differ, if they differ at all."""

import unicodedata
from collections.abc import Iterator, Sequence

# ruff: noqa: RUF001 - characters that look like others are meant

__all__ = ["make_comparison_texts"]

_WORDS = 48  # of the vocabulary
_SPECIAL_TOKENS = 24  # of them; some vocabularies reserve hundreds
_SCRIPTS = (
    "The quick brown fox jumps over the lazy dog.",
    "Ünïcödé naïve café façade Ångström Đường phố",
    "straße STRASSE ẞ ﬁnance ﬂow Ǆ ǅ ǆ Æsop œuvre",
    "İstanbul ISPARTA ılık Iğdır",
    "Ο ΟΔΥΣΣΕΥΣ ταξίδεψε· ΆΈΉ ΐ ΰ",
    "Привет, МИР! Ёжик и йод, ѐ Ї ґ",
    "Հայաստան საქართველო ᲡᲐᲥᲐᲠᲗᲕᲔᲚᲝ",
    "مَرْحَبًا بِالعَالَم ١٢٣ لا إله ـ",
    "שָׁלוֹם עוֹלָם",
    "नमस्ते दुनिया क्षत्रिय १२३",
    "สวัสดีชาวโลก ภาษาไทย",
    "你好，世界！中文abc中文 汉字 漢字 〇 𠮷",
    "こんにちは世界 カタカナ ｶﾀｶﾅ ひらがな ガ か\u3099",
    "안녕하세요 세계 \u1112\u1161\u11ab\u1100\u1173\u11af",
    "ｆｕｌｌ ｗｉｄｔｈ ＡＢＣ１２３ ① ② ½ x² H₂O ™ ℃ Ⅷ",
    "𝒜𝓁𝓅𝒽𝒶 𝕭𝖊𝖙𝖆 𐐀𐐨",
    "emoji 😀 👍🏽 👩‍👩‍👧‍👦 🇩🇪 ❤️ ☂ ©️ 1️⃣",
)
_SPACES = (
    "",
    " ",
    "   ",
    "\n",
    " a",
    "a ",
    "  two  spaces  ",
    "tab\tand\nnew\r\nline\rand\x0bmore\x0cfeeds",
    "no\u00a0break thin\u2009space em\u2003space ideographic\u3000space",
    "zero\u200bwidth word\u2060joiner soft\u00adhyphen \ufeffmark",
    "line\u2028separator paragraph\u2029separator next\u0085line",
)
_CONTROLS = (
    "null\x00byte",
    "bell\x07 escape\x1b[31m delete\x7f",
    "replacement \ufffd private \ue000 last \U0010ffff",
    "right\u202eto left\u202c \u200fmark\u200e",
)
_SIGNS = (
    "don't can't I'm we've she'll 'quoted' “curly” ‘single’ `tick` ''double''",
    "e.g. U.S.A. Mr. Smith's 3.14 1,000,000 -5 +7 50% $9.99 €10 £5 ¥100",
    "a-b a--b a—b a–b a_b a/b a\\b a|b a&b a@b a#b a*b a^b a~b a+b=c <b> {c} [d] (e)",
    "hello,world;hello:world!hello?world...hello…world",
    "https://example.org/path?query=1&other=two#part me@example.org @user #tag",
    "def f(x):\n    return x ** 2  # comment",
    "123 1234567890 12:30 2024-01-31 0x1F 1e-5",
    "! ? . , ; : - _ ' \" ( ) [ ] { } < > / \\ | @ # $ % ^ & * + = ~ `",
    "¿Qué? ¡No! « guillemets » „low“ ‚x‘ 、。「」・ ،؛؟ ।",
    "A a AA aA Aa aa ZZZ z",
)
_LONG = (
    "long " * 2000,
    "x" * 2000,
    "Ä" * 300,
    "。" * 700,
    "a\u0301" * 700,
    " " * 700,
)


def make_comparison_texts(vocabulary: Sequence[str], special_tokens: Sequence[str]) -> list[str]:
    """Texts with scripts, cases, accents, spaces, control characters, special tokens, and with nothing at all.

    Most texts of a small or foreign vocabulary would be unknown tokens for any tokenizer, and so tell nothing; so words
    of the vocabulary itself are among the texts, in several cases and with accents.

    Args:
        vocabulary: tokens in the order of their ids, with the marks of their model ("##", "▁", "Ġ", "</w>").
        special_tokens: such as "[SEP]".
    """
    words = sorted({_without_marks(token) for token in vocabulary if _without_marks(token).isalpha()})
    step = max(1, len(words) // _WORDS)
    return [
        *_SCRIPTS,
        *_SPACES,
        *_CONTROLS,
        *_SIGNS,
        *(text for word in words[::step][:_WORDS] for text in _variants(word)),
        *(text for token in special_tokens[:_SPECIAL_TOKENS] for text in _around(token, words[0] if words else "a")),
        *_LONG,
    ]


def _without_marks(token: str) -> str:
    return token.removeprefix("##").removesuffix("</w>").lstrip("▁Ġ")


def _variants(word: str) -> Iterator[str]:
    yield from dict.fromkeys((word, word.lower(), word.upper(), word.capitalize()))
    accented = word[0] + "\N{COMBINING ACUTE ACCENT}" + word[1:]
    yield from dict.fromkeys((accented, unicodedata.normalize("NFC", accented)))
    yield f" {word}  {word},{word}"
    yield f"中{word}"


def _around(token: str, word: str) -> Iterator[str]:
    yield from (token, f"{word} {token} {word}", f"{word}{token}{word}", token.lower(), token.upper())
