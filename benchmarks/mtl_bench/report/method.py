"""Report -> how it was measured, what was left out and why, and the terms."""

from mtl_bench.analysis.ranking import EQUAL_WITHIN
from mtl_bench.results.schema import Report
from mtl_runtime.report.html import Markup, join, table, tag

__all__ = ["glossary", "method", "skipped_parts"]

_METHOD = (
    "Every system runs in fresh processes of its own, one system at a time, in turns: a round times each of them once, "
    "so that what slows the machine for a while slows all. Multiples are taken round by round.",
    "A figure is the median over fresh processes, each of which is summarized by the median of its rounds. Its 95 % "
    "interval is Student's t over the processes: rounds of one process are alike, and a hundred of them are one "
    "sample. Curves over tasks, lengths and threads come from the rounds of one process, and their intervals from "
    "order statistics.",
    "Every system is timed from text to labels: tokenizing, padding, batching and decoding count. Each has its own "
    "fastest batch size, which a sweep finds first.",
    "Answers are compared with cpu-fp32's, and with the labels where the texts have them.",
    "A fixed matrix product is timed between the systems; where its time changes, the machine's speed changed, and a "
    "warning says so.",
)
_TERMS = (
    (
        "Offline",
        "MLPerf inference's scenario of that name: all texts are there at once; texts per second are measured.",
    ),
    (
        "SingleStream",
        "MLPerf's scenario: one text at a time, the next one after the answer; the time of each is measured.",
    ),
    (
        "Server",
        "MLPerf's scenario: texts arrive at random moments (a Poisson process), whether or not the earlier ones are "
        "answered; the highest rate at which the 99th percentile of the latency stays within a bound is measured.",
    ),
    ("p50, p99", "The time that 50 % or 99 % of the texts do not exceed (nearest rank)."),
    ("agreement", "Share of the texts with cpu-fp32's answer, right or wrong."),
    ("accuracy", "Share of the labelled texts with the right answer; of a regression, Pearson's correlation."),
    (
        "equal or better accuracy",
        f"A mean accuracy over the tasks that is lower by at most {100 * EQUAL_WITHIN:g} points; without labels, the "
        "mean agreement.",
    ),
    ("95 % interval", "Where the mean of further fresh processes would lie, with 95 % confidence (Student's t)."),
    ("cold start", "From the start of a process to its first answer, its files in the page cache."),
    ("peak memory", "The highest resident memory of a system's process, in 10⁶ bytes; the median of its processes."),
    (
        "Pareto front",
        "The systems that no other system beats: none is at least as good in both accuracy and throughput, and better "
        "in one.",
    ),
    (
        "roofline",
        "Useful operations per second as a share of the fastest matrix product of the machine. S. Williams, "
        "A. Waterman, D. Patterson, Roofline, Communications of the ACM 52(4), 2009.",
    ),
    ("session alone", "The same batches in the model alone, without tokenizing and decoding."),
    ("peer", "Another system that answers the same texts, with the settings that its documentation recommends."),
)


def method(report: Report) -> Markup:
    """The method in short, and where the raw values are."""
    raw = (
        f"All raw values are in results.json next to this page (schema version {report.schema_version}); each figure "
        "here is derived from it."
    )
    return join(tag("ul", [tag("li", line) for line in _METHOD], class_="method"), tag("p", raw))


def skipped_parts(report: Report) -> Markup:
    """What was not measured."""
    if not report.skipped:
        return tag("p", "Nothing was left out.")
    return table("Left out of this run", ("part or variant", "why"), list(report.skipped.items()), words=(1,))


def glossary() -> Markup:
    """The terms of the page."""
    return tag("dl", [tag("div", tag("dt", term), tag("dd", words)) for term, words in _TERMS], class_="glossary")
