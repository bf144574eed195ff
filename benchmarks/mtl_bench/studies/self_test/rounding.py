r"""bundle + other onnxruntimes and emulated processors -> how far its variants are from their golden answers.

python -m mtl_bench.studies.self_test.rounding BUNDLE -o benchmarks/results/golden_differences.json \
  --onnxruntime FOLDER --emulator 'AVX2 alone=qemu-x86_64-static -cpu Haswell-noTSX-IBRS' --flags avx2,fma
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from mtl_bench.results.files import write_results
from mtl_bench.studies.command_line import study_command
from mtl_bench.studies.self_test.results import GoldenDifferences, KernelDifferences, circumstances
from mtl_bench.studies.self_test.rounding_table import DIFFERENCE_COLUMNS, difference_rows
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.cli.terminal import print_table
from mtl_runtime.core import records
from mtl_runtime.errors import CheckFailedError
from mtl_runtime.evidence.self_tests import SelfTest

__all__ = ["main", "measure_kernels"]

_log = logging.getLogger(__name__)

# An emulator shows its program the flags of the real processor: the runtime is given those of the emulated one, so that
# it avoids kernels that saturate as it would there. Without flags it does not, which shows what these kernels do.
_SCRIPT = """
import dataclasses, sys
from mtl_runtime import load
from mtl_runtime.bundle.bundle import Bundle
from mtl_runtime.core import records
from mtl_runtime.loading.self_test import run_self_test
from mtl_runtime.providers import session
path, variant, flags = sys.argv[1:]
if flags:
    machine = dataclasses.replace(session.machine_facts(), cpu_flags=tuple(flags.split(",")))
    session.machine_facts = lambda: machine
outcome = run_self_test(load(path, variant=variant, threads=1), Bundle.open(path))
print(records.to_json(outcome).replace("\\n", ""), flush=True)
"""


def measure_kernels(
    bundle: Bundle,
    *,
    kernels: str = "",
    variants: Sequence[str],
    onnxruntime: Path | None = None,
    emulator: str = "",
    flags: str = "",
) -> KernelDifferences:
    """Run each variant's self-test in a process of its own.

    Args:
        bundle: with golden answers.
        kernels: what is special about them, in words; default: the version of onnxruntime.
        variants: of the bundle, with golden answers.
        onnxruntime: folder of another version, as ``pip install --target`` makes it.
        emulator: command that runs a program on another processor.
        flags: of that processor, separated by commas.

    Raises:
        CheckFailedError: a process fails.
    """
    path = os.pathsep.join([*([str(onnxruntime.absolute())] if onnxruntime else []), *filter(None, sys.path)])
    tests = []
    for variant in variants:
        _log.info("%s: %s", kernels or onnxruntime or "this onnxruntime", variant)
        python = [*emulator.split(), str(Path(sys.executable).resolve())]
        command = [*python, "-c", _SCRIPT, str(bundle.path), variant, flags]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}
        )
        if done.returncode:
            raise CheckFailedError(
                f"{' '.join(python)}: {variant} fails with code {done.returncode}: {done.stderr.strip()}"
            )
        tests.append(records.from_dict(SelfTest, json.loads(done.stdout.splitlines()[-1])))
    given = tuple(filter(None, flags.split(",")))
    name = kernels or f"onnxruntime {tests[0].onnxruntime}"
    program, *options = emulator.split() or [""]
    command_line = " ".join([Path(program).name, *options])
    return KernelDifferences(kernels=name, emulator=command_line, cpu_flags=given, self_tests=tuple(tests))


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file; runs are added.")
@click.option(
    "--onnxruntime",
    "versions",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Folder of another version, made by `pip install --target` (repeatable).",
)
@click.option("--emulator", "emulators", multiple=True, help="WORDS=COMMAND that emulates a processor (repeatable).")
@click.option("--flags", default="", help="Of the emulated processor, separated by commas; default: this one's.")
@click.option("--variant", "chosen", multiple=True, help="Only this variant (repeatable); default: all with answers.")
def main(
    bundle: Path,
    output: Path,
    versions: tuple[Path, ...],
    emulators: tuple[str, ...],
    flags: str,
    chosen: tuple[str, ...],
) -> None:
    """Measure how far the variants of BUNDLE are from their golden answers with other kernels."""
    with study_command():
        opened = Bundle.open(bundle.absolute())
        variants = [name for name, spec in opened.manifest.variants.items() if spec.golden_answers is not None]
        measured = {run.kernels: run for run in _earlier(output, opened)}
        measure = partial(measure_kernels, opened, variants=chosen or variants)
        runs = [partial(measure, onnxruntime=folder) for folder in (None, *versions)]
        for emulator in emulators:
            words, _, command = emulator.partition("=")
            runs.append(partial(measure, kernels=words, emulator=command, flags=flags))
        for run in runs:
            differences = run()
            measured[differences.kernels] = differences
            results = GoldenDifferences(circumstances=circumstances(opened), kernels=tuple(measured.values()))
            write_results(results, output)
    print_table("Distance from golden answers", DIFFERENCE_COLUMNS, difference_rows(measured.values()))


def _earlier(output: Path, bundle: Bundle) -> tuple[KernelDifferences, ...]:
    if not output.is_file():
        return ()
    earlier = records.from_json(GoldenDifferences, output.read_bytes(), where=str(output))
    return earlier.kernels if earlier.circumstances.bundle == bundle.digest else ()


if __name__ == "__main__":
    main()
