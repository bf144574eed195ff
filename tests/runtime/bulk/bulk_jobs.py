"""Jobs of `predict_file` that are interrupted, and files for them."""

import json
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from mtl_runtime.bulk.predict_file import predict_file
from mtl_runtime.tables.row_chunks import ChunkLimits

CUT = ChunkLimits(rows=4)
WORDS = ["good", "bad", "soup", "the", "bank", "game", "awful", "great"]
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs fork, SIGKILL and locks")


class Interrupt(BaseException):
    """Stands for whatever ends a process from outside."""


def make_source(path: Path, *, rows: int = 30, bad: tuple[int, ...] = (), seed: int = 0) -> Path:
    """Rows with a text, a number and, for those in ``bad``, no text (jsonl, parquet) or too few cells (csv, tsv)."""
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(WORDS, k=draw.randrange(1, 25))) for _ in range(rows)]
    kept = [None if row in bad else text for row, text in enumerate(texts)]
    if path.suffix == ".parquet":
        pa = pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
        pq = pytest.importorskip("pyarrow.parquet")
        columns = {"text": kept, "n": pa.array(range(rows), pa.int16()), "kind": pa.array(kept).dictionary_encode()}
        pq.write_table(pa.table(columns).replace_schema_metadata({"note": "kept"}), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"text": text, "n": n}) + "\n" for n, text in enumerate(kept)))
    else:
        mark = {".csv": ",", ".tsv": "\t"}[path.suffix]
        lines = [f"{n}" if text is None else f"{n}{mark}{text}" for n, text in enumerate(kept)]
        path.write_text("\n".join([f"n{mark}text", *lines]) + "\n")
    return path


def interrupted_after(classifier, chunks):
    """The classifier, whose process ends when so many chunks are kept: two more are computed ahead of them."""
    left = iter(range(chunks + 2))

    def run(batch, outputs):
        if next(left, None) is None:
            raise Interrupt
        return classifier.run_batch(batch, outputs)

    return replace(classifier, run_batch=run).with_settings(max_batch_tokens=10**6)  # a chunk is one batch


def whole(classifier):
    return classifier.with_settings(max_batch_tokens=10**6)


def predict(classifier, source, target, **options):
    return predict_file(classifier, source, target, **{"cut": CUT, **options})
