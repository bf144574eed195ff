"""one task of a training -> its section: curves, confusion matrix, labels."""

from mtl_export.checkpoint import TrainingRecord
from mtl_export.training_page.confusion_matrix import confusion_heat_map, frequent_confusions
from mtl_export.training_page.curves import loss_chart, metric_chart
from mtl_export.training_page.labels import label_table
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.confusion import Confusion
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Markup, tag

__all__ = ["task_section"]

_MOST_LABELS_DRAWN = 200  # a matrix of more is larger than any screen


def task_section(task: TaskSpec, training: TrainingRecord) -> Markup:
    """Show all that was measured for ``task``."""
    metrics = training.validation[task.name]
    charts = [chart for chart in (metric_chart(task, training), loss_chart(task, training)) if chart is not None]
    parts: list[Markup] = [tag("h4", task.name)]
    if charts:
        parts.append(tag("div", charts, class_="side charts"))
    if metrics.confusion is not None and metrics.rows:
        drawn = _draw(task, metrics.confusion) if task.width <= _MOST_LABELS_DRAWN else Markup()
        parts.append(tag("div", drawn, frequent_confusions(task.labels, metrics.confusion) or Markup(), class_="side"))
    return tag("section", parts, label_table(task, training) or Markup())


def _draw(task: TaskSpec, confusion: Confusion) -> Markup:
    caption = (
        f"Confusion matrix, n = {number_format.count(confusion.rows)} validation rows. Right answers are on the "
        "diagonal; the stronger its colour, the larger a cell's share of the true label's rows."
    )
    chart = confusion_heat_map(task.labels, confusion, f"{task.name}: confusion matrix")
    return tag("figure", chart, tag("figcaption", caption), class_="matrix")
