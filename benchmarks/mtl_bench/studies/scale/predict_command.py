"""Files of sentences and the command that answers them, as the studies of shards run it."""

import sys
from pathlib import Path

from mtl_bench.studies.bulk_files import write_texts

__all__ = ["MTL", "write_parquet"]

MTL = (sys.executable, "-c", "from mtl_runtime.cli.app import main; main()")


def write_parquet(path: Path, rows: int, *, seed: int, group_rows: int) -> None:
    """Write a file of generated sentences.

    Args:
        path: of the file; a csv next to it comes and goes.
        rows: of the file.
        seed: of the sentences.
        group_rows: of each row group.
    """
    import pyarrow.csv
    import pyarrow.parquet

    texts = path.with_suffix(".csv")
    write_texts(texts, rows, seed=seed)
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(texts), path, row_group_size=group_rows)
    texts.unlink()
