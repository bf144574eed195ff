"""evidence of this machine and of others -> VariantChoice: the fastest variant that can be trusted here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from mtl_runtime.bundle.gate_config import precision_of
from mtl_runtime.bundle.manifest import DEFAULT_VARIANT, VariantSpec
from mtl_runtime.core.machine import MachineFacts
from mtl_runtime.evidence.self_tests import SelfTest
from mtl_runtime.evidence.summary import EvidenceSummary

__all__ = ["KnownEvidence", "Trust", "VariantChoice", "choose_variant"]

# golden: evidence of another machine counts where the variant's golden answers hold here. exact: it never counts.
Trust = Literal["golden", "exact"]

_JUDGED = ("verified", "failed")


@dataclass(frozen=True, slots=True)
class VariantChoice:
    """A variant, and why this one."""

    variant: str
    reason: str
    fallback: str | None = None  # why a faster variant that could run here does not; None: there is none
    needs_self_test: bool = False  # its golden answers have not been tested on this kind of machine


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEvidence:
    """All that was measured of one bundle, sorted by what it says about this machine; what counts most comes last."""

    here: Sequence[EvidenceSummary] = ()
    elsewhere: Sequence[EvidenceSummary] = ()
    self_tests: Mapping[str, SelfTest] = field(default_factory=dict)  # of this kind of machine, by variant

    @classmethod
    def of(cls, evidence: Sequence[EvidenceSummary], machine: MachineFacts, *, onnxruntime: str) -> Self:
        """Tell evidence of machines like this one from other evidence.

        "Like this one" means the same processor, with the same flags and GPUs, and the same onnxruntime: others have
        other kernels. The same number of cores says most about the speed here, so that evidence has the last word.
        """

        def likeness(summary: EvidenceSummary) -> tuple[bool, bool, str]:
            cores = summary.machine.cores_allowed == machine.cores_allowed
            return _same_kernels(summary.machine, machine), cores, summary.measured_at

        ordered = sorted(evidence, key=likeness)
        here = [summary for summary in ordered if _measured_here(summary, machine, onnxruntime)]
        return cls(here=here, elsewhere=[summary for summary in ordered if summary not in here])


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    speed: float | None  # times cpu-fp32; None: not measured, because it was made for another kind of processor
    reason: str
    distrust: str | None = None  # why it may not run here
    needs_self_test: bool = False
    is_of_this_machine: bool = False  # what is known of it was measured on this kind of machine


def choose_variant(
    evidence: KnownEvidence,
    variants: Mapping[str, VariantSpec],
    *,
    onnxruntime: str,
    trust: Trust = "golden",
    saturates: bool = False,
    problem: Callable[[str], str | None],
    is_installed: Callable[[str], bool],
) -> VariantChoice:
    """The fastest variant that was verified here, or elsewhere if it gives its golden answers here too.

    A student's variant that loses more than it may, compared with the teacher, is left out wherever that was measured,
    unless they all do. cpu-fp32, which runs everywhere, is then the last resort.

    cpu-fp32, the one that PyTorch itself vouches for, needs no evidence. Of two int8 variants of a provider, one with
    weights of 7 bits, the processor decides as long as they were not both timed here: docs/adr/0041.

    Args:
        evidence: of the bundle.
        variants: of the bundle.
        onnxruntime: its version here.
        trust: whether golden answers count.
        saturates: whether this processor's fast kernels for int8 may saturate, unless weights have 7 bits.
        problem: a provider's name -> why it cannot run here; None: it can.
        is_installed: a provider's name -> whether its wheel is here; asked first where no evidence names the variant.
    """
    verified = [*_verified_here(evidence), *_verified_elsewhere(evidence, variants, trust)]
    lossy = _lossy_variants(evidence)
    all_lossy = DEFAULT_VARIANT in lossy and all(candidate.name in lossy for candidate in verified)
    left_out = [] if all_lossy else [name for name in lossy if name != DEFAULT_VARIANT]
    candidates = [candidate for candidate in verified if candidate.name not in left_out]
    # Not measured is not failed: a variant has to be faster than cpu-fp32 to take its place.
    if DEFAULT_VARIANT not in (candidate.name for candidate in candidates):
        candidates.append(_Candidate(DEFAULT_VARIANT, 1.0, _without_evidence(evidence, onnxruntime)))
    ranks = {candidate.name: _rank(candidate, candidates, variants, saturates=saturates) for candidate in candidates}
    missing: list[str] = []
    distrusted: list[str] = []
    last_resort = {DEFAULT_VARIANT} & set(lossy) if not all_lossy else set()
    for candidate in sorted(candidates, key=lambda one: (one.name in last_resort, ranks[one.name])):
        if (why := _absence(candidate.name, variants, problem)) is not None:
            missing.append(f"{candidate.name} ({why})")
        elif candidate.distrust is not None:
            distrusted.append(f"{candidate.name} ({candidate.distrust})")
        else:
            distrusted += _never_judged(evidence, variants, problem, is_installed)
            return _choice(candidate, missing, distrusted, left_out, is_lossy=candidate.name in lossy)
    raise AssertionError("cpu-fp32 runs wherever onnxruntime is")


def _rank(
    candidate: _Candidate, candidates: Sequence[_Candidate], variants: Mapping[str, VariantSpec], *, saturates: bool
) -> tuple[float, int, str]:
    """The faster, the lower; what is made for this processor is taken to be as fast as its twin was elsewhere."""
    suits = _suits_processor(candidate.name, variants, saturates=saturates)
    speeds = [candidate.speed or 1.0]
    if suits:
        twins = [other for other in candidates if _are_twins(candidate.name, other.name, variants)]
        timed_here = all(each.is_of_this_machine and each.speed is not None for each in (candidate, *twins))
        speeds += [] if timed_here else [twin.speed or 1.0 for twin in twins]
    return -max(speeds), {True: -1, None: 0, False: 1}[suits], candidate.name


def _suits_processor(name: str, variants: Mapping[str, VariantSpec], *, saturates: bool) -> bool | None:
    """Whether an int8 variant has the weights that this processor's kernels are fast with; None: not int8, or gone."""
    if name not in variants or precision_of(name) != "int8":
        return None
    return variants[name].sums_fit_16_bits == saturates


