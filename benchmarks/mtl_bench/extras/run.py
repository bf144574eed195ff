"""variants of a bundle -> the parts beside the table, by the report's field, and why some are missing."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtl_bench.extras.roofline import roofline
from mtl_bench.extras.scaling import lengths, threads
from mtl_bench.extras.tasks_curve import tasks_curve
from mtl_bench.systems.systems import System
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.errors import MtlError

__all__ = ["parts"]

# A pass of eight separate models, or of a slow variant, shall not take minutes.
_TEXTS = 256


def parts(
    bundle: Bundle,
    rows: Mapping[str, System],
    fastest: str,
    texts: Sequence[str],
    *,
    rounds: int,
    folder: Path,
    step: Callable[[str], None],
) -> tuple[dict[str, Any], dict[str, str]]:
    """Measure all of them; one that cannot be measured here is left out, and the others go on.

    Args:
        bundle: to measure.
        rows: variants that run here.
        fastest: of them; its curve over the number of tasks is taken.
        texts: of the workload.
        rounds: of interleaved passes.
        folder: for files in passing.
        step: is told what comes next.

    Returns:
        Fields of the report; and reasons by part.
    """
    some = texts[:_TEXTS]
    told: dict[str, Callable[[], Any]] = {
        "tasks_curve": lambda: tasks_curve(
            bundle, fastest, some, rounds=rounds, folder=_made(folder / "curve"), report=step
        ),
        "roofline": lambda: roofline(
            bundle, list(rows), some, rounds=rounds, folder=_made(folder / "roofline"), report=step
        ),
        "lengths": lambda: lengths(bundle, rows, rounds=rounds, step=step),
        "threads": lambda: threads(bundle, rows, some, rounds=rounds, step=step),
    }
    fields, missing = {}, {}
    for name, measured in told.items():
        try:
            fields[name] = measured()
        except MtlError as error:
            missing[name.replace("_", " ")] = str(error).strip().splitlines()[0]
    return fields, missing


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
