"""A sound bundle -> hostile bundles and inputs tried on it, and a results file of what became of them.

python -m mtl_bench.studies.hostile tests/runtime/data/tiny_bundle -o benchmarks/results/hostile.json
"""

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from mtl_bench.results.files import write_results
from mtl_bench.studies.command_line import study_command
from mtl_bench.studies.hostile.attempt import find_fault
from mtl_bench.studies.hostile.bundles import HostileBundle, copy_bundle, flipped_bundles, hostile_bundles
from mtl_bench.studies.hostile.inputs import HOSTILE_INPUTS
from mtl_bench.studies.hostile.opener import LIMIT_SECONDS, Opened, Opener
from mtl_bench.studies.hostile.results import HostileResults, Outcomes
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import machine_facts
from mtl_runtime.errors import CheckFailedError

__all__ = ["judge", "main", "try_bundles", "try_inputs"]

_log = logging.getLogger(__name__)

INPUTS = "odd inputs of `mtl predict`"
_NOTHING = Outcomes(attempts=0, refused=0, answered=0)
_PREDICT = (sys.executable, "-c", "from mtl_runtime.cli.start import main; main()", "predict")
_STARTING_SECONDS = 10.0  # a process of its own imports and loads before it sees its input
# What a child may take in isolation, and then is told about (docs/reliability.md).
_ISOLATED_SECONDS = 30.0


def try_bundles(sound: Path, bundles: Iterable[HostileBundle]) -> Iterator[tuple[HostileBundle, Opened, str | None]]:
    """Open a copy of ``sound`` for each hostile bundle; what became of it, and what is wrong with that."""
    with Opener() as opener, tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        expected = {variant: opener.open(sound, variant=variant).decisions for variant in ("cpu-fp32", "cpu-int8")}
        for bundle in bundles:
            path = copy_bundle(sound, Path(folder))
            bundle.make(path)
            limit = _ISOLATED_SECONDS if bundle.isolate else LIMIT_SECONDS
            opened = opener.open(path, variant=bundle.variant, isolate=bundle.isolate, seconds=limit)
            yield bundle, opened, judge(bundle, opened, expected[bundle.variant])


def judge(bundle: HostileBundle, opened: Opened, sound: object) -> str | None:
    """What is wrong with what became of a hostile bundle; None: nothing."""
    if opened.fault is not None:
        return opened.fault
    if opened.refused is not None:
        return f"refused: {opened.refused}" if bundle.expected == "same" else None
    if bundle.expected == "refused":
        return "it answers"
    if bundle.expected == "anything":
        return None
    return None if opened.decisions == sound else f"another answer: {opened.decisions}"


def try_inputs(sound: Path) -> Iterator[tuple[str, float, bool, str | None]]:
    """Give each odd input to a process of ``mtl predict``: its name, seconds, whether it was refused, and the fault."""
    for name, prepare in HOSTILE_INPUTS.items():
        with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
            attempt = prepare(Path(folder))
            start = time.monotonic()
            try:
                process = subprocess.run(
                    [*_PREDICT, str(sound), *attempt.arguments],
                    input=attempt.stdin,
                    capture_output=True,
                    timeout=LIMIT_SECONDS + _STARTING_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                yield name, error.timeout, False, f"no end within {error.timeout:g} s"
                continue
            stderr = process.stderr.decode("utf-8", "replace")
            fault = find_fault(attempt, Path(folder), exit_code=process.returncode, stderr=stderr)
            yield name, time.monotonic() - start, attempt.error is not None, fault


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file (JSON).")
def main(bundle: Path, output: Path) -> None:
    """Try hostile bundles made of the sound BUNDLE, flipped bytes, and odd inputs; exit code 1 if one does harm."""
    with study_command():
        kinds: dict[str, Outcomes] = {}
        for make in (hostile_bundles, flipped_bundles):
            for tried, opened, fault in try_bundles(bundle, make(bundle)):
                if tried.kind not in kinds:
                    _log.info("trying %s", tried.kind)
                kinds[tried.kind] = kinds.get(tried.kind, _NOTHING).with_outcome(
                    tried.name, refused=opened.refused is not None, fault=fault, seconds=opened.seconds
                )
        _log.info("trying %s", INPUTS)
        for name, seconds, refused, fault in try_inputs(bundle):
            kinds[INPUTS] = kinds.get(INPUTS, _NOTHING).with_outcome(
                name, refused=refused, fault=fault, seconds=seconds
            )
        machine = machine_facts()
        results = HostileResults(
            kinds=kinds,
            versions=installed_versions(("mtl-export", "onnxruntime", "tokenizers", "numpy")),
            processor=machine.cpu,
            cores=machine.cores_allowed,
            measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        write_results(results, output)
        _report(results)


def _report(results: HostileResults) -> None:
    faults = [
        (kind, name, fault) for kind, outcomes in results.kinds.items() for name, fault in outcomes.faults.items()
    ]
    attempts = sum(outcomes.attempts for outcomes in results.kinds.values())
    _log.info("%d attempts, %d faults", attempts, len(faults))
    if faults:
        kind, name, fault = faults[0]
        raise CheckFailedError(
            f"{len(faults)} of {attempts} attempts did harm; the first: {kind}, {name}: {fault[:300]}"
        )
