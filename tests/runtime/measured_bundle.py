"""Evidence for a bundle of the tests, as a gate on this machine or on another one would have written it."""

from dataclasses import replace
from pathlib import Path

from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core.machine import MachineFacts, machine_facts
from mtl_runtime.evidence.schema import Estimate, VariantEvidence
from mtl_runtime.gate.write_evidence import new_evidence, write_evidence

# Other kernels run there, as far as the runtime can tell.
ELSEWHERE = replace(machine_facts(), cpu="Abacus 9000", cpu_flags=("avx2", "fma"))


def add_evidence(
    path: Path, speeds: dict[str, float | None], *, machine: MachineFacts | None = None, onnxruntime: str | None = None
) -> None:
    """Write evidence in which each variant is verified at that speed, or failed (None).

    Args:
        path: folder of the bundle.
        speeds: times cpu-fp32, by variant.
        machine: default: this one.
        onnxruntime: version; default: the one here.
    """
    bundle = Bundle.open(path)
    variants = {name: _variant(speed) for name, speed in speeds.items()}
    evidence = new_evidence(bundle.digest, "PyTorch", {}, variants)
    made_with = {**evidence.made_with, "onnxruntime": onnxruntime or evidence.made_with["onnxruntime"]}
    evidence = replace(evidence, machine=machine or evidence.machine, made_with=made_with)
    write_evidence(evidence, path / "evidence", title="written by a test")


def _variant(speed: float | None) -> VariantEvidence:
    estimate = None if speed is None else Estimate(median=speed, low=speed, high=speed, n=9)
    status = "failed" if speed is None else "verified"
    return VariantEvidence(status=status, provider="cpu", threads=1, tasks={}, speed=estimate)
