"""Report -> the top of its page: the verdict, the warnings, and machine, moment and workload in a line each."""

from collections.abc import Iterator, Sequence

from mtl_bench.analysis.conclusions import conclusions
from mtl_bench.analysis.warnings import run_warnings
from mtl_bench.report import units
from mtl_bench.results.schema import Report
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Content, Markup, table, tag

__all__ = ["overview"]


def overview(report: Report, *, title: str) -> Markup:
    """Everything above the table."""
    first, *others = conclusions(report)
    return tag(
        "header",
        tag("p", "Benchmark of a bundle", class_="kind"),
        tag("h1", title),
        tag("p", first, class_="verdict"),
        tag("ul", [tag("li", sentence) for sentence in others], class_="also") if others else "",
        _warnings(report),
        tag("p", _machine(report), tag("br"), _workload(report), class_="where"),
        tag("details", tag("summary", "Machine, moment and workload in full"), _in_full(report), class_="in-full"),
    )


def _warnings(report: Report) -> Markup | str:
    """Those about peers are folded away."""
    warnings = run_warnings(report)
    if not warnings:
        return ""
    peers = {name for name, result in report.systems.items() if result.kind == "peer"}
    of_peers = [(name, warning) for name, warning in warnings if name in peers]
    others = [(name, warning) for name, warning in warnings if name not in peers]
    heading = f"{number_format.plural(len(of_peers), 'warning')} about peers"
    return tag(
        "div",
        tag("p", "Why these figures may not be trusted"),
        _warning_list(others) if others else "",
        tag("details", tag("summary", heading), _warning_list(of_peers)) if of_peers else "",
        class_="warnings",
        role="note",
    )


def _warning_list(warnings: Sequence[tuple[str, str]]) -> Markup:
    return tag("ul", [tag("li", tag("strong", name, ": ") if name else "", warning) for name, warning in warnings])


def _machine(report: Report) -> str:
    machine, conditions = report.machine, report.conditions
    cores = f"{machine.cores_allowed} of {number_format.plural(machine.cores, 'core')}"
    gpus = f", {', '.join(machine.gpus)}" if machine.gpus else ""
    started = conditions.started_at[:16].replace("T", " ")
    took = number_format.plural(round(conditions.seconds / 60), "minute")
    return f"{machine.cpu}, {cores}{gpus}, {machine.system}; {started} UTC, {took}."


def _workload(report: Report) -> str:
    work = report.workload
    shortest, *_, longest = work.token_quantiles or (0, 0)
    labelled = max(work.labelled.values(), default=0)
    labels = f"{number_format.count(labelled)} labelled" if labelled else "without labels"
    return (
        f"{number_format.plural(work.texts, 'text')} of {work.name} timed, "
        f"{number_format.count(work.scored)} scored ({labels}); "
        f"{number_format.count(work.tokens)} tokens, {shortest} to {longest} each; "
        f"{number_format.plural(len(report.tasks), 'task')}."
    )


def _in_full(report: Report) -> Markup:
    facts = [tag("div", tag("dt", name), tag("dd", value)) for name, value in _facts(report)]
    files = [
        (name, number_format.count(file.bytes), tag("code", file.sha256))
        for name, file in report.workload.files.items()
    ]
    data = table("Data files", ("file", "bytes", "SHA-256"), files, words=(2,)) if files else ""
    return tag("div", tag("dl", facts, class_="facts"), data, class_="body")


def _facts(report: Report) -> Iterator[tuple[str, Content]]:
    work = report.workload
    yield "Bundle (SHA-256 of its manifest)", tag("code", f"{report.bundle}: {report.digest}")
    yield "Command", tag("code", report.command)
    yield "Started at (UTC)", tag("time", report.conditions.started_at, datetime=report.conditions.started_at)
    yield from _machine_facts(report)
    yield "Tasks", ", ".join(f"{name} ({kind})" for name, kind in report.tasks.items())
    yield (
        "Labelled texts",
        ", ".join(f"{name} {number_format.count(count)}" for name, count in work.labelled.items()) or "none",
    )
    yield "Tokens of a text (least, 10 %, median, 90 %, most)", ", ".join(map(str, work.token_quantiles))
    yield "Texts (SHA-256)", tag("code", work.sha256)
    yield "Made with", ", ".join(f"{package} {version}" for package, version in report.made_with.items())


def _machine_facts(report: Report) -> Iterator[tuple[str, Content]]:
    machine, now = report.machine, report.conditions
    yield "Processor", f"{machine.cpu}, {machine.architecture}, {machine.system}"
    quota = "no quota" if machine.cores_by_cgroup is None else f"quota {machine.cores_by_cgroup:g}"
    yield "Cores", f"{machine.cores_allowed} allowed of {machine.cores} (affinity {machine.cores_by_affinity}, {quota})"
    yield "Processor flags", ", ".join(machine.cpu_flags) or "none that matter here"
    yield "Load in the minute before", f"{now.load_before:.2f} runnable processes"
    yield "Cores' time for other processes", _share(now.others)
    yield "Cores' time that a hypervisor took", _share(now.steal)
    yield "Stopped by a CPU quota", "no quota" if now.throttled is None else units.seconds(now.throttled)
    yield "Governor", now.governor or "not readable"


def _share(share: float | None) -> str:
    return "not reported" if share is None else number_format.percent(share)
