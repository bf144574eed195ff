"""tokenizer -> the reason why a text may cost it more than is bearable: it grows, or a regular expression backtracks.

Oniguruma, which runs the regular expressions, gives up after ten million steps from one character, which is a panic.
Below that, a pattern may still take the square of a text's length. This finds patterns that do so on repeated
characters; it cannot find each.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tokenizers import Tokenizer as HfTokenizer

from mtl_runtime.errors import TokenizerError
from mtl_runtime.text.tokenizer_checks import flatten_parts, part_content
from mtl_runtime.text.tokenizer_failure import describe_failure, is_tokenizer_failure

__all__ = ["check_growth", "check_time"]

_MOST_STEPS = 256  # of a normalizer
# NFKC makes 18 characters of one; a normalizer may also put a few in front of a text.
_MOST_GROWTH, _MOST_ADDED = 32, 1_000

_MOST_SECONDS = 5.0  # for a text of max_text_bytes
_MOST_BYTES = 2**17  # of that text; short runs do not show what longer ones take
# Characters in a run; each length is tried only if the one before was quick. The square shows in the last two.
_LENGTHS = (8, 24, 48, 128, 512)
# Tried where those show too much of a square, which a processor that slows down in between does too. At 8,192, a
# square that takes 5 s for 128 KiB takes 20 ms, and what grows with the length alone about 4.
_LONGER = (2_048, 8_192)
_DISTURBED = 0.05  # seconds below which something else may have taken the time
_ORDINARY = ("a", "A", "aA", "1", "a1", " ", "a ", "\n", " \n", "\t", ".", "-", "'", "_", "é", "中", "\u0301")
_OWN_CHARACTERS = 12  # of the patterns, each of which is repeated too
_END = "\ue000"  # after a run, so that what needs another character there fails
# Only Windows counts the time of a thread in steps of 16 ms; elsewhere other programs do not disturb it.
_clock = time.thread_time if time.get_clock_info("thread_time").resolution < 1e-4 else time.perf_counter


class _Cost(NamedTuple):
    """What a text costs, from the times of short ones."""

    linear: float  # seconds for each byte
    square: float = 0.0  # seconds for each pair of bytes

    def seconds(self, size: int) -> float:
        """Of a text of ``size`` bytes."""
        return self.linear * size + self.square * size**2


def check_growth(tokenizer: HfTokenizer) -> None:
    """Let the normalizer's steps one by one change a short text.

    Raises:
        TokenizerError: the text becomes too long, a step fails, or there are too many.
    """
    steps = list(flatten_parts(part_content(tokenizer.normalizer), "normalizers"))
    if len(steps) > _MOST_STEPS:
        raise TokenizerError(f"has a normalizer with {len(steps):,} steps, and {_MOST_STEPS} is the limit")
    replaced = "".join(pattern for step in steps for pattern in _strings(step.get("pattern")))
    text = "aA1 .中é\n" * 8 + replaced[:1_000]
    longest = _MOST_GROWTH * len(text) + _MOST_ADDED
    for step in steps:
        text = _call(_build_normalizer(step).normalize_str, text)
        if len(text) > longest:
            raise TokenizerError(
                f"has a normalizer ({step['type']}) that makes a text over {_MOST_GROWTH} times as long"
            )


def _build_normalizer(step: dict[str, Any]) -> Any:
    model = {"type": "WordLevel", "vocab": {}, "unk_token": ""}
    return HfTokenizer.from_str(json.dumps({"normalizer": step, "model": model, "added_tokens": []})).normalizer


def check_time(tokenizer: HfTokenizer, max_text_bytes: int) -> None:
    """Estimate how long the tokenizer's own regular expressions take for repeated characters.

    Raises:
        TokenizerError: more than 5 s of a core for ``max_text_bytes`` (128 KiB if it is more), or a pattern gives up.
    """
    size = min(max(max_text_bytes, 1), _MOST_BYTES)
    readers = list(_find_readers(tokenizer))
    own = dict.fromkeys(character for patterns, _ in readers for pattern in patterns for character in pattern)
    runs = dict.fromkeys((*_ORDINARY, *list(own)[:_OWN_CHARACTERS]))
    for _, read in readers:
        for run in runs:
            cost = _measure(read, run, size)
            if cost.seconds(size) > _MOST_SECONDS:
                raise TokenizerError(_describe_cost(run, cost, size))


def _find_readers(tokenizer: HfTokenizer) -> Iterator[tuple[list[str], Callable[[str], object]]]:
    """Of the normalizer and the pre-tokenizer those that have regular expressions, with these."""
    for part, name, key in (
        (tokenizer.normalizer, "normalize_str", "normalizers"),
        (tokenizer.pre_tokenizer, "pre_tokenize_str", "pretokenizers"),
    ):
        parts = flatten_parts(part_content(part), key)
        patterns = [pattern["Regex"] for part in parts if "Regex" in (pattern := part.get("pattern") or {})]
        if patterns:
            yield patterns, getattr(part, name)


def _measure(read: Callable[[str], object], run: str, size: int) -> _Cost:
    cost = _measure_lengths(read, run, size, _LENGTHS, tries=1)
    # Without a square, a single length took more than its share, which needs no longer one.
    if cost.seconds(size) > _MOST_SECONDS and cost.square:
        cost = _measure_lengths(read, run, size, _LONGER, tries=3)
    return cost


def _measure_lengths(read: Callable[[str], object], run: str, size: int, lengths: Sequence[int], tries: int) -> _Cost:
    """The cost by the last two lengths, or by the first that alone takes too much for its share of ``size``."""
    seconds: dict[int, float] = {}
    for length in lengths:
        bearable = _MOST_SECONDS * length / size
        # A delay in the shorter of the last two would hide a square.
        seconds[length] = _least_time(read, run, length, 3 if length == lengths[-2] else tries)
        if bearable < seconds[length] < _DISTURBED:
            seconds[length] = _least_time(read, run, length, 3)
        if seconds[length] > bearable:
            return _Cost(seconds[length] / length)
    return _fit(seconds, *lengths[-2:])


def _fit(seconds: Mapping[int, float], short: int, long: int) -> _Cost:
    """The cost that both times show; ``long`` is a multiple of ``short``."""
    square = max(0.0, (seconds[long] - long // short * seconds[short]) / (long * (long - short)))
    return _Cost(seconds[long] / long - square * long, square)


def _least_time(read: Callable[[str], object], run: str, length: int, tries: int) -> float:
    return min(_time(read, run, length) for _ in range(tries))


def _time(read: Callable[[str], object], run: str, length: int) -> float:
    text = run * (length // len(run)) + _END
    started = _clock()
    _call(read, text)
    return _clock() - started


def _call(read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except BaseException as error:
        if not is_tokenizer_failure(error):
            raise
        raise TokenizerError(f"cannot read {text[:8]!a}...: {describe_failure(error)}") from error


def _describe_cost(run: str, cost: _Cost, size: int) -> str:
    bearable = size
    while bearable and cost.seconds(bearable) > _MOST_SECONDS:
        bearable //= 2
    return (
        f"has regular expressions that take about {cost.seconds(size):,.0f} s for {run!a} repeated to "
        f"{size:,} bytes; {_MOST_SECONDS:.0f} s is the limit, which max_text_bytes={bearable} keeps"
    )


def _strings(pattern: Any) -> Iterator[str]:
    """The text of a pattern, which is a String or a Regex."""
    yield from (pattern or {}).values()
