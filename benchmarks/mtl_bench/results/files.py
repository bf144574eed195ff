"""Results file <-> its record; a file that is none is refused in one line."""

from pathlib import Path
from typing import Any, TypeVar

from mtl_bench.results.schema import SCHEMA_VERSION, Report
from mtl_runtime.core import records
from mtl_runtime.core.atomic_file import atomic_file
from mtl_runtime.errors import MtlError, RecordError

__all__ = ["read_report", "read_results", "write_output", "write_results"]

R = TypeVar("R")

_REMEDY = "name a results file that `mtl bench BUNDLE` wrote"


def read_report(path: Path) -> Report:
    """Read the results file of a benchmark run.

    Raises:
        MtlError: it cannot be read, is not a report, or has another schema version.
    """
    content = _parse(path, _REMEDY)
    if not isinstance(content, dict) or "schema_version" not in content or "systems" not in content:
        raise MtlError(f"{path} is not a benchmark's results file; {_REMEDY}")
    if content["schema_version"] != SCHEMA_VERSION:
        raise MtlError(
            f"{path} has schema version {content['schema_version']!r}, this mtl-export reads {SCHEMA_VERSION}; "
            "measure again with it, or read the file with the version that wrote it"
        )
    return records.from_dict(Report, content, where=str(path))


def read_results(kind: type[R], path: Path) -> R:
    """Read the results file of a study, whose content is a record of this ``kind``.

    Raises:
        MtlError: it cannot be read, or holds something else.
    """
    return records.from_dict(kind, _parse(path, "name the results file of a study"), where=str(path))


def write_results(results: Any, path: Path) -> None:
    """Write a record to its results file."""
    write_output(path, records.to_json(results))


def write_output(path: Path, content: str) -> None:
    """Write a text file whole or not at all, in the place of an earlier one; a link is refused.

    Raises:
        MtlError: it is a link, or the system refuses.
    """
    with atomic_file(path, replace=True) as stream:
        stream.write(content.encode())


def _parse(path: Path, remedy: str) -> Any:
    try:
        return records.parse_json(path.read_bytes(), where=str(path))
    except OSError as error:
        raise MtlError(f"{path} cannot be read ({error.strerror}); {remedy}") from error
    except RecordError as error:
        raise MtlError(f"{error}; {remedy}") from error
