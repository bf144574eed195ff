"""A tokenizer is tried when it is loaded; what it cannot read later is one text's error."""

import itertools
import json
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex
from tokenizers import Tokenizer as HfTokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

from mtl_runtime.bundle.manifest import EncoderSpec
from mtl_runtime.core.silent_thread import run_silently
from mtl_runtime.errors import InvalidTextError, RecordError, TokenizerError
from mtl_runtime.loading.load import load
from mtl_runtime.text import tokenizer_cost
from mtl_runtime.text.token_ids import _at_least, check_token_ids
from mtl_runtime.text.tokenizer import Tokenizer

# Expressions of published tokenizers, which repeat characters without limit.
PUBLISHED = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)"
    r"|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
]


@pytest.fixture
def content(bundle_path):
    return json.loads((bundle_path / "tokenizer.json").read_text("utf-8"))


def build(content, **options):
    return Tokenizer.from_bytes(json.dumps(content).encode(), max_length=16, **options)


def split(regex):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


@pytest.mark.parametrize("max_text_bytes", [0, 2**16, 2**40])
@pytest.mark.parametrize("regex", PUBLISHED)
def test_expressions_of_published_tokenizers_are_accepted(regex, content, max_text_bytes):
    build({**content, "pre_tokenizer": split(regex)}, max_text_bytes=max_text_bytes)


def test_an_expression_that_takes_the_square_of_a_length_is_accepted_for_short_texts(content):
    slow = {**content, "pre_tokenizer": split(r"\s+$")}
    with pytest.raises(TokenizerError, match=r"for ' ' repeated to 65,536 bytes; 5 s is the limit") as caught:
        build(slow)
    (bearable,) = re.findall(r"max_text_bytes=(\d+)", str(caught.value))
    build(slow, max_text_bytes=int(bearable) // 4)


SLOWER = st.lists(st.floats(1, 2), min_size=1, max_size=50)


def check_time(seconds, slower):
    """Check a tokenizer to which a text of n bytes takes ``seconds(n)``, times the factors of ``slower`` in turn."""
    tokenizer = HfTokenizer(WordLevel({}, unk_token=""))
    tokenizer.pre_tokenizer = Split(Regex(r"\s+$"), "isolated")
    factors = itertools.cycle(slower)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizer_cost, "_time", lambda read, run, length: next(factors) * seconds(length))
        tokenizer_cost.check_time(tokenizer, max_text_bytes=2**17)


@given(slower=SLOWER)
def test_a_processor_that_slows_down_by_half_does_not_make_a_square_of_a_linear_time(slower):
    check_time(lambda size: 1e-6 * size, slower)


@given(slower=SLOWER)
def test_a_processor_that_slows_down_by_half_does_not_hide_a_square(slower):
    with pytest.raises(TokenizerError, match=r"5 s is the limit"):
        check_time(lambda size: 13 * (size / 2**17) ** 2, slower)


@pytest.mark.parametrize("delay", [0.002, 0.01, 0.04])
def test_a_time_that_something_else_disturbed_is_measured_again(content, monkeypatch, delay):
    content["pre_tokenizer"] = split(" ")
    readings = itertools.count()

    def clock():
        # Every tenth time is too long.
        return delay * sum(1 for reading in range(next(readings) + 1) if reading % 20 == 1)

    monkeypatch.setattr(tokenizer_cost, "_clock", clock)
    build(content)
    assert next(readings) > 100


def test_a_delay_at_a_short_length_does_not_hide_a_square(monkeypatch):
    delays = itertools.chain.from_iterable(itertools.repeat([1e-3, 0.0]))
    monkeypatch.setattr(
        tokenizer_cost,
        "_time",
        lambda read, run, length: 20 * (length / 2**17) ** 2 + (next(delays) if length == 128 else 0.0),
    )
    cost = tokenizer_cost._measure(None, "a", 2**17)
    assert cost.seconds(2**17) == pytest.approx(20, rel=0.01)


def test_a_tokenizer_with_dropout_gives_a_text_the_same_tokens_each_time(content):
    letters = {letter: index for index, letter in enumerate("abcdefgh")}
    merges = [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]]
    vocabulary = letters | {"".join(pair): 8 + index for index, pair in enumerate(merges)}
    content["model"] = {"type": "BPE", "vocab": vocabulary, "merges": merges, "dropout": 0.5}
    content["post_processor"] = None
    tokenizer = build(content)
    assert {text.ids for text in tokenizer.encode(["abcdefgh"] * 50)} == {(8, 9, 10, 11)}
    assert json.loads(tokenizer.to_json())["model"]["dropout"] is None


