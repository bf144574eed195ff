"""many ragged calls from several threads -> Soak: is memory steady, is every answer the one given alone?"""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mtl_bench.processes.worker_process import start_worker
from mtl_bench.studies.runtime.bench import Bench
from mtl_bench.studies.runtime.results import Line, Soak, circumstances
from mtl_bench.worker.child import Worker
from mtl_runtime import Classifier, Prediction, load
from mtl_runtime.bundle.gate_config import limits_for, precision_of

__all__ = ["WANTED_GROWTH", "prepare", "ragged_texts", "soak"]

WANTED_GROWTH = 1.10
_THREADS = 8
_EARLY_SHARE = 10  # the first tenth of the calls: 1,000 of 10,000
_TEXTS = 512  # that calls draw from
_MOST_WORDS = 200
_MOST_IN_A_CALL = 3
_SEED = 0


def soak(bench: Bench) -> Soak:
    """Let a fresh process answer all calls, and ask for its memory after the first tenth and at the end."""
    now = circumstances(bench.sentences)
    calls = bench.amounts.soak_calls
    bench.report(f"{calls} calls from {_THREADS} threads")
    words = sorted({word for text in bench.sentences.texts for word in text.split()})
    with start_worker(
        f"{__name__}:prepare", bundle=str(bench.bundle.path), texts=ragged_texts(words, _TEXTS), calls=calls
    ) as process:
        found: Mapping[str, Any] = process.run("soak").value
    doubts = (f"{found['wrong']} answers are not those given alone",) if found["wrong"] else ()
    growth = found["end_bytes"] / found["early_bytes"]
    line = Line.of(
        f"memory after {calls} calls, times that after {found['early_calls']}",
        "times",
        (growth,),
        at_most=WANTED_GROWTH,
        doubts=doubts,
    )
    return Soak(
        circumstances=now,
        lines=(line,),
        variant=process.facts["variant"],
        threads=_THREADS,
        calls=calls,
        **found,
    )


def ragged_texts(words: Sequence[str], count: int) -> list[str]:
    """Texts of 1 to 200 words, most of them short: their number of words is log-uniform."""
    generator = np.random.default_rng(_SEED)
    lengths = np.rint(_MOST_WORDS ** generator.random(count)).astype(int)
    return [" ".join(generator.choice(words, length)) for length in lengths]


def prepare(*, bundle: str, texts: Sequence[str], calls: int) -> Worker:
    """In the child: the classifier that ``load`` gives."""
    classifier = load(bundle)
    return Worker({"soak": lambda: _soaked(classifier, texts, calls)}, {"variant": classifier.info.variant})


@dataclass(slots=True)
class _Tally:
    """What the threads found."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    texts: int = 0
    wrong: int = 0
    largest: float = 0.0

    def add(self, wrong: int, differences: Sequence[float]) -> None:
        with self.lock:
            self.texts += len(differences)
            self.wrong += wrong
            self.largest = max(self.largest, *differences)


def _soaked(classifier: Classifier, texts: Sequence[str], calls: int) -> Mapping[str, Any]:
    gate, precision = classifier.manifest.gate, precision_of(classifier.info.variant)
    tie = max(limits_for(gate, task, precision).tie for task in classifier.tasks)
    alone = [classifier(text) for text in texts]
    tally = _Tally()

    def call(number: int) -> None:
        generator = np.random.default_rng(number)
        chosen = generator.integers(0, len(texts), generator.integers(1, _MOST_IN_A_CALL + 1)).tolist()
        answers = classifier([texts[index] for index in chosen])
        pairs = [(answer, alone[index]) for answer, index in zip(answers, chosen, strict=True)]
        tally.add(sum(_wrong(*pair, tie) for pair in pairs), [_difference(*pair) for pair in pairs])

    early, start = max(1, calls // _EARLY_SHARE), time.perf_counter()
    with ThreadPoolExecutor(_THREADS) as pool:
        _shared_out(pool, call, range(early))
        early_bytes = _resident_bytes()
        _shared_out(pool, call, range(early, calls))
        end_bytes = _resident_bytes()
    return {
        "texts": tally.texts,
        "early_calls": early,
        "early_bytes": early_bytes,
        "end_bytes": end_bytes,
        "tie": tie,
        "largest_difference": tally.largest,
        "wrong": tally.wrong,
        "seconds": time.perf_counter() - start,
    }


def _shared_out(pool: ThreadPoolExecutor, call: Callable[[int], None], numbers: Sequence[int]) -> None:
    """Each thread takes the next number when it has done one: nothing queues up that memory would count."""
    waiting, lock = iter(numbers), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                number = next(waiting, None)
            if number is None:
                return
            call(number)

    for thread in [pool.submit(work) for _ in range(_THREADS)]:
        thread.result()


def _difference(answer: Prediction, expected: Prediction) -> float:
    """Largest of a logit, over all tasks."""
    pairs = ((answer[task].logits, expected[task].logits) for task in expected)
    return float(max(np.abs(np.subtract(given, alone)).max() for given, alone in pairs))


def _wrong(answer: Prediction, expected: Prediction, tie: float) -> bool:
    """Whether a logit is off by more than rounding, or a label is another one that was no tie."""
    flipped = [task for task in expected if answer[task].label != expected[task].label]
    return _difference(answer, expected) > tie or any(_margin(expected[task].logits) > tie for task in flipped)


def _margin(logits: Sequence[float]) -> float:
    first, second = sorted(logits, reverse=True)[:2]
    return first - second


def _resident_bytes() -> int:
    """Of this process (Linux)."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
