"""Evidence -> the top of its page: the model's quality, a badge for each variant, and what was measured where."""

from collections.abc import Sequence

from mtl_runtime.evidence.schema import Evidence
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Content, Markup, join, table, tag
from mtl_runtime.report.model_quality import model_quality
from mtl_runtime.report.status_badges import VariantStatus, badge_markup, status_sentence

__all__ = ["overview"]


def overview(evidence: Evidence, statuses: Sequence[VariantStatus], *, title: str) -> Markup:
    """Make the header: title, the model's quality, summary, badges, facts, data files and versions."""
    return tag(
        "header",
        tag("p", "Evidence of the export gate", class_="kind"),
        tag("h1", title),
        model_quality(evidence),
        tag("h2", "Do the variants answer as PyTorch does?"),
        tag("p", status_sentence(statuses, evidence.reference), class_="verdict"),
        tag("p", "A verified variant gives PyTorch's answers, right or wrong: it is as good as the model is."),
        tag("ul", [_variant(status) for status in statuses], class_="badges"),
        tag("dl", [_fact(name, value) for name, value in _facts(evidence, statuses)], class_="facts"),
        _data(evidence),
    )


def _variant(status: VariantStatus) -> Markup:
    link = tag("a", status.variant, href=f"#{status.anchor}")
    return tag("li", badge_markup(status.badge), " ", link, tag("span", status.badge.meaning))


def _fact(name: str, value: Content) -> Markup:
    return tag("div", tag("dt", name), tag("dd", value))


def _facts(evidence: Evidence, statuses: Sequence[VariantStatus]) -> list[tuple[str, Content]]:
    machine = evidence.machine
    quota = "" if machine.cores_by_cgroup is None else f", quota {machine.cores_by_cgroup:g}"
    cores = f"{machine.cores_allowed} allowed of {machine.cores} (affinity {machine.cores_by_affinity}{quota})"
    return [
        ("Bundle (SHA-256 of its manifest)", tag("code", evidence.bundle_digest)),
        ("Measured at (UTC)", tag("time", evidence.measured_at, datetime=evidence.measured_at)),
        ("Reference", evidence.reference),
        ("Sentences compared", _sentences(statuses)),
        ("Processor", f"{machine.cpu}, {machine.architecture}, {machine.system}"),
        ("Cores", cores),
        ("Processor flags", ", ".join(machine.cpu_flags) or "none of the relevant ones"),
        ("Made with", ", ".join(f"{package} {version}" for package, version in evidence.made_with.items())),
        ("Evidence schema", f"version {evidence.schema_version}"),
    ]


def _sentences(statuses: Sequence[VariantStatus]) -> Content:
    """Count the sentences by task, from the first variant that has the task."""
    sizes: dict[str, tuple[int, int]] = {}
    for status in statuses:
        for name, task in status.evidence.tasks.items():
            sizes.setdefault(name, (task.sentences, task.labelled))
    parts = [
        f"{name} {number_format.count(sentences)} ({number_format.count(labelled)} labelled)"
        for name, (sentences, labelled) in sizes.items()
    ]
    return ", ".join(parts) or "none"


def _data(evidence: Evidence) -> Markup:
    if not evidence.data:
        return tag("p", "No data file was read.")
    rows = [(name, number_format.count(file.bytes), tag("code", file.sha256)) for name, file in evidence.data.items()]
    return join(table("Data files", ("file", "bytes", "SHA-256"), rows, words=(2,)))
