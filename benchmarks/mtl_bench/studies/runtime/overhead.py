"""one short text -> Overhead: what a classifier's call adds to tokenizer and session.run written by hand."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mtl_bench.processes.interleave import interleaved
from mtl_bench.processes.worker_process import WorkerProcess, start_worker
from mtl_bench.studies.runtime.bench import Bench
from mtl_bench.studies.runtime.results import Line, Overhead, circumstances
from mtl_bench.worker.child import Worker
from mtl_runtime import Classifier, load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.manifest import logits_output
from mtl_runtime.providers.fork_safe_session import ForkSafeSession
from mtl_runtime.providers.session import Session
from mtl_runtime.providers.variant_session import open_session

__all__ = ["SHORT_TEXT", "WANTED_MS", "overhead", "prepare"]

WANTED_MS = 0.15
SHORT_TEXT = "The battery died after two days."
_BLOCK = 20  # calls in a row: enough that the other side's traces in the caches do not count
_WARM_UPS = 3  # calls before each block
_OPTIMIZED_FOR = ("throughput", "latency")
_SIDES = ("ours", "bare")


def overhead(bench: Bench) -> Overhead:
    """Alternate blocks of calls of both sides, for each way to optimize."""
    now = circumstances(bench.sentences)
    blocks = max(1, bench.amounts.calls // _BLOCK)
    found = {}
    for purpose in _OPTIMIZED_FOR:
        bench.report(f"one text, optimized for {purpose}: {blocks} blocks")
        with start_worker(f"{__name__}:prepare", bundle=str(bench.bundle.path), optimize_for=purpose) as process:
            found[purpose] = _medians(process, blocks)
    lines = tuple(
        Line.of(
            f"overhead of one short text, optimized for {purpose}",
            "ms",
            tuple(ours - bare for ours, bare in zip(sides["ours"], sides["bare"], strict=True)),
            at_most=WANTED_MS,
        )
        for purpose, sides in found.items()
    )
    return Overhead(
        circumstances=now,
        lines=lines,
        text=SHORT_TEXT,
        calls=blocks * _BLOCK,
        block=_BLOCK,
        ours={purpose: sides["ours"] for purpose, sides in found.items()},
        bare={purpose: sides["bare"] for purpose, sides in found.items()},
    )


def _medians(process: WorkerProcess, blocks: int) -> dict[str, tuple[float, ...]]:
    """Milliseconds of a call, the median of each block, by side."""
    runs = {side: (lambda side=side: process.run(side).value) for side in _SIDES}
    seconds = interleaved(runs, rounds=blocks)
    return {side: tuple(1000 * float(np.median(block)) for block in seconds[side]) for side in _SIDES}


def prepare(*, bundle: str, optimize_for: Any) -> Worker:
    """In the child: both sides on one session, so that no second one's place in memory makes a difference."""
    opened = Bundle.open(bundle)
    loaded = load(bundle, optimize_for=optimize_for)
    info = loaded.info
    session = open_session(opened, info.variant, threads=info.threads, runs=info.workers)
    classifier = dataclasses.replace(loaded, run=ForkSafeSession(session, lambda: session))
    by_hand = _by_hand(opened, session)
    ours, bare = _block(lambda: classifier(SHORT_TEXT)), _block(by_hand)
    if _labels(classifier) != _argmaxes(opened, by_hand):
        raise AssertionError("both sides run one session, and must give the same labels")
    return Worker({"ours": ours, "bare": bare})


def _by_hand(bundle: Bundle, session: Session) -> Callable[[], list[Any]]:
    from tokenizers import Tokenizer

    manifest = bundle.manifest
    tokenizer = Tokenizer.from_str(bundle.read("tokenizer.json").decode())
    tokenizer.enable_truncation(manifest.encoder.max_length)
    outputs = [logits_output(task.name) for task in manifest.tasks]
    inputs = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    named = [(name, inputs[name]) for name in manifest.inputs]
    run = session._ort.run

    def answer() -> list[Any]:
        encoding = tokenizer.encode(SHORT_TEXT)
        feed = {name: np.array([getattr(encoding, field)], dtype=np.int64) for name, field in named}
        found: list[Any] = run(outputs, feed)
        return found

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


def _argmaxes(bundle: Bundle, by_hand: Callable[[], list[Any]]) -> list[str]:
    return [task.labels[int(rows[0].argmax())] for task, rows in zip(bundle.manifest.tasks, by_hand(), strict=True)]
