"""CheckpointRecord -> one self-contained HTML page: what is wrong, how good the model is, how it got there.

It looks like the evidence page and loads nothing; its policy lets a browser apply exactly its own style sheet.
"""

from importlib import resources

from mtl_export.checkpoint import CheckpointRecord
from mtl_export.training_page.curves import training_loss_chart
from mtl_export.training_page.glossary import glossary
from mtl_export.training_page.overview import overview
from mtl_export.training_page.run import data_tables, settings_table
from mtl_export.training_page.scores import scores_table
from mtl_export.training_page.task import task_section
from mtl_runtime.report.html import Markup, tag
from mtl_runtime.report.page_frame import head, section, shared_style

__all__ = ["training_page"]


def training_page(record: CheckpointRecord, *, title: str) -> str:
    """Write the whole document; equal records give equal bytes.

    Args:
        record: of the checkpoint; what format version 1 did not record is left out.
        title: heading of the page, such as the checkpoint's name.
    """
    trained = [task for task in record.model.tasks if task.name in record.training.validation]
    body = tag(
        "main",
        overview(record, trained, title=title),
        section("How good the model is", scores_table(record.training, trained)),
        section("Tasks", *(task_section(task, record.training) for task in trained)),
        section("How it was trained", training_loss_chart(record.training) or Markup(), settings_table(record)),
        section("Data", data_tables(record.training, trained)),
        section("What the figures mean", glossary()),
    )
    top = head(f"{title}: training", shared_style() + _own_style())
    return f"<!DOCTYPE html>\n{tag('html', top, tag('body', body), lang='en')}\n"


def _own_style() -> Markup:
    return Markup(resources.files("mtl_export.training_page").joinpath("training_page.css").read_text("utf-8"))
