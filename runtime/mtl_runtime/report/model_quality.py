"""TrainingSummary -> the first section of the page: findings, and each task next to its majority and its probe."""

from collections.abc import Iterator, Mapping

from mtl_runtime.bundle.training_summary import Rating, TrainingSummary, ValidationScores
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


def model_quality(summary: TrainingSummary | None) -> Markup:
    """Answer the question that no comparison with PyTorch can answer: whether the model is any good."""
    heading = tag("h2", "Is the model good?")
    if summary is None or not (summary.validation or summary.findings):
        return join(heading, tag("p", "This bundle does not say how well the model did in training.", class_="quiet"))
    findings = [tag("li", finding.text) for finding in summary.findings]
    return join(
        heading,
        tag("ul", findings, class_="problem warnings") if findings else "",
        _scores(summary.validation) if summary.validation else "",
    )


def _scores(validation: Mapping[str, ValidationScores]) -> Markup:
    rows = [row for name, scores in validation.items() for row in _rows(name, scores)]
    caption = (
        "Validation rows of training, answered by PyTorch. Majority: always the most frequent answer of training, or "
        "its mean. Probe: linear heads on the frozen encoder."
    )
    head = ("task", "metric", "majority", "probe", "this model", "n", "this model is")
    return table(caption, head, rows, words=(1, 6))


def _rows(name: str, scores: ValidationScores) -> Iterator[tuple[Content, ...]]:
    mark, class_ = _TONES[scores.rating]
    rating: Content = tag("span", tag("span", mark, aria_hidden="true"), " ", scores.rating, class_=f"b {class_}")
    shown = name
    for metric in scores.tabulated_metrics:
        if metric in scores.model:
            sides = (scores.majority, scores.probe, scores.model)
            rows = number_format.count(scores.rows)
            yield shown, METRICS[metric][0], *(_format(side.get(metric)) for side in sides), rows, rating
            shown, rating = "", ""  # once for each task


def _format(value: float | None) -> str:
    return number_format.DASH if value is None else number_format.share(value)
