"""Report <-> benchmarks/results/bench/<processor>.json: one results file for each kind of processor.

python -m mtl_bench.results.by_processor build/report/results.json benchmarks/results/bench
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import click

from mtl_bench.results.files import read_report
from mtl_bench.results.schema import Report
from mtl_runtime.core.machine import MachineFacts
from mtl_runtime.errors import MtlError

__all__ = ["describe_processor", "processor_file", "read_by_processor"]

# The best instructions for int8 that a processor has: what its figures depend on most, and its name may hide. The first
# row whose flag it has counts.
_INSTRUCTIONS: Mapping[str, tuple[str, str]] = {
    "amx_int8": ("amx", "AMX"),
    "avx512_vnni": ("avx512-vnni", "AVX-512 VNNI"),
    "avx_vnni": ("avx-vnni", "AVX VNNI"),
    "avx512f": ("avx512", "AVX-512 without VNNI"),
    "avx2": ("avx2", "AVX2 without VNNI"),
    "i8mm": ("i8mm", "i8mm"),
    "asimddp": ("dotprod", "dot products"),
}
_UNKNOWN = ("plain", "no int8 instructions that are known")


def processor_file(machine: MachineFacts) -> str:
    """Name of the results file of a kind of processor, such as ``amd-epyc-2c-avx512-vnni.json``."""
    return f"{machine.name}-{_instructions(machine)[0]}.json"


def describe_processor(machine: MachineFacts) -> str:
    """The same in words: ``AMD EPYC with AVX-512 VNNI, 2 cores``, and the GPUs."""
    cores = "1 core" if machine.cores_allowed == 1 else f"{machine.cores_allowed} cores"
    return ", ".join([f"{machine.cpu} with {_instructions(machine)[1]}", cores, *machine.gpus])


def read_by_processor(folder: Path) -> dict[str, Report]:
    """The reports in ``folder`` by what their processors are called, in the order of their files.

    Raises:
        MtlError: there is none, or a file is no report.
    """
    reports = [read_report(file) for file in sorted(folder.glob("*.json"))]
    if not reports:
        raise MtlError(f"{folder} holds no results; run `make bench bench-results`")
    return {describe_processor(report.machine): report for report in reports}


def _instructions(machine: MachineFacts) -> tuple[str, str]:
    return next((names for flag, names in _INSTRUCTIONS.items() if flag in machine.cpu_flags), _UNKNOWN)


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def main(results: Path, folder: Path) -> None:
    """Keep RESULTS in FOLDER as those of its kind of processor, and print the file's path."""
    try:
        target = folder / processor_file(read_report(results).machine)
    except MtlError as error:
        raise click.ClickException(str(error)) from error
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(results, target)
    print(target)


if __name__ == "__main__":
    main()
