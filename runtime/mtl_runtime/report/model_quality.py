"""The first section of the page: how good the answers are, on the file that was measured and on validation rows."""

from collections.abc import Iterator, Mapping

from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.bundle.training_summary import Rating, ValidationScores
from mtl_runtime.core.intervals import accuracy_interval
from mtl_runtime.evidence.schema import Evidence, TaskEvidence
from mtl_runtime.report import number_format
from mtl_runtime.report.comparison import METRICS
from mtl_runtime.report.html import Content, Markup, join, table, tag

__all__ = ["model_quality"]

_TONES: Mapping[Rating, tuple[str, str]] = {  # mark, and class of the badge
    "no better than the majority": ("✕", "failed"),
    "worse than the probe": ("≈", "emulated"),
    "better than the majority": ("✓", "verified"),
    "unknown": ("○", "unverified"),
}


def model_quality(evidence: Evidence) -> Markup:
    """Answer the question that no comparison with PyTorch can answer: whether the model is any good.

    Figures of a file that the user gave to verify come first: training never saw it.
    """
    summary = evidence.training
    heading = join(tag("h2", "Is the model good?"), _scores_on_data(evidence))
    if summary is None or not (summary.validation or summary.findings):
        return join(heading, tag("p", "This bundle does not say how well the model did in training.", class_="quiet"))
    findings = [tag("li", finding.text) for finding in summary.findings]
    return join(
        heading,
        _say_how_often_right(summary.validation),
        tag("ul", findings, class_="problem warnings") if findings else "",
        _scores(summary.validation) if summary.validation else "",
    )


def _say_how_often_right(validation: Mapping[str, ValidationScores]) -> Markup:
    """The accuracies in a sentence for readers who know no metrics; of tasks that answer a number there is none."""
    shares = [
        f"for {name} in {100 * scores.model['accuracy']:.0f} of 100 rows"
        for name, scores in validation.items()
        if "accuracy" in scores.model
    ]
    if not shares:
        return Markup()
    return tag("p", f"On rows that training set aside for validation, the answer is right {', '.join(shares)}.")


def _scores(validation: Mapping[str, ValidationScores]) -> Markup:
    rows = [row for name, scores in validation.items() for row in _rows(name, scores)]
    caption = (
        "Validation rows of training, answered by PyTorch. Majority: always the most frequent answer of training, or "
        "its mean. Probe: linear heads on the frozen encoder."
    )
    head = ("task", "metric", "this model", "95 % interval", "n", "probe", "majority", "this model is")
    return table(caption, head, rows, words=(1, 7))


def _scores_on_data(evidence: Evidence) -> Markup:
    """What verify measured on a labelled file; an export's rows are those of validation."""
    rows = [
        row
        for variant, measured in evidence.variants.items()
        for task, scores in measured.tasks.items()
        if evidence.data and evidence.reference == DEFAULT_VARIANT and scores.labelled
        for row in _rows_on_data(variant, task, scores)
    ]
    if not rows:
        return Markup()
    caption = f"Labelled rows of {', '.join(evidence.data)}. Majority: always the most frequent label of these rows."
    return table(caption, ("variant", "task", "metric", "value", "95 % interval", "n", "majority"), rows, words=(1, 2))


def _rows_on_data(variant: str, task: str, scores: TaskEvidence) -> Iterator[tuple[Content, ...]]:
    for metric, value in scores.metrics.items():
        interval = majority = number_format.DASH
        if metric == "accuracy":
            interval = number_format.shares(*accuracy_interval(value, scores.labelled))
            majority = _format(scores.majority_accuracy)
        rows = number_format.count(scores.labelled)
        yield variant, task, METRICS[metric][0], number_format.share(value), interval, rows, majority
        variant = task = ""  # once for each task


def _rows(name: str, scores: ValidationScores) -> Iterator[tuple[Content, ...]]:
    mark, class_ = _TONES[scores.rating]
    rating: Content = tag("span", tag("span", mark, aria_hidden="true"), " ", scores.comparison, class_=f"b {class_}")
    shown = name
    for metric in scores.tabulated_metrics:
        if metric in scores.model:
            model, probe, majority = (
                _format(side.get(metric)) for side in (scores.model, scores.probe, scores.majority)
            )
            bounds = scores.intervals.get(metric)
            interval = number_format.DASH if bounds is None else number_format.shares(*bounds)
            rows = number_format.count(scores.rows)
            yield shown, METRICS[metric][0], model, interval, rows, probe, majority, rating
            shown, rating = "", ""  # once for each task


def _format(value: float | None) -> str:
    return number_format.DASH if value is None else number_format.share(value)
