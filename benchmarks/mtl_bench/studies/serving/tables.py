"""results file -> the tables of docs/serve-speed.md, between their markers.

python -m mtl_bench.studies.serving.tables benchmarks/results/serve_speed.json docs/serve-speed.md
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mtl_bench.analysis.summary import process_estimate
from mtl_bench.report.markdown_table import cell, markdown_table, tables_command
from mtl_bench.studies.serving.results import (
    CancellationResult,
    OverloadResult,
    ServerResult,
    ServerRound,
    ServingResults,
    SpeedResult,
)
from mtl_runtime.evidence.schema import Estimate

__all__ = ["page_tables"]

_MIB = 2**20


def page_tables(results: ServingResults) -> dict[str, str]:
    """All tables by the name of their markers; one whose part is absent is empty."""
    return {
        "speed": _speed(results.speed) if results.speed else "",
        "load": _load(results),
        "circumstances": _circumstances(results),
    }


def _speed(speed: SpeedResult) -> str:
    library = speed.library
    alone = float(np.median([each.alone for each in library]))
    rows = [
        [
            "the library, 64 texts a call",
            _interval(process_estimate([each.rate for each in library]), ".0f"),
            "",
            "",
            f"{1000 * alone:.2f}",
            "",
            "",
        ]
    ]
    rows += [_server_row(speed, result) for result in speed.servers.values()]
    header = [
        "",
        f"sentences/s, {speed.clients} clients",
        "share of the library's",
        "p50 / p99, ms",
        "alone, ms",
        "above the library, ms",
        "memory, MiB",
    ]
    return markdown_table(header, rows, "lrrrrrr")


def _server_row(speed: SpeedResult, result: ServerResult) -> list[str]:
    if not result.rounds:
        return [cell(result.title), cell((result.error or "not measured")[:200]), "", "", "", "", ""]
    pairs = list(zip(result.rounds, speed.library, strict=False))
    above = [1000 * (each.alone - own.alone) for each, own in pairs]

    def median(figure: Callable[[ServerRound], float]) -> float:
        return float(np.median([figure(each) for each in result.rounds]))

    return [
        cell(result.title),
        _interval(process_estimate([each.rate for each in result.rounds]), ".0f"),
        _interval(process_estimate([each.rate / own.rate for each, own in pairs]), ".2f"),
        f"{1000 * median(lambda each: each.p50):.0f} / {1000 * median(lambda each: each.p99):.0f}",
        f"{1000 * median(lambda each: each.alone):.2f}",
        f"{np.median(above):+.2f} ({min(above):+.2f} to {max(above):+.2f})",
        f"{median(lambda each: each.resident_bytes) / _MIB:.0f}",
    ]


def _interval(estimate: Estimate, form: str) -> str:
    return f"{estimate.median:{form}} ({estimate.low:{form}} to {estimate.high:{form}})"


def _load(results: ServingResults) -> str:
    rows: list[list[str]] = []
    if over := results.overload:
        rows += [
            [f"{over.offered / over.sustained:.0f} times the sustained rate for {over.seconds:.0f} s", _overload(over)]
        ]
        growth = (over.resident_peak - over.resident_before) / _MIB
        rows += [["memory meanwhile", f"{over.resident_before / _MIB:.0f} MiB before, {growth:+.0f} at the peak"]]
        rows += [["afterwards", f"as fast as on an idle server after {over.recovery:.2f} s"]]
    if hung := results.cancellations:
        rows += [[f"{hung.requests:,} requests, {hung.cancelled:,} of them cancelled", _cancellations(hung)]]
    if slow := results.slow_clients:
        ratios = [beside / without for beside, without in zip(slow.p99_with, slow.p99_without, strict=True)]
        rows += [
            [
                f"{slow.slow_senders} slow senders and {slow.idle_sockets} idle sockets",
                f"p99 of healthy clients {np.median(ratios):.2f} times as long "
                f"({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} rounds); the last slow sender was closed "
                f"after {slow.slowest_sender_closed:.1f} s (limit {slow.receive_seconds:.0f}), the last idle socket "
                f"after {slow.slowest_idle_closed:.1f} s (limit {slow.idle_seconds:.0f})",
            ]
        ]
    return markdown_table(["what happens", "what becomes of it"], rows, "ll")


def _overload(over: OverloadResult) -> str:
    total = sum(over.statuses.values())
    parts = [f"{status}: {count / total:.1%}" for status, count in over.statuses.items()]
    share = over.goodput / over.sustained
    return (
        f"{', '.join(parts)}; {over.goodput:.0f} answers/s, {share:.0%} of the {over.sustained:.0f} sustained; "
        f"p99 of answers {over.p99:.2f} s"
    )


def _cancellations(hung: CancellationResult) -> str:
    failures = ", ".join(f"{status}: {count}" for status, count in hung.failures.items()) or "none"
    return (
        f"{hung.right:,} right answers, {hung.wrong} wrong, other statuses: {failures}; a second later "
        f"{hung.pending_texts} texts and {hung.pending_requests} requests are left"
    )


def _circumstances(results: ServingResults) -> str:
    if results.machine is None:
        return ""
    made_with: Mapping[str, str] = results.made_with
    rows: Sequence[Sequence[str]] = [
        ["processor", cell(results.machine.cpu)],
        ["measured", results.measured_at],
        ["variant", f"{results.variant}, {results.sentences:,} sentences"],
        ["versions", ", ".join(f"{name} {version}" for name, version in made_with.items())],
    ]
    return markdown_table(["", ""], rows, "ll")


if __name__ == "__main__":
    tables_command(ServingResults, page_tables)()
