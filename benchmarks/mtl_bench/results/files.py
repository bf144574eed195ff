"""file -> Report, or one line that says why it is none."""

from pathlib import Path

from mtl_bench.results.schema import SCHEMA_VERSION, Report
from mtl_runtime.core import records
from mtl_runtime.errors import MtlError, RecordError

__all__ = ["read_report"]

_REMEDY = "name a results file that `mtl bench BUNDLE` wrote"


def read_report(path: Path) -> Report:
    """Read a results file.

    Raises:
        MtlError: it cannot be read, is not a report, or is one of another version.
    """
    try:
        content = records.parse_json(path.read_bytes(), where=str(path))
    except OSError as error:
        raise MtlError(f"{path} cannot be read ({error.strerror}); {_REMEDY}") from error
    except RecordError as error:
        raise MtlError(f"{error}; {_REMEDY}") from error
    if not isinstance(content, dict) or "schema_version" not in content or "systems" not in content:
        raise MtlError(f"{path} is not a benchmark's results file; {_REMEDY}")
    if content["schema_version"] != SCHEMA_VERSION:
        raise MtlError(
            f"{path} has schema version {content['schema_version']!r}, this mtl-export reads {SCHEMA_VERSION}; "
            "measure again with it, or read the file with the version that wrote it"
        )
    return records.from_dict(Report, content, where=str(path))
