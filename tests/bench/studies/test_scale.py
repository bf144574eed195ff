"""The simulation of a cluster: what must hold for any, what is measured of shards, and what the page says of both."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_bench.report.markdown_table import fill_tables
from mtl_bench.results.files import read_results
from mtl_bench.studies.scale import measured_tables, speed, worker_memory
from mtl_bench.studies.scale.cluster_model import ClusterSpec, simulate
from mtl_bench.studies.scale.file_sizes import size_of_files
from mtl_bench.studies.scale.simulation import ScaleSimulation
from mtl_bench.studies.scale.tables import page_tables
from mtl_runtime.core import records
from mtl_runtime.core.machine import machine_facts

ROOT = Path(__file__).parents[3]
TINY_BUNDLE = ROOT / "tests" / "runtime" / "data" / "tiny_bundle"
EVEN = ClusterSpec(
    machines=4,
    cores=2,
    rows_per_second=100.0,
    spread=0.0,
    slow_share=0.0,
    slow_factor=2.0,
    losses_per_hour=0.0,
    replacement_seconds=60.0,
    start_seconds=0.0,
)


def test_equal_shards_on_equal_machines_take_the_ideal_time():
    job = simulate(EVEN, rows=80_000, shard_rows=1000, seed=0)
    assert job.seconds == pytest.approx(job.ideal_seconds) == pytest.approx(100.0)
    assert (job.shards, job.lost_shards) == (80, 0)


@settings(max_examples=30, deadline=None)
@given(
    shards=st.integers(1, 60),
    losses=st.floats(0, 60),
    slow=st.floats(0, 1),
    spread=st.floats(0, 0.5),
    seed=st.integers(0, 99),
)
def test_every_shard_ends_whatever_is_lost(shards, losses, slow, spread, seed):
    spec = replace(EVEN, losses_per_hour=losses, slow_share=slow, spread=spread)
    job = simulate(spec, rows=1000 * shards, shard_rows=1000, seed=seed)
    assert job.shards == shards
    assert job.lost_seconds <= job.lost_shards * 20 * 10
    assert 0 <= job.tail_seconds <= job.seconds


def test_smaller_shards_lose_less_to_lost_machines():
    spec = replace(EVEN, losses_per_hour=5.0)
    large, small = (simulate(spec, rows=800_000, shard_rows=rows, seed=1) for rows in (20_000, 1000))
    assert small.lost_seconds < large.lost_seconds
    assert small.seconds < large.seconds


def test_the_state_grows_with_the_shards_and_not_with_the_rows():
    few, many, long = size_of_files(100, 1000), size_of_files(1000, 1000), size_of_files(100, 100_000)
    assert 8 * few.job_bytes < many.job_bytes < 10 * few.job_bytes
    assert many.record_bytes == pytest.approx(10 * few.record_bytes, rel=0.01)
    assert long.job_bytes == pytest.approx(few.job_bytes, rel=0.05)


def test_the_tables_of_the_page_are_those_of_the_results_file():
    results = ROOT / "benchmarks" / "results" / "scale.json"
    page = (ROOT / "docs" / "scale.md").read_text("utf-8")
    simulation = records.from_json(ScaleSimulation, results.read_text("utf-8"))
    assert fill_tables(page, page_tables(simulation)) == page, "run `make scale`"
    measured = measured_tables.measured_tables(
        read_results(speed.ShardSpeedResults, results.with_name("scale_speed.json")),
        read_results(worker_memory.WorkerMemoryResults, results.with_name("worker_memory.json")),
    )
    assert fill_tables(page, measured) == page, "run `make scale-speed`"


def invoke(command, *arguments):
    return CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Results of both measurements on a bundle of which a pass costs next to nothing."""
    folder = tmp_path_factory.mktemp("measured")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_memory, "_SECONDS_BETWEEN_SAMPLES", 0.01)
        done = invoke(
            worker_memory.main, TINY_BUNDLE, "-o", folder / "memory.json", "--variant", "cpu-fp32", "--rows", 2000
        )
    # Neither growth nor speed is judged here: so short a job still loads in its second tenth, and other tests run.
    assert (folder / "memory.json").is_file(), done.output
    done = invoke(
        speed.main, TINY_BUNDLE, "-o", folder / "speed.json", "--variant", "cpu-fp32", "--rows", 2000, "--rounds", 1
    )
    assert "rows/s" in done.output
    return folder


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or os.cpu_count() < 2, reason="two cores of Linux are needed")
def test_each_way_to_answer_and_the_memory_of_a_worker_are_measured(measured, tmp_path):
    ways = read_results(speed.ShardSpeedResults, measured / "speed.json").conditions
    assert [(name, way.cores, len(way.rows_per_second)) for name, way in ways.items()] == [
        ("plain", 1, 1),
        ("one process", 1, 1),
        ("two processes", 2, 1),
        ("two plain commands at once", 2, 1),
    ]
    memory = read_results(worker_memory.WorkerMemoryResults, measured / "memory.json")
    assert len(memory.tenths_mb) == 10
    assert all(20 < highest < 2000 for highest in memory.tenths_mb[1:])
    names = ("scale speed", "scale memory")
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- {name}: start -->\n<!-- {name}: end -->\n" for name in names))
    done = invoke(measured_tables.main, measured / "speed.json", measured / "memory.json", page)
    assert done.exit_code == 0, done.output
    assert page.read_text().count("| two processes | 2 |") == 1


FACTS = {
    "schema_version": 1,
    "machine": machine_facts(),
    "made_with": {},
    "bundle_digest": "0" * 64,
    "variant": "cpu-int8",
    "rows": 1,
}


def test_a_promise_is_broken_only_where_the_machine_could_have_kept_it():
    def results(two, two_plain):
        ways = {"plain": (1, 1.0, 0.0), "one process": (1, 0.96, 0.95), "two processes": (2, two, 1.9)}
        ways["two plain commands at once"] = (2, two_plain, 0.0)
        conditions = {
            name: speed.ShardCondition(cores=cores, rows_per_second=(times,), times_plain=times, least=least)
            for name, (cores, times, least) in ways.items()
        }
        return speed.ShardSpeedResults(**FACTS, conditions=conditions)

    assert results(1.95, 2.0).problems() == []
    assert results(1.65, 1.7).problems() == []  # cores that share units
    assert results(1.6, 1.7).problems() == ["two processes: 1.60 times plain, promised are 1.61"]
    assert results(1.85, 2.0).problems() == ["two processes: 1.85 times plain, promised are 1.90"]


def test_a_worker_that_grows_is_a_problem():
    def results(*tenths):
        return worker_memory.WorkerMemoryResults(**FACTS, seconds=1.0, tenths_mb=tenths)

    assert results(90.0, *[100.0] * 8, 104.0).problems() == []
    assert results(90.0, *[100.0] * 8, 106.0).problems() == ["a worker grew from 100 to 106 MiB"]
