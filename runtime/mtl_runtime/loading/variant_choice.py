"""evidence of this machine -> VariantChoice: the fastest variant that was verified on this kind of machine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtl_runtime.bundle.manifest import DEFAULT_VARIANT
from mtl_runtime.core.machine import MachineFacts
from mtl_runtime.evidence.summary import EvidenceSummary

__all__ = ["VariantChoice", "choose_variant", "filter_by_machine"]


@dataclass(frozen=True, slots=True)
class VariantChoice:
    """A variant, and why this one."""

    variant: str
    reason: str


def filter_by_machine(
    evidence: Sequence[EvidenceSummary], machine: MachineFacts, *, onnxruntime: str
) -> list[EvidenceSummary]:
    """What was measured on machines like this one; what counts most comes last.

    "Like this one" means the same processor, with the same flags and GPUs, and the same onnxruntime: others have
    other kernels. The same number of cores says most about the speed here, so that evidence has the last word.
    """
    here = [summary for summary in evidence if _same_machine(summary, machine, onnxruntime)]
    return sorted(
        here, key=lambda summary: (summary.machine.cores_allowed == machine.cores_allowed, summary.measured_at)
    )


def choose_variant(
    evidence: Sequence[EvidenceSummary], *, onnxruntime: str, problem: Callable[[str], str | None]
) -> VariantChoice:
    """The fastest variant of those that were verified, and whose provider is here.

    Without evidence it is cpu-fp32, the one that PyTorch itself vouches for.

    Args:
        evidence: as :func:`filter_by_machine` sorts it.
        onnxruntime: its version here.
        problem: a variant's name -> why it cannot run here; None: it can.
    """
    speeds = dict(_verified_speeds(evidence))
    if not speeds:
        return VariantChoice(
            DEFAULT_VARIANT,
            f"no variant was measured on a machine like this one with onnxruntime {onnxruntime}; "
            f"`mtl verify` measures them",
        )
    # Not measured is not failed: a variant has to be faster than cpu-fp32 to take its place.
    speeds.setdefault(DEFAULT_VARIANT, 1.0)
    unavailable: list[str] = []
    for name in sorted(speeds, key=lambda name: (-speeds[name], name)):
        if (missing := problem(name)) is None:
            faster = f"; faster ones cannot run here: {'; '.join(unavailable)}" if unavailable else ""
            reason = f"fastest verified on this kind of machine, {speeds[name]:.2f}x cpu-fp32{faster}"
            return VariantChoice(name, reason)
        unavailable.append(f"{name} ({missing})")
    raise AssertionError("cpu-fp32 runs wherever onnxruntime is")


def _verified_speeds(evidence: Sequence[EvidenceSummary]) -> Mapping[str, float]:
    """Variant -> speed. One that failed anywhere on this kind of machine is out, whatever else was measured."""
    speeds = {name: speed for summary in evidence for name, speed in _speeds_of(summary)}
    failed = {name for summary in evidence for name, variant in summary.variants.items() if variant.status == "failed"}
    return {name: speed for name, speed in speeds.items() if name not in failed}


def _speeds_of(summary: EvidenceSummary) -> Iterator[tuple[str, float]]:
    for name, variant in summary.variants.items():
        if variant.status == "verified":
            yield name, variant.speed.median if variant.speed else 1.0


def _same_machine(summary: EvidenceSummary, machine: MachineFacts, onnxruntime: str) -> bool:
    then = summary.machine
    return (
        (then.system, then.architecture, then.cpu) == (machine.system, machine.architecture, machine.cpu)
        and set(then.cpu_flags) == set(machine.cpu_flags)
        and then.gpus == machine.gpus
        and summary.made_with.get("onnxruntime") == onnxruntime
    )
