"""Distillation: what students learn from labels, from a teacher's answers, and from texts without labels."""

import dataclasses
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional

from mtl_export.checkpoint import StudentOrigin, load_checkpoint
from mtl_export.compression import transfer_set as transfer_sets
from mtl_export.compression.distill import Distillation, distill, plan_student_epochs, plan_student_learning_rate
from mtl_export.compression.pruning.make_student import make_student
from mtl_export.compression.pruning.student_shape import StudentShape
from mtl_export.compression.transfer_set import digest_files, prepare_transfer_set
from mtl_export.config import TaskConfig, TrainingConfig
from mtl_export.errors import CheckpointError
from mtl_export.model.distillation import DistillationLoss, mean_divergence
from mtl_export.training.loop.trainer import TrainedModule
from mtl_runtime.bundle.gate_config import GateConfig
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.targets import MISSING
from tests.export.compression.tiny_teacher import train_teacher
from tests.export.tiny import rows, write_csv

TEXTS = [row["text"] for row in rows(60, seed=9)]
SHAPE = StudentShape(layers=(0, 2))
SPLITS = ((192, 1), (32, 2), (32, 3))  # rows and seeds of the teacher's


def distillation_of(teacher, *, epochs=2, seed=0, **changes):
    origin = StudentOrigin(teacher="0" * 64, layers=SHAPE.layers, teacher_layers=4, **changes)
    return Distillation(origin=origin, base="0" * 64, epochs=epochs, precision="fp32", seed=seed, gate=GateConfig())


def make(teacher, transfer_set, target, **changes):
    student = make_student(teacher.model, SHAPE)
    return distill(student, distillation_of(teacher, **changes), transfer_set, target)


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def divergence(teacher, model):
    answers, logits = teacher.model.logits(TEXTS), model.logits(TEXTS)
    return {task.name: mean_divergence([task], logits, answers) for task in teacher.model.spec.tasks}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return train_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def transfer_set(teacher):
    return prepare_transfer_set(teacher, (), digest_files(teacher, ()))


@pytest.fixture(scope="module")
def student(teacher, transfer_set):
    return make(teacher, transfer_set, teacher.path.with_name("student"))


@pytest.mark.parametrize(("rows", "epochs"), [(192, 40), (500, 32), (4_295, 8), (18_785, 4), (1_000_000, 4)])
def test_a_student_reads_few_rows_more_often_than_a_model_that_learns_labels(rows, epochs):
    assert plan_student_epochs(TrainingConfig(), rows) == epochs


def test_a_student_makes_as_many_steps_in_batches_of_the_teachers_config():
    assert plan_student_epochs(TrainingConfig(batch_size=128), 4_295) == 30
    assert plan_student_epochs(TrainingConfig(batch_size=32, gradient_accumulation=4), 4_295) == 30


@pytest.mark.parametrize(("hidden_size", "rate"), [(128, 3e-4), (384, 1e-4), (768, 1e-4), (1024, 1e-4)])
def test_students_of_wide_encoders_take_no_smaller_steps(hidden_size, rate):
    assert plan_student_learning_rate(4_295, hidden_size) == rate
    assert plan_student_learning_rate(1_000, hidden_size) == rate / 2


def test_a_learning_rate_of_the_teachers_config_is_the_students_too(teacher, student):
    chosen = teacher.record.training.config.training.encoder_learning_rate
    assert student.record.training.config.training.encoder_learning_rate == chosen != "auto"


def test_a_student_learns_the_teachers_answers_to_all_tasks(teacher, transfer_set):
    cut = divergence(teacher, make_student(teacher.model, SHAPE))
    # After two or four epochs it depends on the processor's rounding how far it has come.
    distilled = divergence(teacher, make(teacher, transfer_set, teacher.path.with_name("longer"), epochs=8).model)
    assert all(distilled[task] < 0.5 * cut[task] for task in cut), (cut, distilled)


def test_a_student_learns_without_dropout_and_its_config_keeps_it(teacher, transfer_set, monkeypatch):
    modes, forward = set(), TrainedModule.forward

    # The Trainer reads the parameters' names.
    def noted(self, input_ids, attention_mask, token_type_ids=None):
        modes.add((self.training, self.model.training))
        return forward(self, input_ids, attention_mask, token_type_ids)

    monkeypatch.setattr(TrainedModule, "forward", noted)
    student = make(teacher, transfer_set, teacher.path.with_name("noted"), epochs=1)
    assert modes == {(True, False), (False, False)}
    assert student.model.encoder.config.hidden_dropout_prob == teacher.model.encoder.config.hidden_dropout_prob > 0


