"""Report -> one sentence: how fast the bundle is, and how that stands beside the fastest peer."""

from mtl_bench.schema import Report
from mtl_bench.summary import fastest, speed_against, summary
from mtl_runtime.choice import DEFAULT_VARIANT
from mtl_runtime.evidence import Ratio

__all__ = ["verdict"]


def verdict(report: Report) -> str:
    """The sentence, without its full stop."""
    best, peer = fastest(report, "ours"), fastest(report, "peer")
    if best is None:
        return "no variant of the bundle was timed"
    parts = [_speed(report, best), *_agreement(report, best)]
    if best != DEFAULT_VARIANT and DEFAULT_VARIANT in report.systems:
        parts += _times(speed_against(report, best, DEFAULT_VARIANT), DEFAULT_VARIANT)
    if peer is not None:
        in_doubt = ", which is in doubt" if report.systems[peer].doubts else ""
        parts += _times(speed_against(report, best, peer), f"the fastest peer, {report.systems[peer].title}{in_doubt}")
    return "; ".join(parts)


def _speed(report: Report, name: str) -> str:
    row = report.systems[name]
    found = summary(row).throughput
    told = f"{row.title} answers {found.median:,.0f} texts/s" if found else row.title
    return f"{told}, in doubt" if row.doubts else told


def _agreement(report: Report, name: str) -> list[str]:
    answers = report.systems[name].answers
    if name == DEFAULT_VARIANT or answers is None or not answers.agreement:
        return []
    task, share = min(answers.agreement.items(), key=lambda item: item[1])
    return [f"{DEFAULT_VARIANT}'s answer on {share:.2%} of the texts (task {task})"]


def _times(found: Ratio | None, whose: str) -> list[str]:
    if found is None:
        return []
    interval = f"({found.low:.2f} to {found.high:.2f})"
    if found.low <= 1 <= found.high:
        return [f"as fast as {whose}, as far as these rounds tell {interval}"]
    return [f"{found.median:.2f} times {interval} as fast as {whose}"]
