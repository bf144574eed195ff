"""content of a sound tokenizer.json -> hostile ones: a table, for tests and for a run over all of them.

The sound one is a WordPiece tokenizer with ``[CLS]`` and ``[SEP]`` around a text, as BERT's.
"""

import base64
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["HOSTILE_TOKENIZERS", "HostileTokenizer"]

_Content = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileTokenizer:
    """A change of tokenizer.json, and what has to come of it."""

    change: Callable[[_Content], _Content]  # leaves what it is given as it is
    # Regular expression of the line with which the bundle is refused; None: it loads, and answers as before.
    refused: str | None = None
    fails_at: str | None = None  # the bundle loads, and this text is refused with its index, others are not


def _edit(edit: Callable[[_Content], object]) -> Callable[[_Content], _Content]:
    """A change that ``edit`` makes in place."""

    def change(content: _Content) -> _Content:
        changed = copy.deepcopy(content)
        edit(changed)
        return changed

    return change


def _with(**parts: object) -> Callable[[_Content], _Content]:
    """The change of whole parts of the file."""
    return _edit(lambda content: content.update(parts))


def _without_token(token: str) -> Callable[[_Content], _Content]:
    def edit(content: _Content) -> None:
        content["model"]["vocab"].pop(token)
        content["added_tokens"] = [added for added in content["added_tokens"] if added["content"] != token]

    return _edit(edit)


def _vocabulary(token: str, index: object) -> Callable[[_Content], _Content]:
    return _edit(lambda content: content["model"]["vocab"].update({token: index}))


def _first_free_id(content: _Content) -> int:
    return int(max(content["model"]["vocab"].values())) + 1


def _added(*tokens: str, index: int | None = None) -> Callable[[_Content], _Content]:
    def edit(content: _Content) -> None:
        for token in tokens:
            flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
            place = _first_free_id(content) if index is None else index
            content["added_tokens"].append({"id": place, "content": token, **flags})

    return _edit(edit)


def _cls(**values: object) -> Callable[[_Content], _Content]:
    return _edit(lambda content: content["post_processor"]["special_tokens"]["[CLS]"].update(values))


def _single(edit: Callable[[list[Any]], object]) -> Callable[[_Content], _Content]:
    return _edit(lambda content: edit(content["post_processor"]["single"]))


def _template(*pieces: _Content) -> Callable[[_Content], _Content]:
    return _edit(lambda content: content["post_processor"].update(single=pieces))


def _unigram(*pieces: tuple[str, float], unk_id: int | None) -> Callable[[_Content], _Content]:
    return _with(model={"type": "Unigram", "unk_id": unk_id, "vocab": pieces}, post_processor=None, added_tokens=[])


def _bpe(
    vocabulary: Mapping[str, int], merges: list[list[str]], unknown: str | None = None
) -> Callable[[_Content], _Content]:
    model = {"type": "BPE", "vocab": vocabulary, "merges": merges, "unk_token": unknown}
    return _with(model=model, post_processor=None, added_tokens=[])


def _precompiled(charsmap: bytes | str) -> Callable[[_Content], _Content]:
    encoded = charsmap if isinstance(charsmap, str) else base64.b64encode(charsmap).decode()
    return _with(normalizer={"type": "Precompiled", "precompiled_charsmap": encoded})


def _charsmap(trie: bytes, normalized: bytes) -> Callable[[_Content], _Content]:
    return _precompiled(len(trie).to_bytes(4, "little") + trie + normalized)


