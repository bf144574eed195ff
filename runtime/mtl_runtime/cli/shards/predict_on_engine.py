"""Options of ``mtl predict --on`` -> a job on an engine, its progress and its summary."""

from mtl_runtime.cli.predict_options import PredictOptions
from mtl_runtime.cli.terminal import print_json, print_line, row_progress

__all__ = ["predict_on_engine"]


def predict_on_engine(options: PredictOptions, engine_name: str) -> None:
    """Run the job, and print how much of it is done.

    Raises:
        MtlError: as :func:`mtl_runtime.cluster.predict_files.predict_files`.
    """
    from mtl_runtime.cluster.engines.engine import EngineOptions
    from mtl_runtime.cluster.engines.table import parse_engine
    from mtl_runtime.cluster.predict_files import predict_files
    from mtl_runtime.cluster.request import FilesRequest

    engine, where = parse_engine(engine_name)
    given = {name: getattr(options, name) for name in ("attempts", "max_row_bytes") if getattr(options, name)}
    request = FilesRequest(
        bundle=options.bundle_path,
        inputs=options.sources,
        output=options.output_name or "",
        load_options=options.load_arguments,
        tasks=options.task_names,
        column=options.column,
        probabilities=options.probabilities,
        prefix=options.prefix,
        input_format=options.input_format,
        output_format=options.output_format,
        on_bad_row=options.on_bad_row or "error",
        rejects=options.rejects_name,
        resume=options.resume,
        overwrite=options.force,
        shard_rows=options.shard_rows,
        **given,
    )
    engine_options = EngineOptions(where=where, processes=options.processes, threads=options.threads or 1)
    with row_progress("classifying") as progress:
        summary = predict_files(request, engine, engine_options, progress=progress)
    if options.as_json:
        facts = {"rows": summary.rows, "truncated": summary.truncated, "bad_rows": summary.bad_rows}
        shards = {"shards": summary.shards, "done": summary.done, "is_complete": summary.is_complete}
        print_json({"output": options.output_name, **facts, **shards})
        return
    line = f"{summary.rows:,} rows in {summary.done:,} of {summary.shards:,} parts"
    line += f", {summary.bad_rows:,} bad rows left out" if summary.bad_rows else ""
    line += f", {summary.truncated:,} texts truncated" if summary.truncated else ""
    line += "; nothing was left to do" if summary.finished_before else ""
    line += "" if summary.is_complete else "; the output is complete once all processes of the array have ended"
    print_line(line, err=True)
