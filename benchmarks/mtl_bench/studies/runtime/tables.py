"""results file -> the tables of docs/runtime-speed.md, put between their marks.

python -m mtl_bench.studies.runtime.tables benchmarks/results/runtime.json docs/runtime-speed.md
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import click
import numpy as np

from mtl_bench.processes.interleave import ratios
from mtl_bench.report.markdown_table import markdown_table
from mtl_bench.studies.runtime.results import Circumstances, Line, RuntimeSpeed, Unit, WayResult
from mtl_runtime.core import records
from mtl_runtime.gate.speed import median_ratio

__all__ = ["TABLES", "filled", "line_rows", "main"]

_MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
# How a value of each unit is written: Python's format and what follows.
_WRITTEN: Mapping[Unit, tuple[str, str]] = {
    "times": (".2f", "x"),
    "share": (".1%", ""),
    "ms": (".3f", " ms"),
    "s": (".3f", " s"),
}


def filled(page: str, speed: RuntimeSpeed) -> str:
    """``page`` with each table between its marks made anew; a measurement that is absent has none."""
    return _MARKED.sub(lambda found: f"{found[1]}{TABLES[found[2]](speed)}{found[3]}", page)


def line_rows(lines: Iterable[Line]) -> list[list[str]]:
    """Cells of what was measured against what is wanted: what, median, interval, wanted, verdict."""
    return [
        [
            line.what.replace("**", ""),
            _value(line.found.median, line.unit),
            _interval(line),
            f"{'at most' if line.at_most else 'at least'} {_value(line.wanted, line.unit)}",
            _verdict(line),
        ]
        for line in lines
    ]


def _lines(speed: RuntimeSpeed) -> str:
    return markdown_table(["what", "median", "95 % interval", "wanted", "holds"], line_rows(speed.lines), "lrrrl")


def _ways(speed: RuntimeSpeed) -> str:
    if speed.throughput is None:
        return ""
    tasks = list(speed.throughput.ways[next(iter(speed.throughput.ways))].accuracy)
    header = [
        "way",
        "sentences/s",
        *(f"{task}: accuracy" for task in tasks),
        *(f"{task}: fp32's label" for task in tasks),
    ]
    count = speed.throughput.circumstances.sentences
    rows = [[way.title, *_way_cells(way, tasks, count)] for way in speed.throughput.ways.values()]
    return markdown_table(header, rows, "l" + "r" * (len(header) - 1))


def _way_cells(way: WayResult, tasks: Sequence[str], count: int) -> list[str]:
    if way.error is not None:
        return [f"failed: {way.error.splitlines()[0]}", *[""] * (2 * len(tasks))]
    return [
        f"{count / float(np.median(way.seconds)):.0f}",
        *(f"{way.accuracy[task]:.3f}" for task in tasks),
        *(f"{way.agreement[task]:.1%}" for task in tasks),
    ]


def _heads(speed: RuntimeSpeed) -> str:
    if speed.tasks is None:
        return ""
    one, *_ = speed.tasks.seconds.values()
    rows = [
        [name, f"{float(np.median(values)):.2f}", f"{median_ratio(ratios(values, one)).median:.3f}"]
        for name, values in speed.tasks.seconds.items()
    ]
    return markdown_table(["asked", "seconds", "times one task, by round"], rows, "lrr")


def _starts(speed: RuntimeSpeed) -> str:
    if speed.cold_start is None:
        return ""
    found = speed.cold_start
    rows = [
        [f"`{name}`", f"{float(np.median(found.ours[name])):.3f}", f"{float(np.median(found.bare[name])):.3f}"]
        for name in found.ours
    ]
    return markdown_table(["variant", "ours, s", "bare script, s"], rows, "lrr")


def _circumstances(speed: RuntimeSpeed) -> str:
    rows = [[name.replace("_", " "), *_circumstance_cells(found)] for name, found in _measured(speed)]
    return markdown_table(
        ["measurement", "at", "processor", "cores", "load before", "onnxruntime", "torch"], rows, "lllrrll"
    )


def _measured(speed: RuntimeSpeed) -> Iterator[tuple[str, Circumstances]]:
    for name in ("throughput", "kernel_bound", "tasks", "overhead", "cold_start", "soak"):
        if (found := getattr(speed, name)) is not None:
            yield name, found.circumstances


def _circumstance_cells(found: Circumstances) -> list[str]:
    machine, made_with = found.machine, found.made_with
    runtime = made_with.get("onnxruntime") or f"{made_with.get('onnxruntime-openvino')} (openvino wheel)"
    return [
        found.measured_at,
        machine.cpu,
        str(machine.cores_allowed),
        f"{found.load:.1f}",
        runtime,
        made_with.get("torch", ""),
    ]


TABLES: Mapping[str, Callable[[RuntimeSpeed], str]] = {
    "lines": _lines,
    "ways": _ways,
    "heads": _heads,
    "starts": _starts,
    "circumstances": _circumstances,
}


def _value(value: float, unit: Unit) -> str:
    form, after = _WRITTEN[unit]
    return f"{value:{form}}{after}"


def _interval(line: Line) -> str:
    if line.found.n == 1:
        return ""
    return f"{_value(line.found.low, line.unit)} to {_value(line.found.high, line.unit)}"


def _verdict(line: Line) -> str:
    return "; ".join(["no", *line.doubts]).replace("**", "") if not line.holds else "yes"


@click.command()
@click.argument("results", type=click.Path(path_type=Path, exists=True))
@click.argument("page", type=click.Path(path_type=Path, exists=True))
def main(results: Path, page: Path) -> None:
    """Put the tables of RESULTS into PAGE."""
    speed = records.from_json(RuntimeSpeed, results.read_text("utf-8"), where=results.name)
    page.write_text(filled(page.read_text("utf-8"), speed), "utf-8")


if __name__ == "__main__":
    main()
