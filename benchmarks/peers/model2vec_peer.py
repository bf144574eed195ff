"""kit -> Model2Vec: static embeddings distilled from the trained encoder, and a classifier trained on the same rows.

It is another model, not another way to run this one: no attention, so that the order of words does not count.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from driver_kit import Kit, PeerError, make_system, versions

from mtl_bench.worker.system import Labels, SystemDriver


def prepare(*, kit: str, folder: str) -> None:
    """Distill once and train a classifier for each task, with the defaults of its documentation.

    Args:
        kit: folder that kit.py wrote.
        folder: to write.

    Raises:
        PeerError: the kit has no training rows, or a task has no single labels.
    """
    from model2vec.distill import distill
    from model2vec.train import StaticModelForClassification

    read = Kit.read(kit)
    if others := [task.name for task in read.tasks if task.kind != "single_label"]:
        raise PeerError(f"this driver trains classifiers of one label: {others}")
    file = read.folder / "training_rows.jsonl"
    if not file.is_file():
        raise PeerError("the kit has no training rows, because the checkpoint's files have changed")
    examples = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    static = distill(str(read.folder / "encoder"))
    for task in read.tasks:
        labelled = [row for row in examples if row["labels"].get(task.name) is not None]
        classifier = StaticModelForClassification.from_static_model(model=static)
        classifier.fit([row["text"] for row in labelled], [row["labels"][task.name] for row in labelled])
        classifier.to_pipeline().save_pretrained(Path(folder) / task.name)


def open(*, kit: str, folder: str) -> SystemDriver:
    """A pipeline for each task; they make no batches of their own that could be chosen."""
    from model2vec.inference import StaticModelPipeline

    read = Kit.read(kit)
    pipelines = {task.name: StaticModelPipeline.from_pretrained(str(Path(folder) / task.name)) for task in read.tasks}

    def answer(texts: Sequence[str], _size: int | None) -> Labels:
        return {name: [str(label) for label in each.predict(list(texts))] for name, each in pipelines.items()}

    return make_system(answer, {"threads": "1", **versions("model2vec")}, sizes=(1024,))
