"""this machine -> MachineFacts: its processor, and the cores that this process may really use."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MachineFacts", "allowed_cores", "machine_facts"]

# The flags that decide how fast, and how exactly, int8 and bf16 kernels run.
_RELEVANT_FLAGS = (
    "avx2",
    "fma",
    "avx512f",
    "avx_vnni",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "asimddp",
    "i8mm",
    "bf16",
    "sve",
)
_X86 = {"x86_64", "amd64"}
_VNNI = {"avx_vnni", "avx512_vnni"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """What a measurement on this machine depends on."""

    system: str
    architecture: str
    cpu: str
    cpu_flags: tuple[str, ...]
    cores: int  # of the machine
    cores_by_affinity: int
    cores_by_cgroup: float | None  # CPU quota of the container; None: no quota
    cores_allowed: int
    gpus: tuple[str, ...] = ()  # NVIDIA's, by model

    @property
    def name(self) -> str:
        """Short name, safe in a file name, of machines that should measure alike: processor, allowed cores and GPUs."""
        return "-".join([_hyphenate(self.cpu) or "unknown-cpu", f"{self.cores_allowed}c", *map(_hyphenate, self.gpus)])

    @property
    def saturates_int8(self) -> bool:
        """Whether sums of uint8 x int8 products may saturate at 16 bits: on x86 without VNNI, or with unknown flags."""
        return self.architecture.lower() in _X86 and not _VNNI & set(self.cpu_flags)


def _hyphenate(model: str) -> str:
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in model.lower()).split())


def machine_facts() -> MachineFacts:
    """Read the facts; a fact that the system does not report is empty or None."""
    cpuinfo = _read_cpuinfo()
    flags = set((cpuinfo.get("flags") or cpuinfo.get("Features") or "").split())
    return MachineFacts(
        system=platform.system(),
        architecture=platform.machine(),
        cpu=cpuinfo.get("model name") or platform.processor() or platform.machine(),
        cpu_flags=tuple(flag for flag in _RELEVANT_FLAGS if flag in flags),
        cores=os.cpu_count() or 1,
        cores_by_affinity=_affinity_cores(),
        cores_by_cgroup=cgroup_quota(),
        cores_allowed=allowed_cores(),
        gpus=_gpu_models(),
    )


def allowed_cores() -> int:
    """Cores that this process may use: the smaller of its affinity mask and its cgroup quota, at least 1."""
    quota = cgroup_quota()
    return max(1, min(_affinity_cores(), int(quota) if quota is not None else _affinity_cores()))


def cgroup_quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """CPU quota of this process in cores (cgroup v2, v1), the tightest on the way up; None if unlimited."""
    quotas = [quota for folder in _cgroup_folders(root, own) if (quota := _read_quota(folder)) is not None]
    return min(quotas, default=None)


def _gpu_models() -> tuple[str, ...]:
    """Models of NVIDIA's GPUs, as the Linux driver reports them."""
    reports = (_read(file) for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")))
    lines = (line for text in reports for line in text.splitlines())
    return tuple(line.partition(":")[2].strip() for line in lines if line.startswith("Model:"))


def _affinity_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cgroup_folders(root: Path, own: Path) -> list[Path]:
    """Folders from this process's own groups up to the roots, for both hierarchies."""
    folders = [root, root / "cpu", root / "cpu,cpuacct"]
    for line in _read(own).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        mount = root if not controllers else root / controllers
        if not controllers or "cpu" in controllers.split(","):
            inside = Path(path.lstrip("/"))
            folders += [mount / part for part in (inside, *inside.parents)]
    return folders


def _read_quota(folder: Path) -> float | None:
    limit, _, period = _read(folder / "cpu.max").strip().partition(" ")
    if not limit:
        limit, period = (
            _read(folder / "cpu.cfs_quota_us").strip(),
            _read(folder / "cpu.cfs_period_us").strip(),
        )
    if limit in ("", "max") or int(limit) <= 0:
        return None
    return int(limit) / int(period or 100_000)


def _read_cpuinfo() -> Mapping[str, str]:
    """First processor's block of /proc/cpuinfo; empty where there is none."""
    lines = _read(Path("/proc/cpuinfo")).partition("\n\n")[0].splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""
