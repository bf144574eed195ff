"""StudentsRecord -> one self-contained HTML page; equal records give equal bytes."""

from mtl_export.compression.points import StudentsRecord
from mtl_export.compression.students_page.pictures import pictures
from mtl_export.compression.students_page.tables import points_table, students_table, tasks_table, trials_table
from mtl_runtime.core.clock import spoken_duration
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Content, Markup, tag
from mtl_runtime.report.page_frame import head, section, shared_style

__all__ = ["students_page"]


def students_page(record: StudentsRecord, *, title: str) -> str:
    """Write the whole document.

    Args:
        record: of one compression.
        title: heading of the page, such as the folder's name.
    """
    body = tag(
        "main",
        _overview(record, title),
        section("How fast, and at what loss?", pictures(record)),
        section("All variants", points_table(record), tasks_table(record), class_="broad"),
        section("How the students were made", students_table(record), trials_table(record), _layers(record)),
        section("What the figures mean", _glossary()),
    )
    top = head(f"{title}: students", shared_style())
    return f"<!DOCTYPE html>\n{tag('html', top, tag('body', body), lang='en')}\n"


def _overview(record: StudentsRecord, title: str) -> Markup:
    choice = record.choice
    facts: list[tuple[str, Content]] = [
        ("Teacher (SHA-256 of its weights)", tag("code", record.teacher)),
        ("Budget", f"{record.budget:g} points of accuracy, macro-F1 or correlation, for each task"),
        ("Sentences compared", f"{number_format.count(record.sentences)} of the validation split"),
        ("Processor", f"{record.machine.cpu}, {record.machine.cores_allowed} cores"),
        ("Time", spoken_duration(record.seconds)),
        ("Made with", ", ".join(f"{package} {version}" for package, version in record.made_with.items())),
    ]
    return tag(
        "header",
        tag("p", "Students of a compression", class_="kind"),
        tag("h1", title),
        tag("p", "Take ", tag("strong", f"{choice.model}, {choice.variant}"), f": {choice.reason}.", class_="verdict"),
        tag("ul", [tag("li", note) for note in record.notes], class_="problem warnings") if record.notes else "",
        tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts], class_="facts"),
    )


def _layers(record: StudentsRecord) -> Markup:
    rows = [tag("li", f"layers {layers}: {loss:.4f}") for layers, loss in record.layers.items()]
    words = "Divergence from the teacher's answers with these layers alone, before any distillation:"
    return tag("div", tag("p", words), tag("ul", rows))


def _glossary() -> Markup:
    entries = (
        ("speed", "Texts a second as a multiple of the teacher's fastest variant, in the same rounds; the median."),
        ("p50", "Median time of a text alone, with all cores on it."),
        ("worst change", "Of the metrics that the budget is about, over all tasks, in points of 100."),
        ("front", "No other variant is faster and loses less."),
        (
            "not certain",
            "The estimate holds the budget, and the worse end of its 95 % interval does not; or there are too few "
            "sentences to be certain of anything, even where no answer differs. More of them could tell.",
        ),
        ("work", "Multiplications by the weights of the encoder's layers, as a share of the teacher's."),
        (
            "divergence",
            "Mean Kullback-Leibler divergence from the teacher's probabilities at temperature 2; of a regression the "
            "mean squared difference of the logits.",
        ),
    )
    return tag("dl", [tag("div", tag("dt", term), tag("dd", words)) for term, words in entries], class_="glossary")
