"""Report -> its conclusions in plain sentences, the most important one first; every figure is derived from it."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from mtl_bench.analysis.ranking import (
    EQUAL_WITHIN,
    ComparablePeer,
    PeerComparison,
    baseline_system,
    comparison_with_peers,
    fastest_variant,
)
from mtl_bench.analysis.summary import Summary, relative_speed, summarize
from mtl_bench.results.schema import Report
from mtl_runtime.report import number_format

__all__ = ["conclusions"]

_MAX_NAMES = 4  # tasks or systems that a sentence may name one by one


def conclusions(report: Report) -> tuple[str, ...]:
    """The verdict; at least one sentence."""
    variant = fastest_variant(report.systems)
    if variant is None:
        return ("No variant of this bundle was timed: there is no verdict on its speed.",)
    comparison = comparison_with_peers(report, variant)
    return (
        _speed_sentence(report, variant, comparison.comparable),
        *_offline_sentence(report, variant, comparison.comparable),
        *_scenario_sentence(report, variant, comparison, _single_stream_sentence),
        *_scenario_sentence(report, variant, comparison, _server_sentence),
        *_sentences_on_other_peers(comparison),
    )


def _speed_sentence(report: Report, variant: str, peers: Sequence[ComparablePeer]) -> str:
    baseline, agreement = baseline_system(report, variant), _agreement(report, variant)
    multiple = relative_speed(report, variant, baseline) if baseline and baseline != variant else None
    if multiple is None:
        rate = summarize(report.systems[variant]).throughput
        return f"{variant} answers {number_format.small(rate.median if rate else 0)} texts per second; {agreement}."
    # The fastest peer is the hardest comparison, so it comes first: a slow enough peer gives any multiple.
    than = _fastest_and_slowest(report, variant, peers) if peers else str(baseline)
    nearest = peers[0].speed_ratio if peers else multiple
    interval = f"95 %: {number_format.small(nearest.low)}{number_format.DASH}{number_format.small(nearest.high)}"
    factor = number_format.small(nearest.median)
    return f"{variant} answers {factor} times ({interval}) as many texts per second as {than}; {agreement}."


def _fastest_and_slowest(report: Report, variant: str, peers: Sequence[ComparablePeer]) -> str:
    fastest, slowest = peers[0], peers[-1]
    accuracy = _at_equal_accuracy(report, variant)
    if len(peers) == 1:
        return f"{fastest.name} ({report.systems[fastest.name].title}), the only peer {accuracy}"
    largest = number_format.small(slowest.speed_ratio.median)
    return (
        f"{fastest.name}, the fastest of {len(peers)} peers {accuracy}, and {largest} times as many as the slowest, "
        f"{slowest.name}"
    )


def _at_equal_accuracy(report: Report, variant: str) -> str:
    answers = report.systems[variant].answers
    return f"at equal or better {'accuracy' if answers and answers.metrics else 'agreement'}"


def _agreement(report: Report, variant: str) -> str:
    """How many of the reference's answers it gives, task by task."""
    answers = report.systems[variant].answers
    if answers is None or not answers.agreement:
        return "how right it is was not measured"
    if all(share == 1 for share in answers.agreement.values()):
        return "with every one of cpu-fp32's answers"
    if len(answers.agreement) > _MAX_NAMES:
        worst = min(answers.agreement, key=answers.agreement.__getitem__)
        share = number_format.percent(answers.agreement[worst])
        return f"with at least {share} of cpu-fp32's answers in each of {len(answers.agreement)} tasks ({worst})"
    shares = " / ".join(number_format.percent(share) for share in answers.agreement.values())
    return f"at {shares} of cpu-fp32's answers ({' / '.join(answers.agreement)})"


def _offline_sentence(report: Report, variant: str, peers: Sequence[ComparablePeer]) -> Iterator[str]:
    """Compared with the peers that are as accurate."""
    ahead = sum(peer.outcome == "ahead" for peer in peers)
    accuracy = _at_equal_accuracy(report, variant)
    if not any(result.kind == "peer" for result in report.systems.values()):
        yield "No peer was measured."
    elif not peers:
        yield f"No peer ran {accuracy}, so offline there is nothing to be ahead of."
    elif ahead < len(peers):
        yield f"In offline throughput {variant} is {_outcomes(peers)} that ran {accuracy}."
    elif len(peers) > 1:
        yield f"In offline throughput {variant} is ahead of all {len(peers)} peers that ran {accuracy}."


