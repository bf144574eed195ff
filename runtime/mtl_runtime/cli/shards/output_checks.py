"""``mtl predict --check FOLDER``: whether the output of a sharded job is as its manifest says."""

from mtl_runtime.cli.terminal import print_json, print_line, print_table
from mtl_runtime.errors import CheckFailedError
from mtl_runtime.wording import name_path

__all__ = ["show_check"]


def show_check(name: str, *, as_json: bool) -> None:
    """Print which parts are missing, doubled or changed.

    Raises:
        CheckFailedError: some are.
        MtlError: the output is not complete.
    """
    from mtl_runtime.cluster.job_folder import JobFolder
    from mtl_runtime.cluster.manifest import check_output, read_manifest

    folder = JobFolder.open(name)
    manifest = read_manifest(folder)
    problems = list(check_output(folder, manifest))
    if as_json:
        found = [{"name": problem.name, "problem": problem.problem} for problem in problems]
        print_json({"parts": len(manifest.parts), "rows": manifest.rows, "problems": found})
    elif problems:
        print_table(name_path(name), ("file", "problem"), [(problem.name, problem.problem) for problem in problems])
    else:
        print_line(f"{len(manifest.parts):,} parts with {manifest.rows:,} rows are as they were written")
    if problems:
        raise CheckFailedError(
            f"{len(problems):,} files of {name_path(name)} are not as its manifest says; remove them, and "
            f"the job's command with --resume computes the parts among them again"
        )
