"""Input files for sharded jobs, and jobs that run in this process."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from mtl_runtime.cluster.engines.engine import Engine, EngineOptions
from mtl_runtime.cluster.engines.index import run_here
from mtl_runtime.cluster.predict_files import predict_files
from mtl_runtime.cluster.request import FilesRequest
from mtl_runtime.tables.row_chunks import ChunkLimits

TINY_BUNDLE = Path(__file__).parents[1] / "data" / "tiny_bundle"
WORDS = ["good", "bad", "soup", "the", "bank", "game", "awful", "great", "naïve", "😀", '"quoted"', "a,b", "two\nlines"]
HERE = Engine(run=run_here)
LIMITS = ChunkLimits(rows=4)


def make_texts(rows, *, seed=0):
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randrange(1, 9))) for _ in range(rows)]


def write_input(path, texts, *, group_rows=7):
    """A file of texts and numbers; of those that are None, the text is missing (or in csv a cell)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pa = pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
        pq = pytest.importorskip("pyarrow.parquet")
        table = pa.table({"text": pa.array(texts, pa.string()), "n": pa.array(range(len(texts)), pa.int16())})
        pq.write_table(table.replace_schema_metadata({"note": "kept"}), path, row_group_size=group_rows)
    elif path.suffix == ".jsonl":
        rows = [{"text": text, "n": n} for n, text in enumerate(texts)]
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    elif path.suffix == ".txt":
        path.write_text("".join(f"{text}\n".replace("\n", " ", text.count("\n")) for text in texts), "utf-8")
    else:
        lines = [
            f"{n}\n" if text is None else f'{n},"{text.replace(chr(34), 2 * chr(34))}"\n'
            for n, text in enumerate(texts)
        ]
        path.write_text("n,text\n" + "".join(lines), "utf-8")
    return path


def request_for(inputs, output, **changes):
    values = {"shard_rows": 7, "limits": LIMITS, "attempts": 2, **changes}
    return FilesRequest(bundle=TINY_BUNDLE, inputs=[str(path) for path in inputs], output=str(output), **values)


def run(inputs, output, *, engine=HERE, options=None, lease_seconds=60.0, progress=None, **changes):
    request = request_for(inputs, output, **changes)
    return predict_files(request, engine, options or EngineOptions(), lease_seconds=lease_seconds, progress=progress)


def contents(folder):
    """Name -> bytes of everything that a reader of the output sees."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def failing_after(shards):
    """An engine whose process ends behind so many shards, as if it was killed."""

    def run_some(task, numbers, options):
        for count, outcome in enumerate(run_here(task, numbers, options)):
            if count == shards:
                raise Interrupt
            yield outcome

    return replace(HERE, run=run_some)


class Interrupt(BaseException):
    """Stands for whatever ends a process from outside."""
