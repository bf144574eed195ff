"""Answer all files of a folder on the cores of this machine, continuing where an earlier run was stopped.

python local_job.py BUNDLE INPUTS OUTPUT
"""

import sys
from pathlib import Path

from mtl_runtime.cluster.engines.engine import EngineOptions
from mtl_runtime.cluster.engines.table import ENGINES
from mtl_runtime.cluster.predict_files import predict_files
from mtl_runtime.cluster.request import FilesRequest


def main(bundle: str, inputs: str, output: str) -> None:
    """Run the job."""
    request = FilesRequest(
        bundle=Path(bundle), inputs=[inputs], output=output, output_format="jsonl", prefix="predicted.", resume=True
    )
    summary = predict_files(request, ENGINES["local"], EngineOptions())
    print(f"{summary.rows} rows in {summary.done} parts of {output}")


if __name__ == "__main__":
    main(*sys.argv[1:])