def _are_twins(name: str, other: str, variants: Mapping[str, VariantSpec]) -> bool:
    """Whether two variants differ in the bits of their int8 weights alone."""
    if name not in variants or other not in variants or {precision_of(name), precision_of(other)} != {"int8"}:
        return False
    one, two = variants[name], variants[other]
    return one.provider == two.provider and one.sums_fit_16_bits != two.sums_fit_16_bits


def _absence(name: str, variants: Mapping[str, VariantSpec], problem: Callable[[str], str | None]) -> str | None:
    """Why a variant cannot run here; cpu-fp32 is not asked, and whoever opens it hears it from there."""
    if name == DEFAULT_VARIANT:
        return None
    return problem(variants[name].provider) if name in variants else "not in the bundle"


def _lossy_variants(evidence: KnownEvidence) -> list[str]:
    """Those over a student's budget."""
    summaries = (*evidence.here, *evidence.elsewhere)
    return sorted(
        {name for one in summaries for name, variant in one.variants.items() if variant.exceeds_teacher_budget}
    )


def _choice(
    candidate: _Candidate,
    missing: Sequence[str],
    distrusted: Sequence[str],
    left_out: Sequence[str],
    *,
    is_lossy: bool,
) -> VariantChoice:
    fallback = None
    if distrusted:
        fallback = f"not trusted here: {'; '.join(distrusted)}; `mtl verify` measures them on this machine"
    parts = [
        candidate.reason,
        "it loses more than its teacher's budget allows, as do all that run here" if is_lossy else None,
        f"faster ones cannot run here: {'; '.join(missing)}" if missing else None,
        f"left out, since more is lost than the teacher's budget allows: {', '.join(left_out)}" if left_out else None,
        fallback,
    ]
    reason = "; ".join(part for part in parts if part)
    return VariantChoice(candidate.name, reason, fallback, candidate.needs_self_test)


