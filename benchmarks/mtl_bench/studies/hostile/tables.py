"""results file -> the table of docs/reliability.md, between its markers.

python -m mtl_bench.studies.hostile.tables benchmarks/results/hostile.json docs/reliability.md
"""

from mtl_bench.report.markdown_table import markdown_table, tables_command
from mtl_bench.studies.hostile.results import HostileResults

__all__ = ["page_tables"]


def page_tables(results: HostileResults) -> dict[str, str]:
    """The table of kinds, and where they were tried."""
    rows = [
        [
            kind,
            str(found.attempts),
            str(found.refused),
            str(found.answered),
            str(len(found.faults)),
            f"{found.slowest_seconds:.1f}",
        ]
        for kind, found in results.kinds.items()
    ]
    header = ["attempts", "tried", "refused in one line", "answered right", "faults", "slowest, s"]
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    where = f"{results.processor}, {results.cores} cores; {versions}; {results.measured_at[:10]}.\n"
    return {"hostile": markdown_table(header, rows, "lrrrrr"), "where": where}


if __name__ == "__main__":
    tables_command(HostileResults, page_tables)()
