"""bundle + its evidence + this machine -> the variant to run: the fastest that was verified on this kind of machine."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from mtl_runtime.core.machine import MachineFacts
from mtl_runtime.evidence.summary import EvidenceSummary
from mtl_runtime.providers.execution_config import ExecutionConfig

__all__ = ["DEFAULT_VARIANT", "VariantChoice", "choose_variant", "measured_execution"]

# What every bundle holds, and what a machine runs that nobody measured anything on.
DEFAULT_VARIANT = "cpu-fp32"


@dataclass(frozen=True, slots=True)
class VariantChoice:
    """A variant, and why it."""

    variant: str
    reason: str


def choose_variant(
    evidence: Iterable[EvidenceSummary],
    machine: MachineFacts,
    *,
    onnxruntime: str,
    problem: Callable[[str], str | None],
) -> VariantChoice:
    """The fastest variant of those that were verified on a machine like this one, and whose provider is here.

    "Like this one" means the same processor, with the same flags, and the same onnxruntime: others have other
    kernels. Without such evidence it is cpu-fp32, the one that PyTorch itself vouches for.

    Args:
        evidence: of this bundle.
        machine: the one at hand.
        onnxruntime: its version here.
        problem: a variant's name -> why it cannot run here; None: it can.
    """
    speeds = dict(_verified_speeds(evidence, machine, onnxruntime))
    if not speeds:
        return VariantChoice(
            DEFAULT_VARIANT,
            f"no variant was measured on a machine like this one with onnxruntime {onnxruntime}; "
            f"`mtl verify` measures them",
        )
    # Not measured is not failed: a variant has to be faster than cpu-fp32 to take its place.
    speeds.setdefault(DEFAULT_VARIANT, 1.0)
    passed_over: list[str] = []
    for name in sorted(speeds, key=lambda name: (-speeds[name], name)):
        if (missing := problem(name)) is None:
            faster = f"; faster ones cannot run here: {'; '.join(passed_over)}" if passed_over else ""
            return VariantChoice(
                name, f"fastest verified on this kind of machine, {speeds[name]:.2f}x cpu-fp32{faster}"
            )
        passed_over.append(f"{name} ({missing})")
    raise AssertionError("cpu-fp32 runs wherever onnxruntime is")


def measured_execution(
    evidence: Iterable[EvidenceSummary], machine: MachineFacts, variant: str, *, onnxruntime: str
) -> ExecutionConfig | None:
    """The pace that was measured for ``variant`` on a machine like this one, with as many cores.

    On the user's own sentences rather than on the golden texts, whose lengths are nobody's; else the latest.
    """
    told = [
        (bool(found.data), found.measured_at, found.variants[variant].execution)
        for found in evidence
        if variant in found.variants
        and _same_machine(found, machine, onnxruntime)
        and found.machine.cores_allowed == machine.cores_allowed
    ]
    best_first = sorted(told, key=lambda one: one[:2], reverse=True)
    return next((pace for _, _, pace in best_first if pace is not None), None)


def _verified_speeds(
    evidence: Iterable[EvidenceSummary], machine: MachineFacts, onnxruntime: str
) -> Mapping[str, float]:
    """Variant -> speed. One that failed anywhere on this kind of machine is out, whatever else was measured."""
    here = [found for found in evidence if _same_machine(found, machine, onnxruntime)]
    # The same number of cores tells most of the speed here; so that evidence has the last word.
    here.sort(key=lambda found: (found.machine.cores_allowed == machine.cores_allowed, found.measured_at))
    speeds = {name: ratio for found in here for name, ratio in _speeds_of(found)}
    failed = {name for found in here for name, measured in found.variants.items() if measured.status == "failed"}
    return {name: ratio for name, ratio in speeds.items() if name not in failed}


def _speeds_of(found: EvidenceSummary) -> Iterator[tuple[str, float]]:
    for name, measured in found.variants.items():
        if measured.status == "verified":
            yield name, measured.speed.median if measured.speed else 1.0


def _same_machine(found: EvidenceSummary, machine: MachineFacts, onnxruntime: str) -> bool:
    then = found.machine
    return (
        (then.system, then.architecture, then.cpu) == (machine.system, machine.architecture, machine.cpu)
        and set(then.cpu_flags) == set(machine.cpu_flags)
        and then.gpus == machine.gpus
        and found.made_with.get("onnxruntime") == onnxruntime
    )