def _split(regex: str) -> Callable[[_Content], _Content]:
    return _with(pre_tokenizer={"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False})


def _replace(pattern: Mapping[str, str], content: str) -> _Content:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _normalizers(*steps: _Content) -> Callable[[_Content], _Content]:
    return _with(normalizer={"type": "Sequence", "normalizers": steps})


def _nested(depth: int) -> _Content:
    step: _Content = {"type": "Lowercase"}
    for _ in range(depth):
        step = {"type": "Sequence", "normalizers": [step]}
    return step


_SECOND_TEXT = {"Sequence": {"id": "B", "type_id": 0}}
_TEXT = {"Sequence": {"id": "A", "type_id": 0}}
_CLS = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
_UNREADABLE = "tokenizer.json cannot be read: "
_BEYOND_TABLE = r"tokenizer.json has a token with the id [\d,]+, and the encoder's embedding table has [\d,]+ rows"
_SLOW = r"tokenizer.json has regular expressions that take about [\d,]+ s for "
# Which of the two comes first depends on the machine.
_BACKTRACKS = f"{_SLOW}|tokenizer.json cannot read .*: Onig: Regex search error: retry-limit-in-match over"
_GROWS = r"tokenizer.json has a normalizer \((Replace|Prepend)\) that makes a text over 32 times as long"

_REFUSED: Mapping[str, tuple[Callable[[_Content], _Content], str]] = {
    # the file
    "a list": (lambda _: {"": []}, _UNREADABLE),
    "no model": (_edit(lambda content: content.pop("model")), f"{_UNREADABLE}Model missing"),
    "another version": (_with(version="9.9"), _UNREADABLE),
    "a part of no known kind": (_with(normalizer={"type": "Shell"}), _UNREADABLE),
    # the vocabulary
    "no vocabulary": (
        _edit(lambda content: (content["model"].update(vocab={}), content.update(added_tokens=[]))),
        "tokenizer.json has an empty vocabulary",
    ),
    "no unknown token": (_without_token("[UNK]"), r"cannot read .*: WordPiece error: Missing \[UNK\] token"),
    "another unknown token": (
        _edit(lambda content: content["model"].update({"unk_token": "[NONE]"})),
        r"cannot read .*: WordPiece error: Missing \[UNK\] token",
    ),
    "no [CLS]": (_without_token("[CLS]"), r"puts '\[CLS\]' with the id \d+ around a text, .* has no such token"),
    "no [SEP]": (_without_token("[SEP]"), r"puts '\[SEP\]' with the id \d+ around a text, .* has no such token"),
    "a word of id 2^31": (_vocabulary("a", 2**31), _BEYOND_TABLE),
    "a word of id 2^32 - 1": (_vocabulary("a", 2**32 - 1), _BEYOND_TABLE),
    "a word of id 2^32": (_vocabulary("a", 2**32), _UNREADABLE),
    "a word of id -1": (_vocabulary("a", -1), _UNREADABLE),
    "a word of id 1.5": (_vocabulary("a", 1.5), _UNREADABLE),
    "a word right beyond the table": (
        _edit(lambda content: content["model"]["vocab"].update(extra=_first_free_id(content))),
        _BEYOND_TABLE,
    ),
    "an added token beyond the table": (_added("extra"), _BEYOND_TABLE),
    "words without a limit": (
        _edit(lambda content: content["model"].update(max_input_chars_per_word=2**40)),
        "tokenizer.json reads words of up to 1,099,511,627,776 characters",
    ),
    "a Unigram without pieces": (_unigram(unk_id=None), "tokenizer.json has an empty vocabulary"),
    "a Unigram without unknown piece": (
        _unigram(("a", -1.0), ("b", -2.0), unk_id=None),
        "cannot read .*: Encountered an unknown token but `unk_id` is missing",
    ),
    "a Unigram whose unknown piece is not there": (_unigram(("a", -1.0), unk_id=7), _UNREADABLE),
    "words without unknown word": (
        _with(model={"type": "WordLevel", "unk_token": "[UNK]", "vocab": {"a": 0}}, post_processor=None),
        r"cannot read .*: WordLevel error: Missing \[UNK\] token",
    ),
    "BPE without unknown token": (
        _bpe({"a": 0}, [], "[UNK]"),
        "cannot read .*: Unk token `\\[UNK\\]` not",
    ),
    "BPE that merges unknown tokens": (_bpe({"a": 0}, [["a", "b"]]), f"{_UNREADABLE}Token `b` out of vocabulary"),
    "BPE that knows a snowman": (_bpe({"\u2603": 0}, []), "tokenizer.json gives no token of any text"),
    # what is put around a text
    "a template with a second text": (_single(lambda single: single.append(_SECOND_TEXT)), "takes A and B in place of"),
    "a template with the second text alone": (_template(_SECOND_TEXT), "takes B in place of A"),
    "a template without text": (_template(_CLS), "takes no text in place of A"),
    "a template with the text twice": (_single(lambda single: single.append(_TEXT)), "takes A and A in place of A"),
    "a template with an undefined token": (
        _edit(lambda content: content["post_processor"].update(special_tokens={})),
        r"has a template with the token '\[CLS\]', which it does not define",
    ),
    "a template with another id": (_cls(ids=[7]), r"puts '\[CLS\]' with the id 7 around a text"),
    "a template with the id 2^32 - 1": (_cls(ids=[2**32 - 1]), r"puts '\[CLS\]' with the id 4294967295 around"),
    "a template with a negative id": (_cls(ids=[-1]), _UNREADABLE),
    "a template with three ids for a token": (_cls(ids=[2, 3, 4]), "in which a token has 4 ids and 2 names"),
    "a template that fills the encoder": (
        _single(lambda single: single.extend([_CLS] * 4096)),
        "adds 4098 special tokens, so that .* leave no room for a text",
    ),
    "types that the graph does not take": (
        _single(lambda single: single[0]["SpecialToken"].update(type_id=1)),
        "marks tokens with a type other than 0",
    ),
    "a type of 2^32 - 1": (
        _single(lambda single: single[0]["SpecialToken"].update(type_id=2**32 - 1)),
        "marks tokens with a type other than 0",
    ),
    "BERT's ends with other ids": (
        _with(post_processor={"type": "BertProcessing", "cls": ["[CLS]", 99_998], "sep": ["[SEP]", 99_999]}),
        r"puts '\[CLS\]' with the id 99998 around a text",
    ),
    "RoBERTa's ends": (
        _with(
            post_processor={
                "type": "RobertaProcessing",
                "cls": ["<s>", 0],
                "sep": ["</s>", 2],
                "trim_offsets": True,
                "add_prefix_space": True,
            }
        ),
        "puts '<s>' with the id 0 around a text, and its vocabulary has no such token",
    ),
    # character maps
    "a map that is not base64": (_precompiled("!!"), _UNREADABLE),
    "an empty map": (_precompiled(b""), _UNREADABLE),
    "a map of one byte": (_precompiled(b"\x01"), _UNREADABLE),
    "a map that promises 4 GB": (_precompiled(b"\xff" * 4), _UNREADABLE),
    "a map that is not UTF-8": (_charsmap(bytes(64), b"\xff\xfe\x00"), _UNREADABLE),
    "a map with a trie of zeros": (_charsmap(bytes(4), b""), "cannot read .*: index out of bounds"),
    "a map with a trie of two zeros": (_charsmap(bytes(8), b""), "cannot read .*: index out of bounds"),
    "a map with a trie of noise": (_charsmap(bytes(range(64)), b"abc\x00"), "cannot read .*: index out of bounds"),
    "a map with a trie of ones": (_charsmap(b"\xff" * 64, b"abc\x00"), "cannot read .*: index out of bounds"),
    # how a text is split
    "pieces of no characters": (
        _with(pre_tokenizer={"type": "FixedLength", "length": 0}),
        f"cannot read .*: chunk size must be non-zero|{_UNREADABLE}",  # tokenizers 0.21 has no such part
    ),
    "an expression that does not parse": (_split("("), _UNREADABLE),
    "nested repeats": (_split("(a+)+$"), _BACKTRACKS),
    "repeats of alternatives": (_split("(x|xx)+y"), _BACKTRACKS),
    "a repeat up to the end": (_split(r"\s+$"), _BACKTRACKS),
    "two repeats": (_split("a+a+b"), _BACKTRACKS),
    "a class and a digit": (_split("[a-z]+[0-9]"), _BACKTRACKS),
    "a reference back": (_split(r"(a+)\1b"), _BACKTRACKS),
    "a bounded repeat of alternatives": (_split("(a|aa){1,16}b"), _BACKTRACKS),
    "a normalizer that backtracks": (_normalizers(_replace({"Regex": "(x|xx)+y"}, "z")), _BACKTRACKS),
    "a normalizer that searches the end": (_normalizers(_replace({"Regex": r" +$"}, "")), _BACKTRACKS),
    # texts that grow
    "a megabyte for a space": (_normalizers(_replace({"String": " "}, "x" * 2**20)), _GROWS),
    "a word between all characters": (_normalizers(_replace({"String": ""}, "x" * 100)), _GROWS),
    "24 doublings": (_normalizers(*[_replace({"String": "q"}, "qq")] * 24), _GROWS),
    "24 doublings of every character": (_normalizers(*[_replace({"Regex": "(.)"}, "xx")] * 24), _GROWS),
    "a megabyte in front": (_normalizers({"type": "Prepend", "prepend": "x" * 2**20}), _GROWS),
    "5,000 steps": (_normalizers(*[{"type": "Lowercase"}] * 5_000), "has a normalizer with 5,000 steps"),
    "sequences 200 deep": (_with(normalizer=_nested(200)), f"{_UNREADABLE}recursion limit exceeded"),
}

_HARMLESS: Mapping[str, Callable[[_Content], _Content]] = {
    "padding to 512 tokens": _with(
        padding={
            "strategy": {"Fixed": 512},
            "direction": "Left",
            "pad_to_multiple_of": None,
            "pad_id": 2**32 - 1,
            "pad_type_id": 9,
            "pad_token": "[PAD]",
        }
    ),
    "truncation from the left": _with(
        truncation={"direction": "Left", "max_length": 1, "strategy": "OnlySecond", "stride": 0}
    ),
    "a second text without a template": _edit(lambda content: content["post_processor"].update(pair=[_TEXT])),
    "an added token of no characters": _added("", index=0),
    "a number like an id in a word": _vocabulary('x": 99999999', 0),
    "sequences 40 deep": _edit(
        lambda content: content.update(
            normalizer={"type": "Sequence", "normalizers": [_nested(40), content["normalizer"]]}
        )
    ),
}

_FAILS_AT: Mapping[str, tuple[Callable[[_Content], _Content], str]] = {
    "a split that backtracks on two characters": (_split("(zq|zqzq)+y"), "zq" * 500),
    "a normalizer that backtracks on two characters": (
        _normalizers(_replace({"Regex": "(zq|zqzq)+y"}, "z")),
        "zq" * 500,
    ),
}

HOSTILE_TOKENIZERS: Mapping[str, HostileTokenizer] = {
    **{name: HostileTokenizer(change=change, refused=line) for name, (change, line) in _REFUSED.items()},
    **{name: HostileTokenizer(change=change) for name, change in _HARMLESS.items()},
    **{name: HostileTokenizer(change=change, fails_at=text) for name, (change, text) in _FAILS_AT.items()},
}
