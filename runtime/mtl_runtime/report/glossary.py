"""What each figure of the page means, in a line each."""

from mtl_runtime.report import number_format
from mtl_runtime.report.html import Markup, tag
from mtl_runtime.report.status_badges import STATUS_BADGES

__all__ = ["glossary"]

_FIGURES: tuple[tuple[str, str], ...] = (
    ("agreement", "Share of the sentences that the variant answers as the reference does, right or wrong."),
    (
        "95 % interval",
        "Of an agreement: the score interval of E. B. Wilson, Probable inference, the law of succession, and "
        "statistical inference, JASA 22 (1927), pages 209 to 212. Of a speed: from the order statistics of the rounds.",
    ),
    ("flip", "A sentence with another answer than the reference's; of a multi-label task, with another set of labels."),
    ("margin", "How far the reference was from another answer: the gap of its two best logits, or to the threshold."),
    ("tie", "A margin so small, by the precision's own figure, that rounding alone may turn such a decision."),
    ("accuracy", "Share of the labelled sentences answered rightly; of a multi-label task, with all labels right."),
    (
        "F1, macro-F1",
        "Of one label, the harmonic mean of precision and recall; macro-F1 is the plain mean over the labels.",
    ),
    ("majority class", "The accuracy of always giving the most frequent label: what a figure must beat."),
    ("points", f"A change of a share in hundredths: from 0.777 to 0.775 is {number_format.change(-0.2)} points."),
    (
        "Pearson",
        "Of a regression, the correlation: how well its numbers move with the true ones; 1 is perfectly, 0 not at all.",
    ),
    ("mean abs. error", "Of a regression: how far its numbers are off on average, in the task's own unit."),
    (
        "logit difference",
        "How far one raw output of the graph is from the reference's, before temperature and softmax.",
    ),
    ("probability difference", "The same after softmax or sigmoid at temperature 1."),
    (
        "calibration error",
        "Expected calibration error: the gap of mean probability and share right, averaged over ten bins, "
        "weighted by their answers; before and after the logits are divided by the temperature. C. Guo, G. Pleiss, "
        "Y. Sun, K. Q. Weinberger, On calibration of modern neural networks, ICML 2017.",
    ),
    ("speed", "Throughput in times of cpu-fp32, both measured in the same rounds; the median of the rounds."),
    ("stability", "The same sentences in other batches, orders, paddings, repetitions and numbers of threads."),
    ("sensitivity", "What quantizing one node alone costs the worst task: its mean |logit difference|."),
    ("budget", "How far a variant may stray: of its precision, or as the config's [gate] says."),
)


def glossary() -> Markup:
    """Statuses first, then figures."""
    statuses = [(standing.name, standing.meaning) for standing in STATUS_BADGES.values()]
    entries = [tag("div", tag("dt", term), tag("dd", words)) for term, words in [*statuses, *_FIGURES]]
    return tag("dl", entries, class_="glossary")
