"""measured rate + prices -> what a billion rows take on a hundred machines, by the size of shards.

    python -m mtl_bench.studies.scale.simulation benchmarks/results/bulk.json -o benchmarks/results/scale.json

It computes, and measures nothing but the files that such a job would write: the rate of a core is that of the other
results file.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from mtl_bench.results.files import write_results
from mtl_bench.studies.bulk_files import BulkFilesResults
from mtl_bench.studies.command_line import study_command
from mtl_bench.studies.scale.cluster_model import ClusterSpec, SimulatedJob, simulate
from mtl_bench.studies.scale.file_sizes import FileSizes, size_of_files
from mtl_runtime.core import records

__all__ = ["CloudCost", "MachineType", "ScaleSimulation", "SimulatedScale"]

SCHEMA_VERSION = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineType:
    """A machine that one can rent, and its list price on demand."""

    vcpus: int
    dollars_per_hour: float
    region: str


# List prices on demand, Linux, without discounts; --price replaces one. N2 is 0.031611 a vCPU and 0.004237 a GiB.
# Azure's is that of the SkyPilot catalog (skypilot-org/skypilot-catalog, catalogs/v6/azure/vms.csv).
MACHINE_TYPES: Mapping[str, MachineType] = {
    "AWS c5.4xlarge": MachineType(vcpus=16, dollars_per_hour=0.68, region="US East (N. Virginia)"),
    "Google n2-highcpu-16": MachineType(vcpus=16, dollars_per_hour=0.5736, region="us-central1"),
    "Azure F16s v2": MachineType(vcpus=16, dollars_per_hour=0.677, region="East US"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudCost:
    """What a million rows cost."""

    machine: str
    dollars_per_hour: float
    dollars_per_million_rows: float
    dollars: float  # of the whole job


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedScale:
    """A job with shards of one size."""

    job: SimulatedJob
    files: FileSizes
    costs: tuple[CloudCost, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSimulation:
    """Content of the results file."""

    schema_version: int
    rows: int
    rate_from: str  # the results file with the rate
    processor: str  # that it was measured on
    variant: str
    cluster: ClusterSpec
    seed: int
    scales: tuple[SimulatedScale, ...]


def _simulate_all(
    bulk: BulkFilesResults,
    *,
    source: str,
    rows: int,
    machines: int,
    sizes: Sequence[int],
    prices: Mapping[str, float],
    losses_per_hour: float,
    seed: int,
) -> ScaleSimulation:
    rate = bulk.large.rows_per_second / bulk.machine.cores_allowed
    cluster = ClusterSpec(
        machines=machines,
        cores=16,
        rows_per_second=rate,
        spread=0.1,
        slow_share=0.05,
        slow_factor=2.0,
        losses_per_hour=losses_per_hour,
        replacement_seconds=180.0,
        start_seconds=10.0,
    )
    scales = []
    for size in sizes:
        job = simulate(cluster, rows=rows, shard_rows=size, seed=seed)
        _log.info("shards of %s rows: %.0f minutes", f"{size:,}", job.seconds / 60)
        costs = tuple(_cost(name, machine, prices, job, cluster, rows) for name, machine in MACHINE_TYPES.items())
        scales.append(SimulatedScale(job=job, files=size_of_files(job.shards, size), costs=costs))
    return ScaleSimulation(
        schema_version=SCHEMA_VERSION,
        rows=rows,
        rate_from=source,
        processor=bulk.machine.cpu,
        variant=bulk.variant,
        cluster=cluster,
        seed=seed,
        scales=tuple(scales),
    )


def _cost(
    name: str, machine: MachineType, prices: Mapping[str, float], job: SimulatedJob, cluster: ClusterSpec, rows: int
) -> CloudCost:
    price = prices.get(name, machine.dollars_per_hour)
    dollars = price * cluster.machines * cluster.cores / machine.vcpus * job.seconds / 3600
    return CloudCost(
        machine=name, dollars_per_hour=price, dollars_per_million_rows=dollars * 1e6 / rows, dollars=dollars
    )


def _parse_prices(_ctx: click.Context, _option: click.Parameter, values: Sequence[str]) -> dict[str, float]:
    prices = {}
    for value in values:
        name, _, price = value.partition("=")
        if name not in MACHINE_TYPES:
            raise click.BadParameter(f"there is no {name!r}; there are: {', '.join(MACHINE_TYPES)}")
        prices[name] = float(price)
    return prices


@click.command()
@click.argument("bulk", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Results file (JSON).")
@click.option("--rows", default=1_000_000_000, show_default=True, type=click.IntRange(min=1))
@click.option("--machines", default=100, show_default=True, type=click.IntRange(min=1))
@click.option("--shard-rows", default="1000000,250000,100000,50000,25000", show_default=True)
@click.option("--losses-per-hour", default=0.05, show_default=True, help="Of a machine, as on spot prices.")
@click.option("--price", "prices", multiple=True, callback=_parse_prices, help="MACHINE=DOLLARS_PER_HOUR")
@click.option("--seed", default=0, show_default=True)
def main(
    bulk: Path,
    output: Path,
    rows: int,
    machines: int,
    shard_rows: str,
    losses_per_hour: float,
    prices: dict[str, float],
    seed: int,
) -> None:
    """Simulate a job with the rate of BULK, a results file of mtl_bench.studies.bulk_files."""
    with study_command():
        measured = records.from_json(BulkFilesResults, bulk.read_text("utf-8"), where=bulk.name)
        results = _simulate_all(
            measured,
            source=bulk.name,
            rows=rows,
            machines=machines,
            sizes=[int(size) for size in shard_rows.split(",")],
            prices=prices,
            losses_per_hour=losses_per_hour,
            seed=seed,
        )
        write_results(results, output)


if __name__ == "__main__":
    main()
