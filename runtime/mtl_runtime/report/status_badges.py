"""Evidence -> each variant with its badge, and one sentence about all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtl_runtime.evidence.schema import Evidence, VariantEvidence
from mtl_runtime.report import number_format
from mtl_runtime.report.html import Markup, join, tag

__all__ = ["STATUS_BADGES", "StatusBadge", "VariantStatus", "badge_markup", "status_sentence", "variant_statuses"]


@dataclass(frozen=True, slots=True)
class StatusBadge:
    """How one outcome is shown; the mark works without colours."""

    name: str  # also of the CSS class
    mark: str
    singular: str
    plural: str
    meaning: str


STATUS_BADGES: Mapping[str, StatusBadge] = {
    badge.name: badge
    for badge in (
        StatusBadge(
            "verified",
            "✓",
            "is verified",
            "are verified",
            "Measured on its own provider on this machine, and within its budget: it answers as PyTorch does, which is "
            "no word on whether the model is good.",
        ),
        StatusBadge(
            "failed",
            "✕",
            "failed",
            "failed",
            "Measured on its own provider on this machine, and over its budget. Do not serve it here.",
        ),
        StatusBadge(
            "emulated",
            "≈",
            "is only emulated",
            "are only emulated",
            "Its precision was imitated on another provider: the figures cover rounding only. They say nothing about "
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
            "Measured over its budget, and left out of the bundle.",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class VariantStatus:
    """One variant on the page."""

    variant: str
    badge: StatusBadge
    evidence: VariantEvidence
    anchor: str

    @property
    def tone(self) -> str:
        """CSS class of its problems: an alarm if it was measured, a quiet reason if it could not be."""
        return "problem" if self.measured else "quiet"

    @property
    def measured(self) -> bool:
        """Whether its figures come from its own provider."""
        return self.badge.name not in ("emulated", "unverified")


def variant_statuses(evidence: Evidence) -> tuple[VariantStatus, ...]:
    """List the bundle's variants, then the refused ones."""
    bundled = [(name, STATUS_BADGES[variant.status], variant) for name, variant in evidence.variants.items()]
    refused = [(name, STATUS_BADGES["refused"], variant) for name, variant in evidence.refused.items()]
    return tuple(VariantStatus(*row, anchor=f"variant-{number}") for number, row in enumerate([*bundled, *refused], 1))


def badge_markup(badge: StatusBadge) -> Markup:
    """Show the outcome as a mark and a word."""
    return tag("span", tag("span", badge.mark, aria_hidden="true"), " ", badge.name, class_=f"b {badge.name}")


def status_sentence(statuses: Sequence[VariantStatus], reference: str) -> Markup:
    """Write one sentence that names every variant."""
    groups = [
        (badge, [status.variant for status in statuses if status.badge is badge]) for badge in STATUS_BADGES.values()
    ]
    clauses = [
        join(_join_names(names), " ", badge.singular if len(names) == 1 else badge.plural)
        for badge, names in groups
        if names
    ]
    if not groups[0][1]:
        clauses.insert(0, Markup("no variant is verified"))
    most = max((task.sentences for status in statuses for task in status.evidence.tasks.values()), default=0)
    compared = f", compared with {reference} on {number_format.plural(most, 'sentence')}" if most else ""
    return join("On this machine", compared, ": ", Markup("; ".join(clauses)), ".")


def _join_names(names: Sequence[str]) -> Markup:
    *first, last = [tag("strong", name) for name in names]
    return join(Markup(", ".join(first)), " and ", last) if first else last
