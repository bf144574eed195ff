"""Evidence -> one self-contained HTML page that a release manager can read, print and sign.

No script, no font, no image and no style from elsewhere. The page's own policy lets a browser apply exactly its style
sheet, so that nothing that data could smuggle in would run.
"""

from collections.abc import Sequence

from mtl_runtime.evidence.schema import Evidence
from mtl_runtime.report.comparison import comparison
from mtl_runtime.report.glossary import glossary
from mtl_runtime.report.html import Markup, join, tag
from mtl_runtime.report.overview import overview
from mtl_runtime.report.page_frame import head, section, shared_style
from mtl_runtime.report.status_badges import VariantStatus, variant_statuses
from mtl_runtime.report.variant import variant_details

__all__ = ["evidence_page"]


def evidence_page(evidence: Evidence, *, title: str) -> str:
    """The whole document; equal evidence gives equal bytes.

    Args:
        evidence: of one run of the gate.
        title: heading of the page, such as the bundle's name.
    """
    found = variant_statuses(evidence)
    body = tag(
        "main",
        overview(evidence, found, title=title),
        section("Comparison", comparison(found, evidence.reference), class_="broad"),
        section("Variants", *(variant_details(verdict) for verdict in found)),
        section("What the figures mean", glossary()),
        section("Release decision", _decision(evidence, found)),
    )
    top = head(f"{title}: evidence", shared_style())
    return f"<!DOCTYPE html>\n{tag('html', top, tag('body', body), lang='en')}\n"


def _decision(evidence: Evidence, found: Sequence[VariantStatus]) -> Markup:
    """What is signed: this bundle, and the variants that may be served."""
    choices = [
        tag("li", verdict.variant, " (", verdict.badge.name, ")")
        for verdict in found
        if verdict.badge.name != "refused"
    ]
    lines = [tag("div", tag("span", name)) for name in ("Name", "Date", "Signature")]
    return join(
        tag("p", "Bundle ", tag("code", evidence.bundle_digest), " is released for these variants:"),
        tag("ul", choices, class_="choices"),
        tag("div", lines, class_="sign"),
    )
