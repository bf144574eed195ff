"""bundle + variants + texts -> Roofline: what each variant achieves of the machine's fastest matrix product."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from mtl_bench.extras.flops import flops_of
from mtl_bench.extras.peaks import PEAKS, PRODUCTS, peak_name
from mtl_bench.processes.interleave import interleaved
from mtl_bench.processes.worker_process import WorkerProcess, start_worker
from mtl_bench.results.schema import AchievedFlops, Peak, Roofline
from mtl_bench.worker.child import Worker
from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.gate_config import precision_of
from mtl_runtime.errors import MtlError
from mtl_runtime.evidence.schema import Estimate
from mtl_runtime.gate.speed import median_ratio
from mtl_runtime.loading.load import open_tokenizer
from mtl_runtime.providers.session import provider_problem

__all__ = ["achieved", "offline", "roofline"]

_ANSWER = "answer"


def roofline(
    bundle: Bundle,
    variants: Sequence[str],
    texts: Sequence[str],
    *,
    rounds: int,
    folder: Path,
    report: Callable[[str], None],
) -> Roofline:
    """Time each variant's pass over the texts, text to answers, and in the same rounds the peak of its precision.

    Each variant and each peak has a process of its own. What a variant did is counted on its graph for the texts' real
    tokens: padding, tokenizing and waiting all show as what is missing to the peak.

    Args:
        bundle: any.
        variants: of it. One that cannot run here, or be counted, is left out, and ``report`` is told why.
        texts: doubled ones are left out.
        rounds: of interleaved runs.
        folder: for files in passing.
        report: is told each stage.

    Raises:
        ChildError: a process failed in the middle.
    """
    distinct = list(dict.fromkeys(texts))
    lengths = [len(text) for text in open_tokenizer(bundle).encode(distinct)]
    peaks: dict[str, WorkerProcess] = {}
    passes: dict[str, WorkerProcess] = {}
    counts: dict[str, int] = {}
    with ExitStack() as stack:
        for variant in variants:
            report(f"{variant}: its operations, and the peak they are held against")
            try:
                _check(bundle, variant)
                counts[variant] = flops_of(bundle, variant).of(lengths)
                if (peak := _peak_of(bundle, variant)) not in peaks:
                    peaks[peak] = stack.enter_context(
                        start_worker("mtl_bench.extras.peaks:prepare", name=peak, folder=str(folder))
                    )
                passes[variant] = stack.enter_context(
                    start_worker(f"{__name__}:offline", bundle=str(bundle.path), variant=variant, texts=distinct)
                )
            except MtlError as error:
                report(f"{variant} is left out: {error}")
        seconds = _timed(peaks, passes, rounds, report)
    return Roofline(
        peaks={name: _peak(name, side, seconds[name]) for name, side in peaks.items()},
        variants={
            name: AchievedFlops(peak=_peak_of(bundle, name), flops=float(counts[name]), seconds=tuple(seconds[name]))
            for name in passes
        },
    )


def achieved(found: Roofline) -> dict[str, Estimate]:
    """Share of its peak that each variant achieved, round by round; a median with its interval."""
    return {
        name: median_ratio(
            [
                useful.flops / seconds / peak
                for seconds, peak in zip(useful.seconds, found.peaks[useful.peak].flops, strict=True)
            ]
        )
        for name, useful in found.variants.items()
    }


def offline(*, bundle: str, variant: str, texts: Sequence[str]) -> Worker:
    """In the child: the classifier that ``load`` gives, with whatever it chooses itself."""
    classifier = load(bundle, variant=variant)

    def answer() -> None:
        classifier(texts)

    return Worker({_ANSWER: answer})


def _check(bundle: Bundle, variant: str) -> None:
    """That the variant can run here, and has a peak.

    Raises:
        MtlError: it cannot, and why.
    """
    if problem := provider_problem(bundle.manifest.variants[variant].provider):
        raise MtlError(problem)
    if (peak := _peak_of(bundle, variant)) not in PEAKS:
        raise MtlError(f"no product is known that shows the peak of {peak}; there are {', '.join(PEAKS)}")


def _peak_of(bundle: Bundle, variant: str) -> str:
    return peak_name(bundle.manifest.variants[variant].provider, precision_of(variant))


def _timed(
    peaks: Mapping[str, WorkerProcess], passes: Mapping[str, WorkerProcess], rounds: int, report: Callable[[str], None]
) -> dict[str, list[float]]:
    """Seconds by round, after one that only warmed up; peaks have names with a space, variants with a hyphen."""
    runs = {name: (lambda side=side: side.run(PRODUCTS).seconds) for name, side in peaks.items()}
    runs |= {name: (lambda side=side: side.run(_ANSWER).seconds) for name, side in passes.items()}
    interleaved(runs, rounds=1)
    return interleaved(runs, rounds=rounds, report=report)


def _peak(name: str, side: WorkerProcess, seconds: Sequence[float]) -> Peak:
    provider, _, precision = name.partition(" ")
    return Peak(
        provider=provider,
        precision=precision,
        shape=tuple(side.facts["shape"]),
        flops=tuple(side.facts["flops"] / each for each in seconds),
    )
