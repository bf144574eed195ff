"""many ragged calls from several threads -> SoakMeasurement: whether memory is steady and every answer is right."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mtl_bench.processes.worker_process import start_worker
from mtl_bench.studies.runtime.context import StudyContext
from mtl_bench.studies.runtime.results import SoakMeasurement, TargetCheck, current_circumstances
from mtl_bench.worker.memory import resident_bytes
from mtl_bench.worker.serve import Worker
from mtl_runtime import Classifier, Prediction, load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.gate_config import limits_for, precision_of

__all__ = ["TARGET_GROWTH", "measure_soak", "prepare", "ragged_texts"]

TARGET_GROWTH = 1.10

_log = logging.getLogger(__name__)
_THREADS = 8
_EARLY_SHARE = 10  # the first tenth of the calls: 1,000 of 10,000
_TEXTS = 512  # that calls draw from
_MAX_WORDS = 200
_MAX_TEXTS_OF_A_CALL = 3
_SEED = 0


def measure_soak(context: StudyContext) -> SoakMeasurement:
    """Let a fresh process answer all calls, and ask for its memory after the first tenth and at the end."""
    circumstances = current_circumstances(context.sentences)
    calls = context.effort.soak_calls
    _log.info("soak: %d calls from %d threads", calls, _THREADS)
    words = sorted({word for text in context.sentences.texts for word in text.split()})
    texts = ragged_texts(words, _TEXTS)
    with start_worker(f"{__name__}:prepare", bundle=str(context.bundle.path), texts=texts, calls=calls) as process:
        figures: Mapping[str, Any] = process.run("soak").value
    check = TargetCheck.of(
        f"memory after {calls} calls, times that after {figures['early_calls']}",
        "times",
        (figures["end_bytes"] / figures["early_bytes"],),
        at_most=TARGET_GROWTH,
        warnings=(f"{figures['wrong']} answers differ from those to single texts",) if figures["wrong"] else (),
    )
    return SoakMeasurement(
        circumstances=circumstances,
        checks=(check,),
        variant=process.facts["variant"],
        threads=_THREADS,
        calls=calls,
        **figures,
    )


def ragged_texts(words: Sequence[str], count: int) -> list[str]:
    """Texts of 1 to 200 words, most of them short: their number of words is log-uniform."""
    generator = np.random.default_rng(_SEED)
    lengths = np.rint(_MAX_WORDS ** generator.random(count)).astype(int)
    return [" ".join(generator.choice(words, length)) for length in lengths]


def prepare(*, bundle: str, texts: Sequence[str], calls: int) -> Worker:
    """In the worker process: the classifier that ``load`` gives."""
    classifier = load(bundle)
    return Worker({"soak": lambda: _soak(classifier, texts, calls)}, {"variant": classifier.info.variant})


@dataclass(slots=True)
class _Tally:
    """Counts of all threads."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    texts: int = 0
    wrong: int = 0
    largest: float = 0.0

    def add(self, wrong: int, differences: Sequence[float]) -> None:
        with self.lock:
            self.texts += len(differences)
            self.wrong += wrong
            self.largest = max(self.largest, *differences)


def _soak(classifier: Classifier, texts: Sequence[str], calls: int) -> Mapping[str, Any]:
    gate, precision = Bundle.open(classifier.info.bundle).manifest.gate, precision_of(classifier.info.variant)
    tie = max(limits_for(gate, task, precision).tie for task in classifier.tasks)
    single = [classifier(text) for text in texts]
    tally = _Tally()

    def call(number: int) -> None:
        indices = _drawn_indices(number, len(texts))
        answers = classifier([texts[index] for index in indices])
        pairs = [(answer, single[index]) for answer, index in zip(answers, indices, strict=True)]
        tally.add(sum(_is_wrong(*pair, tie) for pair in pairs), [_difference(*pair) for pair in pairs])

    early, start = max(1, calls // _EARLY_SHARE), time.perf_counter()
    with ThreadPoolExecutor(_THREADS) as pool:
        _run_calls(pool, call, range(early))
        early_bytes = resident_bytes()
        _run_calls(pool, call, range(early, calls))
        end_bytes = resident_bytes()
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


def _drawn_indices(seed: int, texts: int) -> list[int]:
    """Texts of one call."""
    generator = np.random.default_rng(seed)
    indices: list[int] = generator.integers(0, texts, generator.integers(1, _MAX_TEXTS_OF_A_CALL + 1)).tolist()
    return indices


def _run_calls(pool: ThreadPoolExecutor, call: Callable[[int], None], numbers: Sequence[int]) -> None:
    """Each thread takes the next number after each call: nothing queues up that memory would count."""
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
    return float(max(np.abs(np.subtract(logits, reference)).max() for logits, reference in pairs))


def _is_wrong(answer: Prediction, expected: Prediction, tie: float) -> bool:
    """Whether a logit is off by more than rounding, or a label is another one that was no tie."""
    flipped = [task for task in expected if answer[task].label != expected[task].label]
    return _difference(answer, expected) > tie or any(_margin(expected[task].logits) > tie for task in flipped)


def _margin(logits: Sequence[float]) -> float:
    first, second = sorted(logits, reverse=True)[:2]
    return first - second
