"""Evidence -> what stands: each variant with its badge, and the verdict on all of them in one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtl_runtime.evidence.schema import Evidence, VariantEvidence
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Markup, join, tag

__all__ = ["STATUS_BADGES", "StatusBadge", "VariantStatus", "badge_markup", "status_sentence", "variant_statuses"]


@dataclass(frozen=True, slots=True)
class StatusBadge:
    """How one outcome is shown; the mark carries it where colours cannot."""

    name: str  # of the CSS class, too
    mark: str
    singular: str
    plural: str
    meaning: str


STATUS_BADGES: Mapping[str, StatusBadge] = {
    standing.name: standing
    for standing in (
        StatusBadge(
            "verified",
            "✓",
            "is verified",
            "are verified",
            "Measured on its own provider on this machine, and inside its budget.",
        ),
        StatusBadge(
            "failed",
            "✕",
            "failed",
            "failed",
            "Measured on its own provider on this machine, and outside its budget. Do not serve it here.",
        ),
        StatusBadge(
            "emulated",
            "≈",
            "is only emulated",
            "are only emulated",
            "Its precision was imitated on another provider: the figures tell of rounding only. They say nothing of "
            "its own kernels or its speed, and prove nothing; mtl verify BUNDLE measures on the target machine.",
        ),
        StatusBadge(
            "unverified",
            "○",
            "is unverified",
            "are unverified",
            "Nothing was measured here. mtl verify BUNDLE measures on the target machine.",
        ),
        StatusBadge(
            "refused",
            "⊘",
            "was refused",
            "were refused",
            "Tried, found outside its budget, and left out of the bundle.",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class VariantStatus:
    """One variant of the page."""

    variant: str
    badge: StatusBadge
    evidence: VariantEvidence
    anchor: str

    @property
    def tone(self) -> str:
        """CSS class of its problems: alarming where it was measured, a plain reason where it could not be."""
        return "problem" if self.measured else "quiet"

    @property
    def measured(self) -> bool:
        """Whether its figures are of its own provider."""
        return self.badge.name not in ("emulated", "unverified")


def variant_statuses(evidence: Evidence) -> tuple[VariantStatus, ...]:
    """The bundle's variants, then the refused ones."""
    held = [(name, STATUS_BADGES[variant.status], variant) for name, variant in evidence.variants.items()]
    refused = [(name, STATUS_BADGES["refused"], variant) for name, variant in evidence.refused.items()]
    return tuple(VariantStatus(*row, anchor=f"variant-{number}") for number, row in enumerate([*held, *refused], 1))


def badge_markup(standing: StatusBadge) -> Markup:
    """The outcome as a mark and a word."""
    return tag("span", tag("span", standing.mark, aria_hidden="true"), " ", standing.name, class_=f"b {standing.name}")


def status_sentence(found: Sequence[VariantStatus], reference: str) -> Markup:
    """One sentence that names every variant."""
    groups = [
        (standing, [verdict.variant for verdict in found if verdict.badge is standing])
        for standing in STATUS_BADGES.values()
    ]
    clauses = [
        join(_listed(names), " ", standing.singular if len(names) == 1 else standing.plural)
        for standing, names in groups
        if names
    ]
    if not groups[0][1]:
        clauses.insert(0, Markup("no variant is verified"))
    most = max((task.sentences for verdict in found for task in verdict.evidence.tasks.values()), default=0)
    compared = f", compared with {reference} on {number_format.plural(most, 'sentence')}" if most else ""
    return join("On this machine", compared, ": ", Markup("; ".join(clauses)), ".")


def _listed(names: Sequence[str]) -> Markup:
    *first, last = [tag("strong", name) for name in names]
    return join(Markup(", ".join(first)), " and ", last) if first else last