def _outcomes(peers: Sequence[ComparablePeer]) -> str:
    """``behind x (0.8 times its throughput), level with y (1.0 times) and ahead of 3 of the 5 peers``."""
    groups = {outcome: [peer for peer in peers if peer.outcome == outcome] for outcome in ("behind", "level", "ahead")}
    parts = [
        f"{words} {_enumerate([_with_multiple(peer) for peer in groups[outcome]])}"
        for outcome, words in (("behind", "behind"), ("level", "level with"))
        if groups[outcome]
    ]
    return f"{', '.join(parts)} and ahead of {len(groups['ahead'])} of the {number_format.plural(len(peers), 'peer')}"


def _with_multiple(peer: ComparablePeer) -> str:
    return f"{peer.name} ({number_format.small(peer.speed_ratio.median)} times its throughput)"


def _scenario_sentence(
    report: Report,
    variant: str,
    comparison: PeerComparison,
    sentence_of: Callable[[str, Summary, Mapping[str, Summary]], str | None],
) -> Iterator[str]:
    """How the variant and the peers that are as accurate did in one scenario."""
    peers = {peer.name: summarize(report.systems[peer.name]) for peer in comparison.comparable}
    sentence = sentence_of(variant, summarize(report.systems[variant]), peers)
    if sentence is not None:
        bounds = {result.server.bound for result in report.systems.values() if result.server}
        yield sentence.replace("BOUND", " or ".join(f"{1000 * bound:g}" for bound in sorted(bounds)))


def _single_stream_sentence(variant: str, own: Summary, peers: Mapping[str, Summary]) -> str | None:
    if not own.latency:
        return None
    own_p99 = own.latency[99].median
    start = f"One text at a time, {variant} answers 99 % within {number_format.small(1000 * own_p99)} ms"
    p99 = {name: peer.latency[99].median for name, peer in peers.items() if peer.latency}
    if not p99:
        return f"{start}."
    best = min(p99, key=p99.__getitem__)
    order = "behind the quickest" if p99[best] < own_p99 else "ahead of the quickest"
    return f"{start}, {order} such peer, {best} ({number_format.small(1000 * p99[best])} ms)."


def _server_sentence(variant: str, own: Summary, peers: Mapping[str, Summary]) -> str | None:
    rates = {name: peer.server_rate for name, peer in peers.items() if peer.server_rate is not None}
    if own.server_rate is None:
        return None
    limit = f" (and not {number_format.small(own.server_limit)})" if own.server_limit else ""
    start = (
        f"With texts that arrive at random, {variant} holds {number_format.small(own.server_rate)} a second{limit} "
        "with the 99th percentile within BOUND ms"
    )
    if not rates:
        return f"{start}."
    best = max(rates, key=rates.__getitem__)
    order = "behind" if rates[best] > own.server_rate else "ahead of"
    return f"{start}, {order} the best such peer, {best} ({number_format.small(rates[best])})."


def _sentences_on_other_peers(comparison: PeerComparison) -> Iterator[str]:
    """The peers that no earlier sentence compares."""
    if comparison.less_accurate:
        names = _enumerate([f"{name} by {100 * loss:.1f}" for name, loss in comparison.less_accurate.items()])
        count = number_format.plural(len(comparison.less_accurate), "peer")
        yield f"{count} answered less accurately, by more than {100 * EQUAL_WITHIN:g} points: {names}."
    if comparison.unmeasured:
        count = number_format.plural(len(comparison.unmeasured), "peer")
        yield f"{count} ran without all figures: {_enumerate(comparison.unmeasured)}."
    if comparison.failed:
        count = number_format.plural(len(comparison.failed), "peer")
        yield f"{count} failed: {_enumerate(comparison.failed)}."


def _enumerate(names: Sequence[str]) -> str:
    if len(names) > _MAX_NAMES:
        return f"{', '.join(names[:_MAX_NAMES])} and {len(names) - _MAX_NAMES} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
