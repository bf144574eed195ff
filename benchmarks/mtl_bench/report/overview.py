"""Report -> the top of its page: the verdict, the doubts about it, and machine, moment and workload in a line each."""

from collections.abc import Iterator, Sequence

from mtl_bench.analysis.conclusions import conclusions, run_warnings
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
        _doubts(report),
        tag("p", _machine(report), tag("br"), _workload(report), class_="where"),
        tag("details", tag("summary", "Machine, moment and workload in full"), _in_full(report), class_="in-full"),
    )


def _doubts(report: Report) -> Markup | str:
    found = run_warnings(report)
    if not found:
        return ""
    peers = {name for name, result in report.systems.items() if result.kind == "peer"}
    first, folded = ([one for one in found if (one[0] in peers) == side] for side in (False, True))
    rest = tag("details", tag("summary", f"{number_format.plural(len(folded), 'doubt')} about peers"), _list(folded))
    return tag(
        "div",
        tag("p", "What speaks against these figures"),
        _list(first) if first else "",
        rest if folded else "",
        class_="doubts",
        role="note",
    )


def _list(found: Sequence[tuple[str, str]]) -> Markup:
    return tag("ul", [tag("li", tag("strong", name, ": ") if name else "", doubt) for name, doubt in found])


def _machine(report: Report) -> str:
    machine, conditions = report.machine, report.conditions
    cores = f"{machine.cores_allowed} of {number_format.plural(machine.cores, 'core')}"
    gpus = f", {', '.join(machine.gpus)}" if machine.gpus else ""
    started = conditions.started_at[:16].replace("T", " ")
    took = number_format.plural(round(conditions.seconds / 60), "minute")
    return f"{machine.cpu}, {cores}{gpus}, {machine.system}; {started} UTC, {took}."


def _workload(report: Report) -> str:
    work = report.workload
    least, *_, most = work.token_quantiles or (0, 0)
    labelled = max(work.labelled.values(), default=0)
    told = f"{number_format.count(labelled)} labelled" if labelled else "without labels"
    return (
        f"{number_format.plural(work.texts, 'text')} of {work.name} timed, "
        f"{number_format.count(work.judged)} judged ({told}); "
        f"{number_format.count(work.tokens)} tokens, {least} to {most} each; "
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
    machine, now, work = report.machine, report.conditions, report.workload
    yield "Bundle (SHA-256 of its manifest)", tag("code", f"{report.bundle}: {report.digest}")
    yield "Command", tag("code", report.command)
    yield "Started at (UTC)", tag("time", now.started_at, datetime=now.started_at)
    yield "Processor", f"{machine.cpu}, {machine.architecture}, {machine.system}"
    quota = "no quota" if machine.cores_by_cgroup is None else f"quota {machine.cores_by_cgroup:g}"
    yield "Cores", f"{machine.cores_allowed} allowed of {machine.cores} (affinity {machine.cores_by_affinity}, {quota})"
    yield "Processor flags", ", ".join(machine.cpu_flags) or "none that count here"
    yield "Load in the minute before", f"{now.load_before:.2f} runnable processes"
    yield "Taken by other processes", "not told" if now.others is None else number_format.percent(now.others)
    yield "Taken by a hypervisor", "not told" if now.steal is None else number_format.percent(now.steal)
    yield "Held back by a quota", "no quota" if now.throttled is None else units.seconds(now.throttled)
    yield "Governor", now.governor or "not readable"
    yield "Tasks", ", ".join(f"{name} ({kind})" for name, kind in report.tasks.items())
    yield (
        "Labelled texts",
        ", ".join(f"{name} {number_format.count(count)}" for name, count in work.labelled.items()) or "none",
    )
    yield "Tokens of a text (least, 10 %, median, 90 %, most)", ", ".join(map(str, work.token_quantiles))
    yield "Texts (SHA-256)", tag("code", work.sha256)
    yield "Made with", ", ".join(f"{package} {version}" for package, version in report.made_with.items())
