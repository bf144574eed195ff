"""benchmarks/results/first_load.json and golden_differences.json <-> what was measured, with its machine and moment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mtl_bench.studies.runtime.results import Circumstances, TargetCheck
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.evidence.self_tests import SelfTest

__all__ = ["FirstLoadResults", "GoldenDifferences", "KernelDifferences", "circumstances"]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLoadResults:
    """Fresh processes until their first answer, by what is known of the machine."""

    schema_version: int = SCHEMA_VERSION
    circumstances: Circumstances
    variant: str  # that all of them ran
    text: str
    golden_texts: int  # that a self-test answers
    seconds: Mapping[str, tuple[float, ...]]  # by situation: of each process
    checks: tuple[TargetCheck, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelDifferences:
    """The self-tests of one bundle with one onnxruntime on one processor, real or emulated."""

    kernels: str  # which, in words
    emulator: str  # command; empty: this processor
    cpu_flags: tuple[str, ...]  # that the runtime was given; empty: those of this processor
    self_tests: tuple[SelfTest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenDifferences:
    """How far variants are from their golden answers where other kernels run."""

    schema_version: int = SCHEMA_VERSION
    circumstances: Circumstances
    kernels: tuple[KernelDifferences, ...]


def circumstances(bundle: Bundle) -> Circumstances:
    """Moment, machine and versions now; no sentences but the golden ones are read."""
    return Circumstances(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine_facts(),
        load=os.getloadavg()[0],
        made_with=installed_versions(),
        bundle=bundle.digest,
        data={},
        sentences=0,
    )
