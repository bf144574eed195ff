"""Evidence -> one self-contained HTML page that a release manager can read, print and sign.

It needs no script, font, image or style from elsewhere. Its content security policy allows exactly its own style
sheet, so that a browser runs nothing that data may have smuggled in.
"""

from collections.abc import Sequence

from mtl_runtime.evidence.schema import Evidence
from mtl_runtime.report.comparison import comparison
from mtl_runtime.report.glossary import glossary
from mtl_runtime.report.html import Markup, join, tag
from mtl_runtime.report.overview import overview
from mtl_runtime.report.page_frame import head, section, shared_style
from mtl_runtime.report.status_badges import VariantStatus, variant_statuses
from mtl_runtime.report.teacher.section import teacher_section
from mtl_runtime.report.variant import variant_details

__all__ = ["evidence_page"]


def evidence_page(evidence: Evidence, *, title: str) -> str:
    """Write the whole document; equal evidence gives equal bytes.

    Args:
        evidence: of one run of the gate.
        title: heading of the page, such as the bundle's name.
    """
    statuses = variant_statuses(evidence)
    body = tag(
        "main",
        overview(evidence, statuses, title=title),
        section("Comparison", comparison(statuses, evidence.reference), class_="broad"),
        teacher_section(evidence),
        section("Variants", *(variant_details(status) for status in statuses)),
        section("What the figures mean", glossary()),
        section("Release decision", _decision(evidence, statuses)),
    )
    top = head(f"{title}: evidence", shared_style())
    return f"<!DOCTYPE html>\n{tag('html', top, tag('body', body), lang='en')}\n"


def _decision(evidence: Evidence, statuses: Sequence[VariantStatus]) -> Markup:
    """The part to sign: the bundle, and the variants that may be served."""
    choices = [
        tag("li", status.variant, " (", status.badge.name, ")") for status in statuses if status.badge.name != "refused"
    ]
    lines = [tag("div", tag("span", name)) for name in ("Name", "Date", "Signature")]
    return join(
        tag("p", "Bundle ", tag("code", evidence.bundle_digest), " is released for these variants:"),
        tag("ul", choices, class_="choices"),
        tag("div", lines, class_="sign"),
    )
