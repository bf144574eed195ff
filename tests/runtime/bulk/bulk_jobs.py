"""Jobs of `predict_file` that are interrupted, and files for them."""

import json
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from mtl_runtime.bulk.predict_file import predict_file
from mtl_runtime.tables.row_chunks import ChunkLimits

LIMITS = ChunkLimits(rows=4)
WORDS = ["good", "bad", "soup", "the", "bank", "game", "awful", "great"]
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")


class Interrupt(BaseException):
    """Stands for whatever ends a process from outside."""


def make_source(path: Path, *, rows: int = 30, bad: tuple[int, ...] = (), seed: int = 0) -> Path:
    """Rows with a text, a number and, for those in ``bad``, no text (jsonl, parquet) or too few cells (csv, tsv)."""
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(WORDS, k=draw.randrange(1, 25))) for _ in range(rows)]
    cells = [None if row in bad else text for row, text in enumerate(texts)]
    if path.suffix == ".parquet":
        pa = pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
        pq = pytest.importorskip("pyarrow.parquet")
        columns = {"text": cells, "n": pa.array(range(rows), pa.int16()), "kind": pa.array(cells).dictionary_encode()}
        pq.write_table(pa.table(columns).replace_schema_metadata({"note": "kept"}), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"text": text, "n": n}) + "\n" for n, text in enumerate(cells)))
    else:
        mark = {".csv": ",", ".tsv": "\t"}[path.suffix]
        lines = [f"{n}" if text is None else f"{n}{mark}{text}" for n, text in enumerate(cells)]
        path.write_text("\n".join([f"n{mark}text", *lines]) + "\n")
    return path


def interrupted_after(classifier, chunks):
    """The classifier, whose process ends once this many chunks are stored: two more are computed ahead of them."""
    left = iter(range(chunks + 2))

    def run(batch, outputs):
        if next(left, None) is None:
            raise Interrupt
        return classifier.run_batch(batch, outputs)

    return with_run(whole(classifier), run)


def whole(classifier):
    """The classifier with batches so large that a chunk is one batch."""
    return classifier.with_settings(max_batch_tokens=10**6)


def with_run(classifier, run):
    """The classifier with ``run`` in place of its session."""
    return replace(classifier, run_batch=run)


def with_info(classifier, **facts):
    """The classifier with other facts about what it runs."""
    settings, source = classifier.settings, classifier.source
    for name, value in facts.items():
        if hasattr(settings.execution, name):
            settings = replace(settings, execution=replace(settings.execution, **{name: value}))
        else:
            source = replace(source, **{name: value})
    return replace(classifier, settings=settings, source=source)


def predict(classifier, source, target, **options):
    return predict_file(classifier, source, target, **{"limits": LIMITS, **options})