def test_a_student_is_a_checkpoint_like_any_other(teacher, student):
    loaded = load_checkpoint(student.path)
    assert loaded.record == student.record
    record = loaded.record.training
    assert record.student.layers == (0, 2)
    assert record.base == "0" * 64
    assert set(record.files) == {"../train.csv", "../validation.csv", "../test.csv"}
    assert record.config.data == teacher.record.training.config.data
    assert not student.path.with_name("student.run").exists()
    assert all(
        np.array_equal(*pair)
        for pair in zip(loaded.model.logits(TEXTS).values(), student.model.logits(TEXTS).values(), strict=True)
    )


def test_equal_seeds_give_equal_bytes_and_another_seed_gives_others(teacher, transfer_set, student, tmp_path):
    folder = teacher.path.parent
    again = make(teacher, transfer_set, folder / "again")
    other = make(teacher, transfer_set, folder / "other", seed=1)
    assert {**bytes_of(again.path), "training.html": b""} == {**bytes_of(student.path), "training.html": b""}
    assert bytes_of(other.path)["model.safetensors"] != bytes_of(student.path)["model.safetensors"]


def test_texts_without_labels_are_learnt_from_the_teachers_answers(teacher, monkeypatch):
    monkeypatch.setattr(transfer_sets, "_TEXTS_AT_ONCE", 100)  # 242 texts are three parts
    folder = teacher.path.parent
    of_splits = [{row["text"] for row in rows(count, seed=seed, missing=0.1)} for count, seed in SPLITS]
    new = [f"{row['text']} {number}" for number, row in enumerate(rows(50, seed=77))]
    texts = [*new, *(min(split) for split in of_splits), *(f" {max(split)}  " for split in of_splits)]
    file = write_csv(folder / "more.csv", [{"text": text} for text in [*texts, texts[0]]])
    transfer_set = prepare_transfer_set(teacher, [file], digest_files(teacher, [file]))
    assert transfer_set.texts == 50
    assert len(transfer_set.rows.rows) == len(transfer_set.data.train.rows) + transfer_set.texts
    assert not any(row.labels for row in transfer_set.rows.rows[len(transfer_set.data.train.rows) :])
    expected = teacher.model.logits([row.text for row in transfer_set.rows.rows])
    answers = transfer_set.rows.answers
    assert all(np.allclose(answers.logits[task], expected[task], atol=1e-5) for task in expected)
    vectors = teacher.model.encode_tokens(teacher.model.tokenize([row.text for row in transfer_set.rows.rows]))
    assert np.allclose(answers.embeddings, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), atol=1e-3)
    student = make(teacher, transfer_set, folder / "with-texts", texts=transfer_set.texts)
    assert "../more.csv" in student.record.training.files
    assert student.record.training.splits["train"].rows == len(transfer_set.data.train.rows)


def test_texts_that_add_nothing_are_warned_of(teacher, caplog):
    file = write_csv(teacher.path.parent / "same.csv", [{"text": row["text"]} for row in rows(20, seed=1)])
    assert prepare_transfer_set(teacher, [file], digest_files(teacher, [file])).texts == 0
    assert "--texts adds nothing: the teacher's own data hold all of its sentences" in caplog.messages


def test_part_of_a_lesson_keeps_rows_and_answers_together(transfer_set, teacher):
    taken = transfer_set.take(rows=20, validation=8)
    part = taken.rows
    assert len(part.rows) == len(part.answers.embeddings) == 20
    assert len(taken.data.validation.rows) == 8
    assert taken.data.train == transfer_set.data.train
    expected = teacher.model.logits([row.text for row in part.rows])
    assert all(np.allclose(part.answers.logits[task], expected[task], atol=1e-5) for task in expected)


def test_a_finished_student_is_loaded_and_another_run_there_is_an_error(teacher, transfer_set, student):
    assert make(teacher, transfer_set, student.path).record == student.record
    with pytest.raises(CheckpointError, match="was trained with another config"):
        make(teacher, transfer_set, student.path, heads=2)


def test_files_that_changed_since_training_are_an_error(tmp_path):
    teacher = train_teacher(tmp_path, layers=1)
    write_csv(tmp_path / "train.csv", rows(10, seed=1))
    with pytest.raises(CheckpointError, match=r"train file .*train.csv has changed since training; students learn"):
        prepare_transfer_set(teacher, (), digest_files(teacher, ()))


SINGLE = TaskSpec(name="single", kind="single_label", labels=("a", "b"))
MULTI = TaskSpec(name="multi", kind="multi_label", labels=("a", "b"), thresholds=(0.5, 0.5))
NUMBER = TaskSpec(name="number", kind="regression")
SPECS = (SINGLE, MULTI, NUMBER)
CONFIGS = {spec.name: TaskConfig(kind=spec.kind) for spec in SPECS}