def _verified_here(evidence: KnownEvidence) -> Iterator[_Candidate]:
    """One that failed anywhere on this kind of machine is out, whatever else was measured."""
    failed = {name for summary in evidence.here for name in _names(summary, "failed")}
    for name, (speed, _) in _speeds(evidence.here).items():
        if name not in failed:
            times = "not timed here" if speed is None else f"{speed:.2f}x cpu-fp32"
            reason = f"fastest verified on this kind of machine, {times}"
            yield _Candidate(name, speed, reason, is_of_this_machine=True)


def _verified_elsewhere(
    evidence: KnownEvidence, variants: Mapping[str, VariantSpec], trust: Trust
) -> Iterator[_Candidate]:
    """Variants of which evidence of this machine says nothing, not even that they could not be measured."""
    mentioned = {name for summary in evidence.here for name in summary.variants}
    for name, (speed, summary) in _speeds(evidence.elsewhere).items():
        if name in mentioned or name == DEFAULT_VARIANT or name not in variants:
            continue
        where = f"verified on {summary.machine.cpu} with onnxruntime {summary.made_with.get('onnxruntime', 'unknown')}"
        times = "made for processors like this one" if speed is None else f"{speed:.2f}x cpu-fp32 there"
        reason, outcome = f"{where}, {times}", evidence.self_tests.get(name)
        if trust == "exact":
            yield _Candidate(name, speed, reason, f'{reason}; trust="exact" takes evidence of this machine alone')
        elif variants[name].golden_answers is None:
            yield _Candidate(name, speed, reason, f"{reason}; the bundle holds no golden answers of it")
        elif outcome is None:
            yield _Candidate(name, speed, f"{reason}; its golden answers are not tested here yet", needs_self_test=True)
        elif outcome.problem is not None:
            yield _Candidate(name, speed, reason, f"{reason}; {outcome.problem}")
        else:
            yield _Candidate(name, speed, f"{reason}; its golden answers hold here")


def _never_judged(
    evidence: KnownEvidence,
    variants: Mapping[str, VariantSpec],
    problem: Callable[[str], str | None],
    is_installed: Callable[[str], bool],
) -> Iterator[str]:
    """Variants that no gate has judged anywhere, and that could run here: nobody knows that they are slower."""
    known = {name for summary in evidence.here for name in summary.variants} | {DEFAULT_VARIANT}
    known |= {name for summary in evidence.elsewhere for name in _names(summary, *_JUDGED)}
    for name, spec in variants.items():
        if name not in known and is_installed(spec.provider) and problem(spec.provider) is None:
            yield f"{name} (it was not measured anywhere)"


def _without_evidence(evidence: KnownEvidence, onnxruntime: str) -> str:
    if evidence.here:
        return "no other variant is verified on this kind of machine"
    return f"no variant was measured on a machine like this one with onnxruntime {onnxruntime}"


def _names(summary: EvidenceSummary, *statuses: str) -> Iterator[str]:
    return (name for name, variant in summary.variants.items() if variant.status in statuses)


def _speeds(evidence: Sequence[EvidenceSummary]) -> dict[str, tuple[float | None, EvidenceSummary]]:
    """Verified variant -> times cpu-fp32 (None: not measured), and the evidence that says so."""
    speeds = {}
    for summary in evidence:
        for name in _names(summary, "verified"):
            speed = summary.variants[name].speed
            unmeasured = 1.0 if name == DEFAULT_VARIANT else None
            speeds[name] = speed.median if speed else unmeasured, summary
    return speeds


def _same_kernels(then: MachineFacts, now: MachineFacts) -> bool:
    return (
        (then.system, then.architecture, then.cpu) == (now.system, now.architecture, now.cpu)
        and set(then.cpu_flags) == set(now.cpu_flags)
        and then.gpus == now.gpus
    )


def _measured_here(summary: EvidenceSummary, machine: MachineFacts, onnxruntime: str) -> bool:
    return _same_kernels(summary.machine, machine) and summary.made_with.get("onnxruntime") == onnxruntime
