"""Report -> what a run says in plain sentences, the most important one first; every figure is derived from it."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from mtl_bench.analysis.ranking import (
    EQUAL_WITHIN,
    ComparablePeer,
    PeerComparison,
    baseline,
    comparison_with_peers,
    lead,
)
from mtl_bench.analysis.summary import Summary, speed_against, summary
from mtl_bench.results.schema import Report
from mtl_runtime.report import number_format

__all__ = ["conclusions", "run_warnings"]

_FEW = 4  # tasks or systems that a sentence may name one by one


def conclusions(report: Report) -> tuple[str, ...]:
    """The verdict; at least one sentence."""
    leader = lead(report)
    if leader is None:
        return ("No variant of this bundle was timed: there is no verdict on its speed.",)
    found = comparison_with_peers(report, leader)
    return (
        _speed(report, leader),
        *_offline(report, leader, found),
        *_best_of(report, leader, found, _single_stream),
        *_best_of(report, leader, found, _server),
        *_others(found),
    )


def run_warnings(report: Report) -> tuple[tuple[str, str], ...]:
    """Whose, and why the figures may not be trusted; those about the whole run, first, have an empty name."""
    own = [(name, doubt) for name, result in report.systems.items() for doubt in result.doubts]
    return (*(("", doubt) for doubt in report.doubts), *own)


def _speed(report: Report, leader: str) -> str:
    other, right = baseline(report, leader), _agreement(report, leader)
    times = speed_against(report, leader, other) if other and other != leader else None
    if times is None:
        rate = summary(report.systems[leader]).throughput
        return f"{leader} answers {number_format.small(rate.median if rate else 0)} texts per second; {right}."
    rivals = comparison_with_peers(report, leader).rivals
    # The fastest peer says most, and only it: any figure can be had by a slow enough one.
    than = _peers(report, leader, rivals) if rivals else str(other)
    nearest = rivals[0].times if rivals else times
    span = f"95 %: {number_format.small(nearest.low)}{number_format.DASH}{number_format.small(nearest.high)}"
    factor = number_format.small(nearest.median)
    return f"{leader} answers {factor} times ({span}) as many texts per second as {than}; {right}."


def _peers(report: Report, leader: str, rivals: Sequence[ComparablePeer]) -> str:
    """Those at the two ends, the fastest first."""
    fastest, slowest = rivals[0], rivals[-1]
    right = _as_right(report, leader)
    if len(rivals) == 1:
        return f"{fastest.name} ({report.systems[fastest.name].title}), the only peer {right}"
    most = number_format.small(slowest.times.median)
    return (
        f"{fastest.name}, the fastest of {len(rivals)} peers {right}, and {most} times as many as the slowest, "
        f"{slowest.name}"
    )


def _as_right(report: Report, leader: str) -> str:
    answers = report.systems[leader].answers
    return f"at equal or better {'accuracy' if answers and answers.metrics else 'agreement'}"


def _agreement(report: Report, leader: str) -> str:
    """How many of the reference's answers it gives, task by task."""
    answers = report.systems[leader].answers
    if answers is None or not answers.agreement:
        return "how right it is was not measured"
    if all(share == 1 for share in answers.agreement.values()):
        return "with every one of cpu-fp32's answers"
    if len(answers.agreement) > _FEW:
        worst = min(answers.agreement, key=answers.agreement.__getitem__)
        share = number_format.percent(answers.agreement[worst])
        return f"with at least {share} of cpu-fp32's answers in each of {len(answers.agreement)} tasks ({worst})"
    shares = " / ".join(number_format.percent(share) for share in answers.agreement.values())
    return f"at {shares} of cpu-fp32's answers ({' / '.join(answers.agreement)})"


