"""one short text -> OverheadMeasurement: what a classifier's call adds to tokenizer and session.run by hand."""

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mtl_bench.processes.interleave import run_interleaved
from mtl_bench.processes.worker_process import WorkerProcess, start_worker
from mtl_bench.studies.runtime.context import StudyContext
from mtl_bench.studies.runtime.results import OverheadMeasurement, TargetCheck, current_circumstances
from mtl_bench.worker.serve import Worker
from mtl_runtime import Classifier, load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import logits_output
from mtl_runtime.providers.fork_safe_session import ForkSafeSession
from mtl_runtime.providers.session import Session
from mtl_runtime.providers.variant_session import open_session

__all__ = ["SHORT_TEXT", "TARGET_MS", "measure_overhead", "prepare"]

TARGET_MS = 0.15
SHORT_TEXT = "The battery died after two days."

_log = logging.getLogger(__name__)
_BLOCK = 20  # calls in a row: enough that the other side's traces in the caches do not count
_WARM_UPS = 3  # calls before each block
_OPTIMIZED_FOR = ("throughput", "latency")
_SIDES = ("ours", "bare")


def measure_overhead(context: StudyContext) -> OverheadMeasurement:
    """Alternate blocks of calls of both sides, for each way to optimize."""
    circumstances = current_circumstances(context.sentences)
    blocks = max(1, context.effort.short_calls // _BLOCK)
    milliseconds = {}
    for purpose in _OPTIMIZED_FOR:
        _log.info("overhead: one text, optimized for %s: %d blocks", purpose, blocks)
        with start_worker(f"{__name__}:prepare", bundle=str(context.bundle.path), optimize_for=purpose) as process:
            milliseconds[purpose] = _block_medians(process, blocks)
    return OverheadMeasurement(
        circumstances=circumstances,
        checks=tuple(_check(purpose, sides) for purpose, sides in milliseconds.items()),
        text=SHORT_TEXT,
        calls=blocks * _BLOCK,
        block=_BLOCK,
        ours={purpose: sides["ours"] for purpose, sides in milliseconds.items()},
        bare={purpose: sides["bare"] for purpose, sides in milliseconds.items()},
    )


def _check(purpose: str, sides: dict[str, tuple[float, ...]]) -> TargetCheck:
    differences = tuple(ours - bare for ours, bare in zip(sides["ours"], sides["bare"], strict=True))
    return TargetCheck.of(f"overhead of one short text, optimized for {purpose}", "ms", differences, at_most=TARGET_MS)


def _block_medians(process: WorkerProcess, blocks: int) -> dict[str, tuple[float, ...]]:
    """Milliseconds of a call, the median of each block, by side."""
    runs = {side: (lambda side=side: process.run(side).value) for side in _SIDES}
    seconds = run_interleaved(runs, rounds=blocks)
    return {side: tuple(1000 * float(np.median(block)) for block in seconds[side]) for side in _SIDES}


def prepare(*, bundle: str, optimize_for: Any) -> Worker:
    """In the worker process: both sides on one session, so that memory layout makes no difference between them."""
    opened = Bundle.open(bundle)
    classifier = load(bundle, optimize_for=optimize_for)
    info = classifier.info
    session = open_session(opened, info.variant, threads=info.threads, runs=info.workers)
    classifier = dataclasses.replace(classifier, run_batch=ForkSafeSession(session, lambda: session))
    by_hand = _by_hand(opened, session)
    ours, bare = _block(lambda: classifier(SHORT_TEXT)), _block(by_hand)
    if _labels(classifier) != _argmax_labels(opened, by_hand):
        raise AssertionError("both sides run one session, and must give the same labels")
    return Worker({"ours": ours, "bare": bare})


def _by_hand(bundle: Bundle, session: Session) -> Callable[[], list[Any]]:
    from tokenizers import Tokenizer

    manifest = bundle.manifest
    tokenizer = Tokenizer.from_str(bundle.read("tokenizer.json").decode())
    tokenizer.enable_truncation(manifest.encoder.max_length)
    outputs = [logits_output(task.name) for task in manifest.tasks]
    fields = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    inputs = [(name, fields[name]) for name in manifest.inputs]
    run = session._ort.run

    def answer() -> list[Any]:
        encoding = tokenizer.encode(SHORT_TEXT)
        feed = {name: np.array([getattr(encoding, field)], dtype=np.int64) for name, field in inputs}
        logits: list[Any] = run(outputs, feed)
        return logits

    return answer


def _block(call: Callable[[], object]) -> Callable[[], list[float]]:
    def run() -> list[float]:
        for _ in range(_WARM_UPS):
            call()
        seconds = []
        for _ in range(_BLOCK):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        return seconds

    return run


def _labels(classifier: Classifier) -> list[str]:
    prediction = classifier(SHORT_TEXT)
    return [prediction[task].label for task in classifier.tasks]


def _argmax_labels(bundle: Bundle, by_hand: Callable[[], list[Any]]) -> list[str]:
    return [task.labels[int(rows[0].argmax())] for task, rows in zip(bundle.manifest.tasks, by_hand(), strict=True)]
