"""bundle folder -> the page about what was measured of it."""

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.hub_cache import display_name
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.evidence.files import read_evidence
from mtl_runtime.evidence.schema import GOLDEN_REFERENCE, Evidence
from mtl_runtime.report.document import evidence_page
from mtl_runtime.server.served_model import ServedModel

__all__ = ["find_evidence", "render_evidence"]


def find_evidence(model: ServedModel) -> Evidence | None:
    """What was measured of exactly this bundle; None: nothing, or its folder holds another bundle by now.

    Where there is more than one: a verified variant that runs here, this machine, more than golden texts, the latest.

    Raises:
        MtlError: bundle or evidence cannot be read.
    """
    bundle = Bundle.open(model.classifier.source.bundle)
    if bundle.digest != model.digest:
        return None
    machine = machine_facts().name

    def rank(evidence: Evidence) -> tuple[bool, bool, bool, str]:
        variant = evidence.variants.get(model.variant)
        is_verified = variant is not None and variant.status == "verified"
        return (
            is_verified,
            evidence.machine.name == machine,
            evidence.reference != GOLDEN_REFERENCE,
            evidence.measured_at,
        )

    return max(read_evidence(bundle), key=rank, default=None)


def render_evidence(model: ServedModel, evidence: Evidence) -> str:
    """The page that the gate wrote next to the evidence, byte for byte.

    The manifest promises no bytes of that file, so what it shows is written again from the figures: a file that was
    changed cannot bring markup of its own.
    """
    return evidence_page(evidence, title=display_name(Bundle.open(model.classifier.source.bundle).path))
