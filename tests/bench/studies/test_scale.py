"""The simulation of a cluster: what must hold for any, and what its tables say of the results file."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_bench.report.markdown_table import fill_tables
from mtl_bench.studies.scale.cluster_model import ClusterSpec, simulate
from mtl_bench.studies.scale.file_sizes import size_of_files
from mtl_bench.studies.scale.simulation import ScaleSimulation
from mtl_bench.studies.scale.tables import page_tables
from mtl_runtime.core import records

ROOT = Path(__file__).parents[3]
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
