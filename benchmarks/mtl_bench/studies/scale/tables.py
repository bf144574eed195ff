"""results file of the simulation -> the tables of docs/scale.md, between their markers.

python -m mtl_bench.studies.scale.tables benchmarks/results/scale.json docs/scale.md
"""

from mtl_bench.report.markdown_table import markdown_table, tables_command
from mtl_bench.studies.scale.simulation import ScaleSimulation

__all__ = ["page_tables"]


def page_tables(results: ScaleSimulation) -> dict[str, str]:
    """All tables by the name of their markers."""
    return {"scale simulation": _jobs(results), "scale costs": _costs(results)}


def _jobs(results: ScaleSimulation) -> str:
    workers = results.cluster.workers
    rows = [
        [
            f"{scale.job.shard_rows:,}",
            f"{scale.job.shards:,}",
            f"{scale.job.seconds / 60:.0f}",
            f"{scale.job.ideal_seconds / scale.job.seconds:.0%}",
            f"{scale.job.tail_seconds / 60:.0f}",
            f"{scale.job.lost_shards} ({scale.job.lost_seconds / scale.job.seconds / workers:.1%})",
            f"{scale.job.ends_per_second:.1f} ({scale.job.most_ends_per_second:.0f})",
            f"{scale.files.job_bytes / 1e6:.1f} + {scale.files.manifest_bytes / 1e6:.1f}",
            f"{scale.job.shards * scale.files.requests_of_a_shard:,.0f}",
        ]
        for scale in results.scales
    ]
    header = [
        "rows of a shard",
        "shards",
        "minutes",
        "of the ideal",
        "tail, minutes",
        "attempts lost (of all work)",
        "shards/s on average (most)",
        "plan + manifest, MB",
        "requests for the state",
    ]
    return markdown_table(header, rows, "rrrrrrrrr")


def _costs(results: ScaleSimulation) -> str:
    header = ["machine", "dollars an hour", *(f"shards of {scale.job.shard_rows:,} rows" for scale in results.scales)]
    rows = [
        [
            cost.machine,
            f"{cost.dollars_per_hour:.3f}",
            *(f"{scale.costs[index].dollars_per_million_rows:.3f}" for scale in results.scales),
        ]
        for index, cost in enumerate(results.scales[0].costs)
    ]
    return markdown_table(header, rows, "lr" + "r" * len(results.scales))


if __name__ == "__main__":
    tables_command(ScaleSimulation, page_tables)()
