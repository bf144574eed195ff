"""results of the study + report of ``make bench`` -> a picture (SVG) for each data set: what a student's speed costs.

python -m mtl_bench.studies.compression.picture compression.json bench/PROCESSOR.json docs/students.svg
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from mtl_bench.analysis.summary import relative_speed
from mtl_bench.results.files import read_report, read_results
from mtl_bench.results.schema import AnswerScores, Report
from mtl_bench.studies.command_line import study_command
from mtl_bench.studies.compression.results import CompressionResults, CompressionRun
from mtl_export.compression.points import TEACHER, Point
from mtl_runtime.bundle.gate_config import precision_of
from mtl_runtime.evidence.schema import BUDGETED
from mtl_runtime.report.charts import Plot, Scale, label
from mtl_runtime.report.html import Markup, tag
from mtl_runtime.report.markers import MARKERS

__all__ = ["Mark", "draw_picture", "mark_points", "mark_static_embeddings"]

Series = Literal["teacher", "student, fp32", "student, lower precision", "taken", "another model"]

_STATIC, _REFERENCE = "model2vec", "cpu-fp32"  # in the report of `make bench`
_SHAPES: dict[Series, int] = {
    "teacher": 3,
    "student, fp32": 0,
    "student, lower precision": 1,
    "taken": 1,
    "another model": 2,
}
_CLASSES: dict[Series, str] = {series: f"series{number}" for number, series in enumerate(_SHAPES)}
_PANEL, _HEIGHT, _KEY = 370, 250, 34
_ABREAST = 2  # panels, so that their text can be read on a page
_LETTER = 6.0  # about the width of one
_BUDGETED = frozenset(metric for metrics in BUDGETED.values() for metric in metrics)
_LEAST_RANGE = 0.5  # points above and below, so that noise does not fill a panel
_STYLE = """
text { font: 11px system-ui, sans-serif; fill: #333; }
.title { font-weight: 600; font-size: 12px; }
.grid { stroke: #ddd; } .tick { stroke: #999; } .budget { stroke: #b3261e; stroke-dasharray: 4 3; }
.series0 { fill: #555; } .series1 { fill: #fff; stroke: #1f6feb; stroke-width: 1.6; } .series2 { fill: #1f6feb; }
.series3 { fill: #d97706; } .series4 { fill: #8250df; }
rect.back { fill: #fff; }
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """One model in one form."""

    name: str
    series: Series
    speed: float  # times the teacher's fastest variant
    change: float  # points of 100: of the metric that drops most, on the test split


def mark_points(run: CompressionRun) -> list[Mark]:
    """All points of a run, with their losses on the test split."""
    tested = {(one.model, one.variant): one.loss for one in run.tested}
    return [
        Mark(
            f"{point.model}, {point.variant}",
            _series(run, point),
            point.speed.median,
            -tested[point.model, point.variant],
        )
        for point in run.found.points
    ]


def mark_static_embeddings(report: Report, variants: Collection[str]) -> Mark | None:
    """Model2Vec of the bench's peers, compared with the model's fastest variant; None: it was not measured.

    Its losses are those against cpu-fp32, whose answers are PyTorch's, on the texts that the bench scores.

    Args:
        report: of the model that the students were made from.
        variants: of this model that may be the fastest: those that its students were compared with.
    """
    static, reference = report.systems.get(_STATIC), report.systems.get(_REFERENCE)
    if static is None or static.answers is None or reference is None or reference.answers is None:
        return None
    speeds = {
        name: speed.median
        for name in variants
        if name in report.systems and (speed := relative_speed(report, name, _REFERENCE)) is not None
    }
    fastest = max(speeds, key=lambda name: speeds[name], default=_REFERENCE)
    speed, drop = relative_speed(report, _STATIC, fastest), _largest_drop(reference.answers, static.answers)
    return None if speed is None or drop is None else Mark("Model2Vec", "another model", speed.median, -drop)


def draw_picture(results: CompressionResults, static: dict[str, Mark]) -> str:
    """Draw a panel for each data set, and below them what the markers mean.

    Args:
        results: of the study.
        static: a mark more, by the name of a run.
    """
    panels = [
        _panel(number, run, [*mark_points(run), *([static[name]] if name in static else [])])
        for number, (name, run) in enumerate(results.runs.items())
    ]
    width, height = _ABREAST * _PANEL, math.ceil(len(panels) / _ABREAST) * _HEIGHT
    words = "Speed of students and what they lose on a test split; docs/compress.md has the figures."
    picture = tag(
        "svg",
        tag("title", words),
        tag("style", Markup(_STYLE)),
        tag("rect", width=width, height=height + _KEY, class_="back"),
        panels,
        tag("g", list(_key()), transform=f"translate(20 {height + 14})"),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height + _KEY}",
        width=width,
        height=height + _KEY,
        role="img",
    )
    return f"{picture}\n"


def _series(run: CompressionRun, point: Point) -> Series:
    if run.found.is_taken(point):
        return "taken"
    if point.model == TEACHER:
        return "teacher"
    return "student, fp32" if precision_of(point.variant) == "fp32" else "student, lower precision"


def _largest_drop(reference: AnswerScores, other: AnswerScores) -> float | None:
    """In points of 100; None: the report's texts had no labels."""
    drops = [
        100 * (value - other.metrics[task][metric])
        for task, metrics in reference.metrics.items()
        for metric, value in metrics.items()
        if metric in _BUDGETED and metric in other.metrics.get(task, {})
    ]
    return max(drops, default=None)


def _panel(number: int, run: CompressionRun, marks: Sequence[Mark]) -> Markup:
    """Points of 100 upwards, speed across in octaves: from 1 to 2 is as far as from 2 to 4.

    Another model that loses much more stands at the lower edge, with its figure, and leaves the students their room.
    """
    plot = Plot(left=48, top=34, width=_PANEL - 68, height=160)
    budget = -run.found.budget
    own = [mark.change for mark in marks if mark.series != "another model"]
    up = Scale.around([*own, budget, _LEAST_RANGE], finest=0.5)
    octaves = [math.log2(mark.speed) for mark in marks]
    across = Scale(math.floor(min(octaves)), max(1, math.ceil(max(octaves))), 1)
    height = plot.y(up.share(budget))
    row, column = divmod(number, _ABREAST)
    content = [
        label(plot.x(0.5), 14, run.title, class_="title"),
        label(plot.x(0), 28, "change of the worst metric on the test split, in points", anchor="start"),
        *(plot.across(up.share(tick), f"{tick:+.{up.digits}f}") for tick in up.ticks),
        *(plot.below(across.share(tick), f"{2**tick:g}x") for tick in across.ticks),
        plot.title_below("texts a second, times the teacher's fastest"),
        tag("line", x1=plot.x(0), x2=plot.x(1), y1=height, y2=height, class_="budget"),
        label(plot.x(0), height + 12, f"budget: {run.found.budget:g} points", anchor="start"),
    ]
    # What was taken is drawn last, on top of what is as good.
    for mark, octave in sorted(zip(marks, octaves, strict=True), key=lambda pair: pair[0].series == "taken"):
        words = f"{mark.name}: {mark.speed:.2f} times, {mark.change:+.2f} points"
        share = up.share(mark.change)
        x, y = plot.x(across.share(octave)), plot.y(max(0.0, share))
        content.append(MARKERS[_SHAPES[mark.series]](x, y, _CLASSES[mark.series], words))
        if share < 0:
            content.append(label(x - 8, y - 4, f"{mark.name}: {mark.change:+.1f}", anchor="end"))
    return tag("g", content, transform=f"translate({column * _PANEL} {row * _HEIGHT})")


def _key() -> Iterator[Markup]:
    x = 0.0
    for series, shape in _SHAPES.items():
        yield MARKERS[shape](x, 0, _CLASSES[series], series)
        yield label(x + 10, 4, series, anchor="start")
        x += 36 + _LETTER * len(series)


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.argument("bench", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--bench-run", default="vader", show_default=True, help="The run that BENCH has the data set of.")
def main(results: Path, bench: Path, target: Path, bench_run: str) -> None:
    """Draw RESULTS, and what BENCH has of Model2Vec, into the file TARGET."""
    with study_command():
        read = read_results(CompressionResults, results)
        points = read.runs[bench_run].found.points if bench_run in read.runs else ()
        own = [point.variant for point in points if point.model == TEACHER]
        mark = mark_static_embeddings(read_report(bench), own) if own else None
        target.write_text(draw_picture(read, {} if mark is None else {bench_run: mark}), "utf-8")


if __name__ == "__main__":
    main()
