"""Report -> one sentence: how fast the bundle is, and at what price in answers."""

from mtl_bench.schema import Report
from mtl_bench.summary import speed_against, summary
from mtl_runtime.choice import DEFAULT_VARIANT

__all__ = ["verdict"]


def verdict(report: Report) -> str:
    """The sentence, without its full stop."""
    best = _fastest(report)
    if best is None:
        return "no variant of the bundle was timed"
    row, found = report.systems[best], summary(report.systems[best]).throughput
    parts = [
        f"{row.title} answers {found.median:,.0f} texts/s{', in doubt' if row.doubts else ''}" if found else row.title
    ]
    if best != DEFAULT_VARIANT and DEFAULT_VARIANT in report.systems:
        parts += [*_times(report, best), *_agreement(report, best)]
    return "; ".join(parts)


def _fastest(report: Report) -> str | None:
    """Of ours, and of those without doubts if there are any: what answers wrongly is in doubt and would win by it."""
    timed = {name: row for name, row in report.systems.items() if row.kind == "ours" and row.offline}
    candidates = {name: row for name, row in timed.items() if not row.doubts} or timed
    rates = {name: found.median for name, row in candidates.items() if (found := summary(row).throughput)}
    return max(rates, key=rates.__getitem__, default=None)


def _times(report: Report, name: str) -> list[str]:
    found = speed_against(report, name, DEFAULT_VARIANT)
    if found is None:
        return []
    interval = f"({found.low:.2f} to {found.high:.2f})"
    if found.low <= 1 <= found.high:
        return [f"as fast as {DEFAULT_VARIANT}, as far as these rounds tell {interval}"]
    return [f"{found.median:.2f} times {interval} as fast as {DEFAULT_VARIANT}"]


def _agreement(report: Report, name: str) -> list[str]:
    answers = report.systems[name].answers
    if answers is None or not answers.agreement:
        return []
    task, share = min(answers.agreement.items(), key=lambda item: item[1])
    return [f"{DEFAULT_VARIANT}'s answer on {share:.2%} of the texts (task {task})"]
