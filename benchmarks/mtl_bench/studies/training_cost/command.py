"""config -> results file of what a training step costs, by condition.

python -m mtl_bench.studies.training_cost examples/vader/config.toml -o training_cost.json [--only quiet,quiet-avx2]
"""

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from mtl_bench.effort import TRAINING_COST_STUDY
from mtl_bench.processes.interleave import run_interleaved
from mtl_bench.results.files import read_results, write_results
from mtl_bench.studies.command_line import names_option, run_process, study_command
from mtl_bench.studies.training_cost.results import ConditionResult, TimedTraining, TrainingCostResults
from mtl_runtime.core.installed_packages import installed_versions
from mtl_runtime.core.machine import allowed_cores, machine_facts

__all__ = ["CONDITIONS", "Condition", "main"]

_log = logging.getLogger(__name__)
_BUSY_LOOP = "while True: pass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Under what a training is timed."""

    title: str
    environment: Mapping[str, str] = field(default_factory=dict)
    busy: bool = False


_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}
# Threads of OpenMP that wait for work sleep (PASSIVE), or spin for a while, as they do where nothing is said.
CONDITIONS: Mapping[str, Condition] = {
    "quiet": Condition(title="nothing else runs", environment=_PASSIVE),
    "quiet-avx2": Condition(
        title="nothing else runs, as on a processor with AVX2 alone",
        environment={**_PASSIVE, "ONEDNN_MAX_CPU_ISA": "AVX2"},
    ),
    "quiet-spinning": Condition(title="nothing else runs, threads spin"),
    "busy": Condition(title="another program keeps all cores busy", environment=_PASSIVE, busy=True),
    "busy-spinning": Condition(title="another program keeps all cores busy, threads spin", busy=True),
}


def time_in_fresh_process(config: Path, steps: int, condition: Condition) -> TimedTraining:
    """Time a training in a process of its own.

    Raises:
        CheckFailedError: it failed.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "ONEDNN_"))}
    with tempfile.TemporaryDirectory() as folder, _busy_program() if condition.busy else contextlib.nullcontext():
        output = Path(folder) / "timed.json"
        command = [sys.executable, "-m", "mtl_bench.studies.training_cost.timed_training", config, str(steps), output]
        run_process("a timed training", command, {**environment, **condition.environment})
        return read_results(TimedTraining, output)


@contextlib.contextmanager
def _busy_program() -> Iterator[None]:
    """Keep all cores busy within the block."""
    programs = [subprocess.Popen([sys.executable, "-c", _BUSY_LOOP]) for _ in range(allowed_cores())]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


@click.command()
@click.argument("config", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file (JSON).")
@names_option("--only", CONDITIONS)
@click.option("--steps", default=TRAINING_COST_STUDY.steps, show_default=True, type=click.IntRange(1))
@click.option("--rounds", default=TRAINING_COST_STUDY.rounds, show_default=True, type=click.IntRange(1))
def main(config: Path, output: Path, only: tuple[str, ...], steps: int, rounds: int) -> None:
    """Time the first training steps of CONFIG, each compared with its matrix products."""
    with study_command():
        timed = run_interleaved(
            {name: partial(time_in_fresh_process, config.absolute(), steps, CONDITIONS[name]) for name in only},
            rounds=rounds,
            stage="training cost",
        )
        results = TrainingCostResults(
            machine=machine_facts(),
            made_with=installed_versions(),
            measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
            timed_steps=steps,
            conditions={
                name: ConditionResult(
                    title=CONDITIONS[name].title,
                    environment=CONDITIONS[name].environment,
                    busy=CONDITIONS[name].busy,
                    rounds=tuple(timed[name]),
                )
                for name in only
            },
        )
        write_results(results, output)
    for name, condition in results.conditions.items():
        ratio = condition.step_ratio
        click.echo(f"{name}: a step is {ratio.median:.2f}x its products ({ratio.low:.2f} to {ratio.high:.2f})")
