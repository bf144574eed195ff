"""bundle + variants + texts -> Roofline: what each variant achieves, and the machine's fastest matrix product."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from mtl_bench.extras.flops import flops_of
from mtl_bench.extras.peaks import PEAK_STYLES, PRODUCTS, peak_name
from mtl_bench.processes.interleave import run_interleaved
from mtl_bench.processes.worker_process import WorkerProcess, start_worker
from mtl_bench.results.extras import AchievedFlops, Peak, Roofline
from mtl_bench.worker.serve import Worker
from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.errors import MtlError
from mtl_runtime.loading.load import open_tokenizer
from mtl_runtime.providers.session import provider_problem

__all__ = ["measure_roofline", "prepare_offline"]

_log = logging.getLogger(__name__)
_PREPARE_OFFLINE = f"{__name__}:prepare_offline"
_ANSWER = "answer"


def measure_roofline(
    bundle: Bundle, variants: Sequence[str], texts: Sequence[str], *, rounds: int, folder: Path
) -> Roofline:
    """Time each variant's pass over the texts, text to answers, and in the same rounds the peak of its precision.

    Each variant and each peak has a process of its own. A variant's operations are counted on its graph for the texts'
    real tokens: padding, tokenizing and waiting all show as the distance to the peak.

    Args:
        bundle: any.
        variants: of it. One that cannot run here, or be counted, is left out, and the log says why.
        texts: duplicates are left out.
        rounds: of interleaved runs.
        folder: for temporary files.

    Raises:
        WorkerError: a process failed in the middle.
    """
    distinct = list(dict.fromkeys(texts))
    lengths = [len(text) for text in open_tokenizer(bundle).encode(distinct)]
    peaks: dict[str, WorkerProcess] = {}
    passes: dict[str, WorkerProcess] = {}
    flops: dict[str, int] = {}
    with ExitStack() as stack:
        for variant in variants:
            _log.info("%s: its operations, and the peak of its precision", variant)
            try:
                peak = _check_peak(bundle, variant)
                flops[variant] = flops_of(bundle, variant).of(lengths)
                if peak not in peaks:
                    start = start_worker("mtl_bench.extras.peaks:prepare", name=peak, folder=str(folder))
                    peaks[peak] = stack.enter_context(start)
                start = start_worker(_PREPARE_OFFLINE, bundle=str(bundle.path), variant=variant, texts=distinct)
                passes[variant] = stack.enter_context(start)
            except MtlError as error:
                _log.info("%s is left out: %s", variant, error)
        seconds = _time_all(peaks, passes, rounds)
    return Roofline(
        peaks={name: _peak(name, process, seconds[name]) for name, process in peaks.items()},
        variants={
            name: AchievedFlops(peak=peak_name(name), flops=float(flops[name]), seconds=tuple(seconds[name]))
            for name in passes
        },
    )


def prepare_offline(*, bundle: str, variant: str, texts: Sequence[str]) -> Worker:
    """In the worker process: the classifier that ``load`` gives, with the settings that it chooses itself."""
    classifier = load(bundle, variant=variant)

    def answer() -> None:
        classifier(texts)

    return Worker({_ANSWER: answer})


def _check_peak(bundle: Bundle, variant: str) -> str:
    """The name of the peak of a variant that can run here.

    Raises:
        MtlError: it cannot run, or its peak is not known.
    """
    if problem := provider_problem(bundle.manifest.variants[variant].provider):
        raise MtlError(problem)
    if (peak := peak_name(variant)) not in PEAK_STYLES:
        raise MtlError(f"no product is known that shows the peak of {peak}; there are {', '.join(PEAK_STYLES)}")
    return peak


def _time_all(
    peaks: Mapping[str, WorkerProcess], passes: Mapping[str, WorkerProcess], rounds: int
) -> dict[str, list[float]]:
    """Seconds by round, after a warm-up round; peaks have names with a space, variants with a hyphen."""
    runs = {name: (lambda process=process: process.run(PRODUCTS).seconds) for name, process in peaks.items()}
    runs |= {name: (lambda process=process: process.run(_ANSWER).seconds) for name, process in passes.items()}
    run_interleaved(runs, rounds=1)
    return run_interleaved(runs, rounds=rounds, stage="roofline")


def _peak(name: str, process: WorkerProcess, seconds: Sequence[float]) -> Peak:
    provider, _, precision = name.partition(" ")
    return Peak(
        provider=provider,
        precision=precision,
        shape=tuple(process.facts["shape"]),
        flops=tuple(process.facts["flops"] / each for each in seconds),
    )
