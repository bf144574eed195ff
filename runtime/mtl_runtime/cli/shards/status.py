"""``mtl predict --status FOLDER``: how far a sharded job is."""

import dataclasses

from mtl_runtime.cli.terminal import duration, print_json, print_table

__all__ = ["show_status"]

_LISTED = 20  # failed shards


def show_status(name: str, *, as_json: bool) -> None:
    """Print how many shards are done, running, failed and waiting, and why they failed.

    Raises:
        MtlError: the folder is of no sharded job.
    """
    from mtl_runtime.cluster.job_folder import JobFolder
    from mtl_runtime.cluster.status import find_status

    status = find_status(JobFolder.open(name))
    if as_json:
        facts = {field.name: getattr(status, field.name) for field in dataclasses.fields(status)}
        running = [dataclasses.asdict(record) for record in status.running]
        failed = [dataclasses.asdict(record) for record in status.failed]
        print_json({**facts, "waiting": status.waiting, "running": running, "failed": failed})
        return
    speed, left = status.rows_per_second, status.seconds_left
    counts = (
        f"{status.done:,} of {status.shards:,}",
        f"{len(status.running):,}",
        f"{len(status.failed):,}",
        f"{status.waiting:,}",
        f"{status.rows:,}",
        f"{status.bad_rows:,}",
        "" if speed is None else f"{speed:,.0f}",
        "0:00:00" if status.is_complete else "" if left is None else duration(left),
    )
    columns = ("done", "running", "failed", "waiting", "rows", "bad rows", "rows/s", "time left")
    print_table("complete" if status.is_complete else "not complete", columns, [counts])
    if status.failed:
        rows = [(record.shard, record.attempts, record.host, record.error) for record in status.failed[:_LISTED]]
        print_table("failed; --resume tries them again", ("shard", "attempts", "host", "error"), rows)
