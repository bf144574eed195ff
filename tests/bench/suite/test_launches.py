"""One launch: a value with the measurements of every system that ran, and the reasons of those that dropped out."""

import dataclasses
import logging
import sys
from pathlib import Path

import pytest

from mtl_bench.effort import Effort
from mtl_bench.processes.worker_process import Environment
from mtl_bench.suite.final_scenarios import FinalScenarios
from mtl_bench.suite.launches import run_launch
from mtl_bench.systems.systems import System
from mtl_runtime.bundle.manifest import TaskSpec

EFFORT = Effort(rounds=2, sweep_texts=2, single_texts=4, server_steps=1, server_seconds=0.01, soak_calls=2)
TEXTS = ("a", "b", "c")
DRIVERS = """
from mtl_bench.worker.system import SystemDriver


def steady():
    return SystemDriver(answer=lambda texts, size: {"mood": ["good"] * len(texts)}, unit="texts", sizes=(1, 4))


def failing_server():
    calls = []
    def answer(texts, size):
        calls.append(texts)
        if asked_for_labels(calls):
            raise MemoryError("no more")
        return {"mood": ["good"] * len(texts)}
    return SystemDriver(answer=answer, unit="texts", sizes=(1,))


def asked_for_labels(calls):
    return any(texts == ["last"] for texts in calls[:-1])


def broken():
    raise RuntimeError("no such library")
"""


@pytest.fixture
def systems(tmp_path):
    """A system by each function of the drivers."""
    (tmp_path / "drivers_of_launches.py").write_text(DRIVERS, "utf-8")
    environment = Environment(path=(tmp_path, *map(Path, sys.path)))

    def system(name):
        driver = f"drivers_of_launches:{name}"
        return System(title=name, kind="peer", driver=driver, settings={}, environment=environment)

    return {name: system(name) for name in ("steady", "failing_server", "broken")}


def test_every_system_is_measured_or_has_the_reason_why_it_dropped_out(systems, caplog):
    caplog.set_level(logging.INFO)
    launch = run_launch(systems, TEXTS, EFFORT, batch_sizes={})
    assert (set(launch.systems), launch.failures) == (
        {"steady", "failing_server"},
        {"broken": "RuntimeError: no such library"},
    )
    assert (len(launch.reference.offline), len(launch.reference.streams)) == (EFFORT.rounds, EFFORT.rounds)
    steady = launch.systems["steady"]
    assert (len(steady.seconds), steady.kernel_seconds, len(steady.latencies)) == (2, (), 4)
    assert {point.size for point in steady.batch_size.sweep} == {1, 4}
    assert steady.peak_bytes is None  # the sizes that were not chosen would count
    assert steady.final is None
    assert "broken drops out: RuntimeError: no such library" in caplog.messages
    assert "offline, round 2 of 2" in caplog.messages
    with pytest.raises(dataclasses.FrozenInstanceError):
        steady.seconds = ()


def test_a_later_launch_takes_the_batch_sizes_it_is_given_and_the_last_one_runs_the_final_scenarios(systems):
    del systems["broken"]
    first = run_launch(systems, TEXTS, EFFORT, batch_sizes={})
    batch_sizes = {name: measurements.batch_size for name, measurements in first.systems.items()}
    tasks = (TaskSpec(name="mood", kind="single_label", labels=("good", "bad")),)
    final = FinalScenarios(tasks=tasks, scored=("last",), timed_texts=len(TEXTS), bound=10.0, effort=EFFORT)
    last = run_launch(systems, TEXTS, EFFORT, batch_sizes=batch_sizes, final=final)
    steady, failing = last.systems["steady"], last.systems["failing_server"]
    assert steady.batch_size == first.systems["steady"].batch_size
    assert steady.peak_bytes > 0
    assert (steady.final.labels, steady.final.warnings) == ({"mood": ["good"]}, ())
    assert len(steady.final.server.rates) == 1
    assert set(steady.final.soak) == {"early", "resident"}
    # What fails after the labels is a warning, and the measurements stay.
    assert failing.final.labels == {"mood": ["good"]}
    assert failing.final.warnings == ("the server scenario or the soak failed: MemoryError: no more",)
    assert (failing.final.server, failing.final.soak) == (None, None)
