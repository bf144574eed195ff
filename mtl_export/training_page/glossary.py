"""The terms of the page, each explained in a sentence."""

from mtl_runtime.report.html import Markup, tag

__all__ = ["glossary"]

_TERMS = (
    (
        "majority",
        "The best answer that ignores the text: the most frequent label of training, every label of a multi_label "
        "task, the mean of a regression. A model that is no better has learnt nothing about its task.",
    ),
    (
        "probe",
        "A linear head on the embeddings of the encoder as it was before training. A model that is worse lost more by "
        "training the encoder than it gained.",
    ),
    ("accuracy", "Share of the rows with exactly the right answer; of a multi_label task, the right set of labels."),
    (
        "macro-F1",
        "The mean of F1 over the labels, each counting the same however rare it is. F1 is the harmonic mean of "
        "precision (share of the answers that are right) and recall (share of the label's rows that are found).",
    ),
    ("Pearson", "Correlation of the answers with the numbers, from -1 to 1; an answer that never changes has 0."),
    (
        "best step",
        "The evaluation whose weights the checkpoint has: the one with the highest score, the mean over the tasks of "
        "macro-F1 or Pearson; of equal ones the latest, and with fewer than 200 validation rows the latest whose score "
        "lies in the 95 % interval of the highest.",
    ),
    (
        "validation",
        "Rows that no weight was trained on. The best step and the thresholds of multi_label tasks were chosen by "
        "them, so that the figures are a little too good; rows that nothing was chosen by, such as a test file, tell "
        "the rest.",
    ),
)


def glossary() -> Markup:
    """Make the list of terms."""
    return tag("dl", [tag("div", tag("dt", term), tag("dd", words)) for term, words in _TERMS], class_="glossary")
