"""Records of a training with one task of every kind, and of one with 150 labels, for tests of the page about them."""

import random
from dataclasses import replace

from mtl_export.checkpoint import FORMAT_VERSION, CheckpointRecord, Evaluation, TrainingPlan, TrainingRecord
from mtl_export.config import Config
from mtl_export.data.examples import SkippedRow
from mtl_export.data.label_counts import LabelCounts
from mtl_export.model import HeadSpec, ModelSpec
from mtl_runtime.bundle.manifest import EncoderSpec, FileSpec, TaskSpec
from mtl_runtime.bundle.training_summary import Finding
from mtl_runtime.dataset.confusion import Confusion
from mtl_runtime.dataset.metrics import LabelResult, TaskMetrics

SMUGGLED = "<script>document.title='ran'</script>"

SENTIMENT = TaskSpec(name="sentiment", kind="single_label", labels=("negative", "neutral", "positive & more"))
TAGS = TaskSpec(name="tags", kind="multi_label", labels=("film", SMUGGLED), thresholds=(0.5, 0.4))
PRICE = TaskSpec(name="price", kind="regression")

CONFIG = Config.from_dict(
    {
        "tasks": {"sentiment": {}, "tags": {"kind": "multi_label"}, "price": {"kind": "regression"}},
        "encoder": {"model": "encoder"},
        "data": {"train": "train.csv", "holdout": 0.1},
        "training": {"epochs": 4, "batch_size": 16},
    }
)
FINDINGS = (
    Finding(
        problem="no_better_than_majority",
        task="price",
        text="task price is no better than always answering the mean: mean squared error 1.1e+09 against 9e+08",
    ),
    Finding(
        problem="unpredicted_labels",
        task="tags",
        text=f"task tags never answers 1 of the 2 labels that validation has: {SMUGGLED} (12 rows)",
    ),
)


def single(confusion):
    """Metrics of a single_label task with these counts."""
    total = sum(map(sum, confusion))
    accuracy = sum(row[index] for index, row in enumerate(confusion)) / total
    values = {"accuracy": accuracy, "macro_f1": accuracy - 0.05}
    return TaskMetrics(rows=total, values=values, confusion=Confusion.from_matrix(confusion))


def multi(macro_f1):
    labels = (LabelResult(rows=31, predicted=28, correct=25), LabelResult(rows=12, predicted=0, correct=0))
    return TaskMetrics(rows=60, values={"accuracy": 0.41, "macro_f1": macro_f1, "micro_f1": 0.6}, labels=labels)


def numeric(mse, pearson):
    return TaskMetrics(rows=57, values={"mse": mse, "mae": mse**0.5 * 0.8, "pearson": pearson})


def evaluation(number):
    """The course of a run: the loss falls and the metrics rise, up to the eighth evaluation."""
    gain = min(number, 8) / 8 - max(0, number - 8) * 0.02
    return Evaluation(
        step=number * 25,
        epoch=number * 25 / 90,
        training_loss=None if number == 0 else 2.1 - 1.6 * gain,
        validation_loss={"sentiment": 1.1 - 0.6 * gain, "tags": 0.7 - 0.3 * gain, "price": 1.0 + 0.1 * gain},
        metrics={
            "sentiment": {"accuracy": 0.4 + 0.45 * gain, "macro_f1": 0.35 + 0.447 * gain},
            "tags": {"macro_f1": 0.3 + 0.15 * gain},
            "price": {"pearson": -0.1 + 0.2 * gain},
        },
    )


TRAINING = TrainingRecord(
    config=CONFIG,
    files={"../data/a&b.csv": FileSpec(bytes=23_405, sha256="ab" * 32)},
    best_step=200,
    steps=1360,
    validation={
        "sentiment": single([[1787, 37, 96], [13, 17, 12], [11, 4, 61]]),
        "tags": multi(0.42),
        "price": numeric(1.1e9, 0.05),
    },
    skipped_rows=tuple(
        SkippedRow(path="../data/a&b.csv", line=line, reason="the text is missing") for line in range(2, 27)
    ),
    newly_initialized=("encoder.pooler.dense.weight",),
    plan=TrainingPlan(
        epochs=4,
        batch_size=16,
        encoder_learning_rate=3e-5,
        head_learning_rate=1e-3,
        warmup=0.1,
        contrastive_weight=1.0,
        precision="fp32",
        steps=1360,
        evaluation_epochs=1,
    ),
    majority={
        "sentiment": single([[1920, 0, 0], [42, 0, 0], [76, 0, 0]]),
        "tags": multi(0.5),
        "price": numeric(9e8, 0.0),
    },
    probe={"sentiment": single([[1700, 120, 100], [20, 10, 12], [20, 6, 50]]), "tags": multi(0.4)},
    history=tuple(map(evaluation, range(12))),
    splits={
        "train": LabelCounts(
            rows=18_300,
            labelled={"sentiment": 18_299, "tags": 540, "price": 513},
            by_label={
                "sentiment": {"negative": 17_280, "neutral": 340, "positive & more": 679},
                "tags": {"film": 280, SMUGGLED: 110},
                "price": {},
            },
        ),
        "validation": LabelCounts(
            rows=2_038,
            labelled={"sentiment": 2_038, "tags": 60, "price": 57},
            by_label={
                "sentiment": {"negative": 1_920, "neutral": 42, "positive & more": 76},
                "tags": {"film": 31, SMUGGLED: 12},
                "price": {},
            },
        ),
    },
    findings=FINDINGS,
)

RECORD = CheckpointRecord(
    format_version=FORMAT_VERSION,
    model=ModelSpec(
        encoder=EncoderSpec(
            family="bert", source="all-MiniLM-L6-v2", hidden_size=384, pooling="mean", max_length=128, pad_id=0
        ),
        encoder_config={},
        tasks=(SENTIMENT, TAGS, PRICE),
        heads={name: HeadSpec(kind="linear", dropout=0.1) for name in ("sentiment", "tags", "price")},
        token_types=True,
    ),
    training=TRAINING,
    made_with={"torch": "2.13.0+cpu", "transformers": "5.23.0"},
)


def with_training(**changes) -> CheckpointRecord:
    """The record with these fields of its training changed."""
    return replace(RECORD, training=replace(TRAINING, **changes))


def with_labels(count: int, rows_each: int = 3) -> CheckpointRecord:
    """The record of a single task with so many labels; a quarter of the answers is wrong."""
    generator = random.Random(count)
    names = tuple(
        f"{'a long intent of customers' if number % 7 == 0 else 'intent'} {number}" for number in range(count)
    )
    confusion = [[0] * count for _ in range(count)]
    for label in range(count):
        for _ in range(rows_each):
            confusion[label][label if generator.random() < 0.75 else generator.randrange(count)] += 1
    task = TaskSpec(name="intent", kind="single_label", labels=names)
    heads = {"intent": HeadSpec(kind="linear", dropout=0.1)}
    record = with_training(validation={"intent": single(confusion)}, majority={}, probe={}, splits={}, findings=())
    return replace(record, model=replace(RECORD.model, tasks=(task,), heads=heads))


# As a checkpoint of format version 1 is read.
EARLIER = replace(with_training(plan=None, majority={}, probe={}, history=(), splits={}, findings=()), format_version=1)
