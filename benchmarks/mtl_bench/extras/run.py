"""variants of a bundle -> the extras of a report, and why some are missing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mtl_bench.extras.roofline import measure_roofline
from mtl_bench.extras.scaling import measure_lengths, measure_threads
from mtl_bench.extras.tasks_curve import measure_tasks_curve
from mtl_bench.results.extras import Lengths, Roofline, TasksCurve, Threads
from mtl_bench.systems.systems import System
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.errors import MtlError

__all__ = ["Extras", "measure_extras"]

T = TypeVar("T")

# A pass of eight separate models, or of a slow variant, shall not take minutes.
_MAX_TEXTS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """All of them; one that could not be measured is empty, and ``skipped`` says why."""

    tasks_curve: TasksCurve | None = None
    roofline: Roofline | None = None
    lengths: tuple[Lengths, ...] = ()
    threads: tuple[Threads, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)


def measure_extras(
    bundle: Bundle,
    systems: Mapping[str, System],
    fastest: str,
    texts: Sequence[str],
    *,
    rounds: int,
    folder: Path,
) -> Extras:
    """Measure all extras; one that cannot be measured here is left out, and the others go on.

    Args:
        bundle: to measure.
        systems: variants that run here.
        fastest: of them; its tasks curve is taken.
        texts: of the workload.
        rounds: of interleaved passes.
        folder: for temporary files.
    """
    texts, skipped = texts[:_MAX_TEXTS], dict[str, str]()

    def attempt(name: str, measure: Callable[[], T], default: T) -> T:
        try:
            return measure()
        except MtlError as error:
            skipped[name] = str(error).strip().splitlines()[0]
            return default

    return Extras(
        tasks_curve=attempt(
            "tasks curve",
            lambda: measure_tasks_curve(bundle, fastest, texts, rounds=rounds, folder=_make(folder / "curve")),
            None,
        ),
        roofline=attempt(
            "roofline",
            lambda: measure_roofline(bundle, list(systems), texts, rounds=rounds, folder=_make(folder / "roofline")),
            None,
        ),
        lengths=attempt("lengths", lambda: measure_lengths(bundle, systems, rounds=rounds), ()),
        threads=attempt("threads", lambda: measure_threads(bundle, systems, texts, rounds=rounds), ()),
        skipped=skipped,
    )


def _make(folder: Path) -> Path:
    folder.mkdir()
    return folder
