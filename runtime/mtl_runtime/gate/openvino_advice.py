"""bundle -> advice where OpenVINO would run its portable graph faster here, in fp32, than what `load` opens.

Which of the two is faster depends on the processor: int8 without VNNI is little faster than OpenVINO's fp32, which
changes no answer. So both are timed, and nothing is said where OpenVINO cannot run.
"""

import dataclasses
import logging

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.bundle.golden import GOLDEN_NAME, parse_golden
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT, VariantSpec
from mtl_runtime.errors import MtlError
from mtl_runtime.gate.speed import FEW_ROUNDS, measure_speed
from mtl_runtime.inference.classifier import Classifier
from mtl_runtime.loading.execution_choice import choose_execution
from mtl_runtime.loading.load import load, open_classifier
from mtl_runtime.loading.plan import LoadPlan
from mtl_runtime.providers.session import provider_problem

__all__ = ["OPENVINO_FP32", "advise_openvino"]

_log = logging.getLogger(__name__)

OPENVINO_FP32 = "openvino-fp32"
_PROVIDER = "openvino"
# Less is not worth another wheel.
_WORTH = 1.05


def advise_openvino(bundle: Bundle) -> str | None:
    """Time openvino-fp32 against the variant that ``load`` opens here, on the golden texts.

    Returns:
        The advice; None where openvino-fp32 is no faster, the bundle has a variant on OpenVINO already, whose speed its
        evidence says, or OpenVINO cannot run here.

    Raises:
        MtlError: the bundle's own variant cannot be opened.
    """
    if any(spec.provider == _PROVIDER for spec in bundle.manifest.variants.values()) or provider_problem(_PROVIDER):
        return None
    running = load(bundle.path)
    texts = [golden.text for golden in parse_golden(bundle.read(GOLDEN_NAME))]
    _log.info("timing %s against %s, which runs here", OPENVINO_FP32, running.info.variant)
    try:
        times = measure_speed(_open(bundle), running, texts, rounds=FEW_ROUNDS)
    except MtlError as error:
        _log.info("%s cannot be timed: %s", OPENVINO_FP32, error)
        return None
    if times.low <= 1.0 or times.median < _WORTH:
        return None
    return (
        f"{OPENVINO_FP32} answers {times.median:.2f} times as many texts a second here as {running.info.variant}, "
        f"which runs, and gives fp32's answers; to have it in the bundle: mtl export --variants auto,{OPENVINO_FP32}"
    )


def _open(bundle: Bundle) -> Classifier:
    """The portable graph on OpenVINO, as a bundle with that variant would open it."""
    graph = bundle.manifest.variants[DEFAULT_VARIANT].graph
    variant = VariantSpec(graph=graph, provider=_PROVIDER, provider_options={"INFERENCE_PRECISION_HINT": "f32"})
    manifest = dataclasses.replace(bundle.manifest, variants={**bundle.manifest.variants, OPENVINO_FP32: variant})
    plan = LoadPlan(
        variant=OPENVINO_FP32, execution=choose_execution(_PROVIDER, OPENVINO_FP32, ()).config, reason="being timed"
    )
    return open_classifier(dataclasses.replace(bundle, manifest=manifest), plan)
