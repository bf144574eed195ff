"""results file -> the tables of docs/runtime-speed.md, between their markers.

python -m mtl_bench.studies.runtime.tables benchmarks/results/runtime.json docs/runtime-speed.md
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mtl_bench.processes.interleave import round_ratios
from mtl_bench.report.markdown_table import markdown_table, tables_command
from mtl_bench.studies.runtime.results import (
    Circumstances,
    FigureUnit,
    RuntimeResults,
    TargetCheck,
    TimedSystemResult,
)
from mtl_runtime.gate.speed import median_ratio

__all__ = ["CHECK_COLUMNS", "check_rows", "page_tables"]

CHECK_COLUMNS = ("what", "median", "95 % interval", "wanted", "holds")
# Python's format of a value, and the text after it, by unit.
_FORMATS: Mapping[FigureUnit, tuple[str, str]] = {
    "times": (".2f", "x"),
    "share": (".1%", ""),
    "ms": (".3f", " ms"),
    "s": (".3f", " s"),
}


def page_tables(results: RuntimeResults) -> dict[str, str]:
    """All tables by the name of their markers; one whose measurement is absent is empty."""
    return {
        "targets": markdown_table(CHECK_COLUMNS, check_rows(results.checks), "lrrrl"),
        "systems": _systems(results),
        "heads": _heads(results),
        "cold starts": _cold_starts(results),
        "circumstances": _circumstances(results),
    }


def check_rows(checks: Iterable[TargetCheck]) -> list[list[str]]:
    """Cells under :data:`CHECK_COLUMNS`."""
    return [
        [
            check.what.replace("**", ""),
            _value(check.estimate.median, check.unit),
            _interval(check),
            f"{'at most' if check.at_most else 'at least'} {_value(check.wanted, check.unit)}",
            _verdict(check),
        ]
        for check in checks
    ]


def _systems(results: RuntimeResults) -> str:
    if results.throughput is None:
        return ""
    systems, count = results.throughput.systems, results.throughput.circumstances.sentences
    tasks = list(next(iter(systems.values())).accuracy)
    header = [
        "system",
        "sentences/s",
        *(f"{task}: accuracy" for task in tasks),
        *(f"{task}: fp32's label" for task in tasks),
    ]
    rows = [[system.title, *_system_cells(system, tasks, count)] for system in systems.values()]
    return markdown_table(header, rows, "l" + "r" * (len(header) - 1))


def _system_cells(system: TimedSystemResult, tasks: Sequence[str], count: int) -> list[str]:
    if system.error is not None:
        return [f"failed: {system.error.splitlines()[0]}", *[""] * (2 * len(tasks))]
    return [
        f"{count / float(np.median(system.seconds)):.0f}",
        *(f"{system.accuracy[task]:.3f}" for task in tasks),
        *(f"{system.agreement[task]:.1%}" for task in tasks),
    ]


def _heads(results: RuntimeResults) -> str:
    if results.tasks is None:
        return ""
    one_task, *_ = results.tasks.seconds.values()
    rows = [
        [name, f"{float(np.median(seconds)):.2f}", f"{median_ratio(round_ratios(seconds, one_task)).median:.3f}"]
        for name, seconds in results.tasks.seconds.items()
    ]
    return markdown_table(["asked", "seconds", "times one task, by round"], rows, "lrr")


def _cold_starts(results: RuntimeResults) -> str:
    if results.cold_start is None:
        return ""
    ours, bare = results.cold_start.ours, results.cold_start.bare
    rows = [
        [f"`{variant}`", f"{float(np.median(ours[variant])):.3f}", f"{float(np.median(bare[variant])):.3f}"]
        for variant in ours
    ]
    return markdown_table(["variant", "ours, s", "bare script, s"], rows, "lrr")


def _circumstances(results: RuntimeResults) -> str:
    rows = [
        [name.replace("_", " "), *_circumstance_cells(measurement.circumstances)]
        for name, measurement in results.measurements.items()
    ]
    return markdown_table(
        ["measurement", "at", "processor", "cores", "load before", "onnxruntime", "torch"], rows, "lllrrll"
    )


def _circumstance_cells(circumstances: Circumstances) -> list[str]:
    machine, made_with = circumstances.machine, circumstances.made_with
    runtime = made_with.get("onnxruntime") or f"{made_with.get('onnxruntime-openvino')} (openvino wheel)"
    return [
        circumstances.measured_at,
        machine.cpu,
        str(machine.cores_allowed),
        f"{circumstances.load:.1f}",
        runtime,
        made_with.get("torch", ""),
    ]


def _value(value: float, unit: FigureUnit) -> str:
    form, after = _FORMATS[unit]
    return f"{value:{form}}{after}"


def _interval(check: TargetCheck) -> str:
    if check.estimate.n == 1:
        return ""
    return f"{_value(check.estimate.low, check.unit)} to {_value(check.estimate.high, check.unit)}"


def _verdict(check: TargetCheck) -> str:
    return "; ".join(["no", *check.warnings]).replace("**", "") if not check.holds else "yes"


if __name__ == "__main__":
    tables_command(RuntimeResults, page_tables)()