def batch_of(*, labelled):
    """Outputs of a student, and the targets of four rows, with a teacher's answers."""
    generator = torch.Generator().manual_seed(1)

    def random(*shape):
        return torch.randn(*shape, generator=generator)

    outputs = {
        "logits": {"single": random(4, 2), "multi": random(4, 2), "number": random(4, 1)},
        "embeddings": random(4, 3),
    }
    labels = {
        "single": torch.tensor([0, 1, 1, 0] if labelled else [MISSING] * 4),
        "multi": torch.ones(4, 2) if labelled else torch.full((4, 2), torch.nan),
        "number": torch.ones(4) if labelled else torch.full((4,), torch.nan),
    }
    answers = {f"teacher/logits/{name}": random(*logits.shape) for name, logits in outputs["logits"].items()}
    return outputs, {**labels, **answers, "teacher/embedding": random(4, 3)}


def loss_of(**changes):
    return DistillationLoss(SPECS, {**CONFIGS, **changes}, {}, taught=SPECS)


def test_without_labels_the_loss_is_what_parts_student_and_teacher():
    outputs, labels = batch_of(labelled=False)
    single, multi, number = (labels[f"teacher/logits/{spec.name}"] for spec in SPECS)
    logits = outputs["logits"]
    expected = (1 - functional.cosine_similarity(outputs["embeddings"], labels["teacher/embedding"])).mean()
    probabilities = (single / 2).softmax(1)
    expected += 4 * (probabilities * (probabilities.log() - (logits["single"] / 2).log_softmax(1))).sum(1).mean()
    yes = (multi / 2).sigmoid()
    own = (logits["multi"] / 2).sigmoid()
    expected += 4 * (yes * (yes / own).log() + (1 - yes) * ((1 - yes) / (1 - own)).log()).mean()
    expected += (logits["number"] - number).square().mean()
    assert torch.allclose(loss_of()(outputs, labels), expected, rtol=1e-4)


def test_labels_count_for_three_tenths():
    outputs, labels = batch_of(labelled=True)
    _, unlabelled = batch_of(labelled=False)
    loss = loss_of()
    plain = {name: target for name, target in labels.items() if "/" not in name}
    hard = loss(outputs, plain)
    assert torch.allclose(loss(outputs, labels), loss(outputs, unlabelled) + 0.3 * hard, rtol=1e-5)


def test_a_step_has_one_loss_however_it_is_divided_into_batches():
    outputs, labels = batch_of(labelled=True)
    labels["single"][1] = MISSING
    loss = loss_of(single=TaskConfig(loss_weight=2.0))
    halves = [
        (
            {
                "logits": {name: rows[part] for name, rows in outputs["logits"].items()},
                "embeddings": outputs["embeddings"][part],
            },
            {name: rows[part] for name, rows in labels.items()},
        )
        for part in (slice(0, 1), slice(1, 4))
    ]
    totals = loss.normalizers([targets for _, targets in halves])
    parts = [loss(out, targets, totals) for out, targets in halves]
    assert torch.allclose(sum(parts), loss(outputs, labels), rtol=1e-5)


def test_a_student_that_agrees_in_all_has_no_loss_left():
    outputs, labels = batch_of(labelled=False)
    same = {f"teacher/logits/{name}": rows for name, rows in outputs["logits"].items()}
    assert loss_of()(outputs, {**labels, **same, "teacher/embedding": outputs["embeddings"]}).abs() < 1e-6


def test_a_killed_distillation_continues_and_writes_the_same_bytes(teacher, transfer_set, student):
    folder = teacher.path.parent
    program = f"""
import os, signal
from pathlib import Path
from mtl_export.checkpoint import load_checkpoint
from mtl_export.compression import transfer_set as transfer_sets
from mtl_export.compression.transfer_set import digest_files, prepare_transfer_set
from mtl_export.training.loop.resume_points import CompletionMark
from tests.export.compression import test_distill as t
on_save = CompletionMark.on_save
def die(self, *a, **k):
    on_save(self, *a, **k)
    os.kill(os.getpid(), signal.SIGKILL)
CompletionMark.on_save = die
teacher = load_checkpoint(Path({str(teacher.path)!r}))
t.make(teacher, prepare_transfer_set(teacher, (), digest_files(teacher, ())), Path({str(folder / "killed")!r}))
"""
    run = subprocess.run([sys.executable, "-c", program], env={**os.environ}, check=False, capture_output=True)
    assert run.returncode == -signal.SIGKILL, run.stderr.decode()
    assert not (folder / "killed").exists()
    resumed = make(teacher, transfer_set, folder / "killed")
    assert bytes_of(resumed.path)["model.safetensors"] == bytes_of(student.path)["model.safetensors"]
    assert dataclasses.replace(resumed.record, made_with={}) == dataclasses.replace(student.record, made_with={})
