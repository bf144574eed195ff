"""Launches folded into a row of the results file."""

import dataclasses

from mtl_bench.results.scenarios import Server, SweepPoint
from mtl_bench.results.schema import AnswerScores
from mtl_bench.suite.batch_size_sweep import BatchSize
from mtl_bench.suite.final_scenarios import FinalResults
from mtl_bench.suite.launches import SystemMeasurements
from mtl_bench.suite.merge_launches import failed_result, merge_launches
from mtl_bench.systems.systems import System

OURS = System(
    title="ours, cpu-int8",
    kind="ours",
    driver="module:open",
    settings={},
    variant="cpu-int8",
    precision="int8",
    statuses={"1.31.1": "verified"},
    size_bytes=7,
)
SCORES = AnswerScores(agreement={"sentiment": 1.0})
SWEEP = (SweepPoint(size=512, texts_per_second=10.0), SweepPoint(size=1024, texts_per_second=12.0))
FIRST = SystemMeasurements(
    batch_size=BatchSize(1024, SWEEP),
    unit="tokens",
    facts={"provider": "cpu", "onnxruntime": "1.31.1"},
    cold_seconds=0.5,
    load_seconds=0.25,
    loaded_bytes=100,
    seconds=(1.0, 1.01),
    kernel_seconds=(0.9, 0.91),
    latencies=(0.01, 0.02, 0.01, 0.01),
)
SECOND = dataclasses.replace(FIRST, seconds=(1.0, 1.02), peak_bytes=200, cold_seconds=0.4)
LAST = dataclasses.replace(
    FIRST,
    peak_bytes=210,
    device_bytes=300,
    gpu_clock="1410 of 1980 MHz",
    final=FinalResults(
        labels={"sentiment": ["good"]},
        server=Server(bound=0.1, rates=(), best=5.0),
        soak={"early": 150, "resident": 151},
        warnings=("the soak was short",),
    ),
)


def fold(*launches, system=OURS, scores=SCORES):
    return merge_launches(system, "mtl bench", launches, scores, texts=12, soak_calls=50)


def test_a_row_has_the_values_of_every_launch_in_their_order():
    row = fold(FIRST, SECOND, LAST)
    assert (row.offline.seconds, row.offline.kernel_seconds) == (
        ((1.0, 1.01), (1.0, 1.02), (1.0, 1.01)),
        ((0.9, 0.91),) * 3,
    )
    assert (row.offline.texts, row.offline.unit, row.offline.size, row.offline.sweep) == (12, "tokens", 1024, SWEEP)
    assert row.single_stream.latencies == ((0.01, 0.02, 0.01, 0.01),) * 3
    assert (row.cold_start.seconds, row.cold_start.load_seconds) == ((0.5, 0.4, 0.5), (0.25,) * 3)
    assert (row.answers, row.server.best, row.size_bytes) == (SCORES, 5.0, 7)


def test_memory_leaves_out_the_process_that_swept_and_has_the_soak_of_the_last_one():
    memory = fold(FIRST, SECOND, LAST).memory
    assert (memory.loaded, memory.peak, memory.device) == ((100, 100, 100), (200, 210), (300,))
    assert (memory.early, memory.soaked, memory.soak_calls) == ((150,), (151,), 50)


def test_warnings_are_those_of_the_figures_and_then_those_of_the_last_launch():
    assert fold(FIRST, SECOND, LAST).warnings == ("the soak was short",)
    shaky = dataclasses.replace(SECOND, seconds=(2.0, 2.0))
    first, *_, last = fold(FIRST, shaky, LAST).warnings
    assert "the slowest round took 2.00 times the fastest" in first
    assert last == "the soak was short"


def test_a_model_that_cannot_be_timed_alone_in_one_launch_has_no_kernel_seconds_of_it():
    assert fold(FIRST, dataclasses.replace(SECOND, kernel_seconds=()), LAST).offline.kernel_seconds == (
        (0.9, 0.91),
        (0.9, 0.91),
    )


def test_the_status_is_that_of_the_onnxruntime_that_ran_and_peers_have_none():
    other = dataclasses.replace(LAST, facts={"onnxruntime": "1.0.0"})
    assert [fold(launch).status for launch in (LAST, other)] == ["verified", "unverified"]
    assert fold(LAST, system=dataclasses.replace(OURS, kind="peer")).status is None


def test_facts_are_those_of_the_process_of_the_system_and_of_the_gpu():
    system = dataclasses.replace(OURS, facts={"settings recommended at": "https://example.org"})
    assert fold(FIRST, LAST, system=system).facts == {
        "provider": "cpu",
        "onnxruntime": "1.31.1",
        "settings recommended at": "https://example.org",
        "GPU clock": "1410 of 1980 MHz",
    }


def test_a_system_that_dropped_out_has_its_error_and_no_figures():
    row = failed_result(OURS, "mtl bench", "RuntimeError: no memory")
    assert (row.title, row.command, row.error, row.ran) == (OURS.title, "mtl bench", "RuntimeError: no memory", False)
    assert row.offline is row.answers is row.memory is row.status is None