@given(number=st.integers(1, 10**6), other=st.integers(0, 2**33))
def test_the_expression_for_large_ids_matches_these_alone(number, other):
    assert bool(re.fullmatch(_at_least(number), str(other).encode())) == (other >= number)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (",", "\t:\n")])
def test_an_id_beyond_the_table_is_found_however_the_file_is_written(content, separators):
    content["model"]["vocab"]["good"] = 1_000
    data = json.dumps(content, separators=separators).encode()
    tokenizer = Tokenizer.from_bytes(data, max_length=16)
    check_token_ids(tokenizer, data, vocab_size=1_001, token_types=False)
    check_token_ids(tokenizer, data, vocab_size=None, token_types=False)
    with pytest.raises(TokenizerError, match="the id 1,000, and the encoder's embedding table has 1,000 rows"):
        check_token_ids(tokenizer, data, vocab_size=1_000, token_types=False)


def test_types_are_allowed_where_the_graph_takes_them(content):
    content["post_processor"]["single"][1]["Sequence"]["type_id"] = 1
    tokenizer, data = build(content), json.dumps(content).encode()
    check_token_ids(tokenizer, data, vocab_size=None, token_types=True)
    with pytest.raises(TokenizerError, match="a type other than 0"):
        check_token_ids(tokenizer, data, vocab_size=None, token_types=False)


def test_a_bundle_that_does_not_say_how_many_rows_its_table_has_is_read(version_1_copy):
    classifier = load(version_1_copy, variant="cpu-fp32")
    assert classifier.encoder.vocab_size is None
    assert classifier("a good soup")["sentiment"].value == "positive"


def test_a_table_has_a_row_for_padding():
    sizes = {"hidden_size": 8, "max_length": 16, "pad_id": 7, "vocab_size": 7}
    with pytest.raises(RecordError, match="vocab_size: 7 rows have none for pad_id 7"):
        EncoderSpec(family="tiny", source="by hand", pooling="mean", **sizes)


def test_a_panic_in_a_batch_names_its_text_and_leaves_the_tokenizer_usable(content):
    tokenizer = build({**content, "pre_tokenizer": split("(zq|zqzq)+y")})
    with pytest.raises(InvalidTextError, match=r"^text 1: tokenizer\.json cannot read it \(Onig: .*retry-limit"):
        tokenizer.encode(["good", "zq" * 500, "bad"])
    with pytest.raises(InvalidTextError, match=r"^text 0: "):
        tokenizer.encode_with_spans("zq" * 500)
    assert [len(text) for text in tokenizer.encode(["good", "bad"])] == [3, 3]


def test_what_a_signal_handler_raises_while_a_text_is_read_passes_through(content, monkeypatch):
    class CallersError(Exception):
        pass

    class Interrupted:
        def encode(self, text):
            raise CallersError

        def encode_batch_fast(self, texts):
            raise CallersError

    tokenizer = Tokenizer(Interrupted(), 16, None)
    for texts in (["one"], ["one", "two"]):
        with pytest.raises(CallersError):
            tokenizer.encode(texts)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no file descriptors for a single thread")
def test_only_the_silent_thread_has_no_stderr():
    code = (
        "import os, subprocess, sys\n"
        "from mtl_runtime.core.silent_thread import run_silently\n"
        "def write():\n"
        "    try:\n"
        "        os.write(2, b'raw')\n"
        "    except OSError:\n"
        "        return 'closed'\n"
        "print(run_silently(write))\n"
        "subprocess.run([sys.executable, '-c', 'import os; os.write(2, b\"child \")'], check=True)\n"
        "os.write(2, b'parent')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("closed\n", "child parent")


def test_the_silent_thread_raises_what_its_work_raises():
    with pytest.raises(ZeroDivisionError):
        run_silently(lambda: 1 // 0)


@pytest.mark.parametrize("spelling", [b"Precompiled", rb"Pre\u0063ompiled", rb"\u0050recompiled"])
def test_a_panic_while_parsing_is_silent_however_its_cause_is_spelt(content, capfd, spelling):
    content["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": "!!"}
    data = json.dumps(content, ensure_ascii=False).encode().replace(b'"Precompiled"', b'"' + spelling + b'"')
    with pytest.raises(TokenizerError, match="cannot be read"):
        Tokenizer.from_bytes(data, max_length=16)
    assert capfd.readouterr() == ("", "")