def _offline(report: Report, leader: str, found: PeerComparison) -> Iterator[str]:
    """Against the peers that are as right."""
    groups: Mapping[str, list[ComparablePeer]] = {
        outcome: [rival for rival in found.rivals if rival.outcome == outcome]
        for outcome in ("ahead", "level", "behind")
    }
    count, right = len(found.rivals), _as_right(report, leader)
    if not any(result.kind == "peer" for result in report.systems.values()):
        yield "No peer was measured."
    elif not count:
        yield f"No peer ran {right}, so offline there is nothing to be ahead of."
    elif len(groups["ahead"]) < count:
        yield f"In offline throughput {leader} is {_places(groups, count)} that ran {right}."
    elif count > 1:
        yield f"In offline throughput {leader} is ahead of all {count} peers that ran {right}."


def _places(groups: Mapping[str, Sequence[ComparablePeer]], count: int) -> str:
    """``behind x (0.8 times its throughput), level with y (1.0 times) and ahead of 3 of the 5 peers``."""
    words = {"behind": "behind", "level": "level with"}
    parts = [
        f"{word} {_listed([_times(rival) for rival in rivals])}"
        for outcome, word in words.items()
        if (rivals := groups[outcome])
    ]
    every = f"{len(groups['ahead'])} of the {number_format.plural(count, 'peer')}"
    return f"{', '.join(parts)} and ahead of {every}"


def _times(rival: ComparablePeer) -> str:
    return f"{rival.name} ({number_format.small(rival.times.median)} times its throughput)"


def _best_of(
    report: Report,
    leader: str,
    found: PeerComparison,
    scenario: Callable[[str, Summary, Mapping[str, Summary]], str | None],
) -> Iterator[str]:
    """What one scenario says of the leader and of the peers that are as right."""
    peers = {rival.name: summary(report.systems[rival.name]) for rival in found.rivals}
    sentence = scenario(leader, summary(report.systems[leader]), peers)
    if sentence is not None:
        bound = {result.server.bound for result in report.systems.values() if result.server}
        yield sentence.replace("BOUND", " or ".join(f"{1000 * value:g}" for value in sorted(bound)))


def _single_stream(leader: str, ours: Summary, peers: Mapping[str, Summary]) -> str | None:
    if not ours.latency:
        return None
    own = ours.latency[99].median
    told = f"One text at a time, {leader} answers 99 % within {number_format.small(1000 * own)} ms"
    waits = {name: peer.latency[99].median for name, peer in peers.items() if peer.latency}
    if not waits:
        return f"{told}."
    best = min(waits, key=waits.__getitem__)
    order = "behind the quickest" if waits[best] < own else "ahead of the quickest"
    return f"{told}, {order} such peer, {best} ({number_format.small(1000 * waits[best])} ms)."


def _server(leader: str, ours: Summary, peers: Mapping[str, Summary]) -> str | None:
    held = {name: peer.server_rate for name, peer in peers.items() if peer.server_rate is not None}
    if ours.server_rate is None:
        return None
    over = f" (and not {number_format.small(ours.server_limit)})" if ours.server_limit else ""
    told = (
        f"With texts that arrive at random, {leader} holds {number_format.small(ours.server_rate)} a second{over} with "
        "the "
        "99th percentile within BOUND ms"
    )
    if not held:
        return f"{told}."
    best = max(held, key=held.__getitem__)
    order = "behind" if held[best] > ours.server_rate else "ahead of"
    return f"{told}, {order} the best such peer, {best} ({number_format.small(held[best])})."


def _others(found: PeerComparison) -> Iterator[str]:
    """The peers that nothing above speaks of."""
    if found.less_right:
        names = _listed([f"{name} by {100 * less:.1f}" for name, less in found.less_right.items()])
        count = number_format.plural(len(found.less_right), "peer")
        yield f"{count} answered less accurately, by more than {100 * EQUAL_WITHIN:g} points: {names}."
    if found.unmeasured:
        count = number_format.plural(len(found.unmeasured), "peer")
        yield f"{count} ran without all figures: {_listed(found.unmeasured)}."
    if found.failed:
        yield f"{number_format.plural(len(found.failed), 'peer')} failed: {_listed(found.failed)}."


def _listed(names: Sequence[str]) -> str:
    if len(names) > _FEW:
        return f"{', '.join(names[:_FEW])} and {len(names) - _FEW} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
