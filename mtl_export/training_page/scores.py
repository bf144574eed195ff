"""TrainingRecord -> the table of every metric of every task: the model, the probe and the majority."""

from collections.abc import Iterator, Mapping, Sequence

from mtl_export.checkpoint import TrainingRecord
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.core.intervals import accuracy_interval
from mtl_runtime.dataset.metrics import HEADLINE, TaskMetrics
from mtl_runtime.report import number_format
from mtl_runtime.report.comparison import METRICS
from mtl_runtime.report.html import Content, Markup, scrolling, tag

__all__ = ["format_metric", "scores_table"]

_ERRORS = ("mse", "mae")  # the lower the better
_HEAD = ("task", "metric", "rows", "this model", "95 % interval", "probe", "majority")


def scores_table(training: TrainingRecord, trained: Sequence[TaskSpec]) -> Markup:
    """Make the table; a figure of the model that is no better than the majority's or the probe's stands out."""
    head = tag("tr", [tag("th", name, scope="col", class_=_kind(column)) for column, name in enumerate(_HEAD)])
    body = [tag("tbody", [tag("tr", row) for row in _rows(task, training)]) for task in trained]
    caption = "On the validation rows; figures of the model in bold are no better than those of majority or probe"
    return scrolling(caption, tag("thead", head), *body)


def format_metric(name: str, value: float) -> str:
    """Format a share with three decimals, and an error in the task's own unit."""
    return number_format.share(value) if METRICS.get(name, (name, False))[1] else number_format.small(value)


def _kind(column: int) -> str:
    return "w" if column < 2 else "n"


def _rows(task: TaskSpec, training: TrainingRecord) -> Iterator[list[Markup]]:
    ours = training.validation[task.name]
    names = sorted(ours.values, key=lambda name: name != HEADLINE[task.kind])
    for index, name in enumerate(names):
        baselines = [_value(side, task.name, name) for side in (training.probe, training.majority)]
        behind = any(other is not None and not _is_better(name, ours.values[name], other) for other in baselines)
        yield [
            tag("th", task.name if index == 0 else "", scope="row", class_="w"),
            tag("td", METRICS.get(name, (name, False))[0], class_="w"),
            _cell(number_format.count(ours.rows)),
            _cell(format_metric(name, ours.values[name]), class_="n behind" if behind else "n"),
            _cell(_interval(name, ours)),
            *(_cell(number_format.DASH if other is None else format_metric(name, other)) for other in baselines),
        ]


def _interval(metric: str, ours: TaskMetrics) -> str:
    if metric != "accuracy":
        return number_format.DASH
    return number_format.shares(*accuracy_interval(ours.values[metric], ours.rows))


def _cell(content: Content, class_: str = "n") -> Markup:
    return tag("td", content, class_=class_)


def _value(side: Mapping[str, TaskMetrics], task: str, metric: str) -> float | None:
    return side[task].values.get(metric) if task in side else None


def _is_better(metric: str, ours: float, other: float) -> bool:
    """Whether ours is better; a perfect score has nothing above it."""
    return ours < other or ours == 0.0 if metric in _ERRORS else ours > other or ours == 1.0
