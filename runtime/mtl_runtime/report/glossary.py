"""The meaning of each figure on the page, one line each."""

from mtl_runtime.report import number_format
from mtl_runtime.report.html import Markup, tag
from mtl_runtime.report.status_badges import STATUS_BADGES

__all__ = ["glossary"]

_FIGURES: tuple[tuple[str, str], ...] = (
    ("agreement", "Share of the sentences for which the variant gives the reference's answer, right or wrong."),
    (
        "95 % interval",
        "Of an agreement: the score interval of E. B. Wilson, Probable inference, the law of succession, and "
        "statistical inference, JASA 22 (1927), pages 209 to 212. Of a speed: from the order statistics of the rounds.",
    ),
    (
        "flip",
        "A sentence whose answer differs from the reference's; in a multi-label task, whose set of labels differs.",
    ),
    (
        "margin",
        "How far the reference was from another answer: the gap between its two best logits, or to the threshold.",
    ),
    ("tie", "A margin so small, by the limit for the precision, that rounding alone may change the decision."),
    ("accuracy", "Share of the labelled sentences answered correctly; in a multi-label task, with all labels correct."),
    (
        "F1, macro-F1",
        "Of one label, the harmonic mean of precision and recall; macro-F1 is the plain mean over the labels.",
    ),
    ("majority class", "The accuracy of always giving the most frequent label: the value to beat."),
    ("points", f"A change of a share in hundredths: from 0.777 to 0.775 is {number_format.change(-0.2)} points."),
    (
        "Pearson",
        "Of a regression: the correlation of its numbers with the true ones; 1 is perfect, 0 is none.",
    ),
    ("mean abs. error", "Of a regression: the average distance from the true numbers, in the task's own unit."),
    (
        "logit difference",
        "How far one raw output of the graph is from the reference's, before temperature and softmax.",
    ),
    ("probability difference", "The same after softmax or sigmoid at temperature 1."),
    (
        "calibration error",
        "Expected calibration error: the gap between mean probability and share right, averaged over ten bins, "
        "weighted by their answers; before and after the logits are divided by a temperature, which was fitted without "
        "the row itself. C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, On calibration of modern neural networks, "
        "ICML 2017.",
    ),
    ("speed", "Throughput as a multiple of cpu-fp32's, both measured in the same rounds; the median of the rounds."),
    (
        "stability",
        "The same sentences in other batches, orders, paddings, repetitions and numbers of threads.",
    ),
    ("sensitivity", "The cost of quantizing one node alone for the worst task: its mean |logit difference|."),
    ("budget", "How far a variant may deviate: the limits of its precision, or those in the config's [gate]."),
)


def glossary() -> Markup:
    """List statuses first, then figures."""
    statuses = [(badge.name, badge.meaning) for badge in STATUS_BADGES.values()]
    entries = [tag("div", tag("dt", term), tag("dd", words)) for term, words in [*statuses, *_FIGURES]]
    return tag("dl", entries, class_="glossary")
