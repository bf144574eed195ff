"""A student's bundle says what it loses compared with its teacher, and is otherwise a bundle like any other."""

import json

import pytest
from click.testing import CliRunner

import mtl_runtime
from mtl_export.bundling.export_bundle import export_bundle
from mtl_export.bundling.golden_texts import EDGE_TEXTS
from mtl_export.checkpoint import StudentOrigin, load_checkpoint, weights_digest
from mtl_export.compression.distill import Distillation, distill
from mtl_export.compression.pruning.fisher import measure_importance
from mtl_export.compression.pruning.make_student import make_student
from mtl_export.compression.pruning.student_shape import StudentShape
from mtl_export.compression.transfer_set import digest_files, prepare_transfer_set
from mtl_export.errors import CheckpointError
from mtl_runtime.bundle.gate_config import GateConfig
from mtl_runtime.cli.app import main
from mtl_runtime.core import records
from mtl_runtime.evidence.schema import Evidence
from tests.export.compression.tiny_teacher import train_teacher
from tests.export.tiny import rows


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return train_teacher(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def student(teacher):
    transfer_set = prepare_transfer_set(teacher, (), digest_files(teacher, ()))
    shape = StudentShape(layers=(0, 3), heads=2, neurons=32)
    importance = measure_importance(teacher.model, teacher.model.tokenize(["a film", "good soup"]), seed=0)
    origin = StudentOrigin(
        teacher=weights_digest(teacher),
        layers=shape.layers,
        teacher_layers=4,
        heads=2,
        neurons=32,
        teacher_validation=teacher.record.training.validation,
    )
    distillation = Distillation(
        origin=origin, base=origin.teacher, epochs=1, precision="fp32", seed=0, gate=GateConfig()
    )
    narrow = make_student(teacher.model, shape, importance)
    return distill(narrow, distillation, transfer_set, teacher.path.with_name("student"))


@pytest.fixture(scope="module")
def exported(teacher, student):
    variants = ["cpu-fp32", "cpu-int8"]
    return export_bundle(student.path, student.path.with_name("bundle"), variants=variants, reference=teacher.path)


def test_the_evidence_compares_each_variant_with_the_teacher(teacher, student, exported):
    assert exported.evidence.teacher == weights_digest(teacher)
    assert set(exported.evidence.variants) == {"cpu-fp32", "cpu-int8"}
    for measured in exported.evidence.variants.values():
        assert set(measured.teacher) == {"sentiment", "tags", "stars"}
        compared = measured.teacher["sentiment"]
        assert compared.answers.sentences == 32 < measured.tasks["sentiment"].sentences == 32 + len(EDGE_TEXTS)
        of_teacher = teacher.record.training.validation["sentiment"].values
        assert compared.answers.reference_metrics == pytest.approx(of_teacher)
        assert set(compared.changes) == {"accuracy", "macro_f1"}
        assert compared.budget == 0.5
        assert compared.outcome != "certain"  # 32 sentences cannot show it
        assert set(measured.teacher["stars"].changes) == {"mse", "mae", "pearson"}
    # Compared with PyTorch, the student's own graph is exact.
    assert exported.evidence.variants["cpu-fp32"].tasks["sentiment"].flips == 0
    page = exported.page.read_text("utf-8")
    assert "What is lost compared with the teacher?" in page
    assert weights_digest(teacher) in page
    assert records.from_json(Evidence, exported.page.with_suffix(".json").read_bytes()) == exported.evidence


def test_a_students_bundle_is_an_ordinary_bundle_that_names_its_teacher(teacher, student, exported):
    texts = [row["text"] for row in rows(20, seed=4)]
    answers, expected = (
        mtl_runtime.load(exported.bundle.path, variant="cpu-fp32").logits(texts),
        student.model.logits(texts),
    )
    assert all(abs(answers[task] - expected[task]).max() < 1e-4 for task in expected)
    summary = exported.bundle.manifest.distillation
    assert summary.teacher == weights_digest(teacher)
    assert summary.method.startswith("2 of 4 layers (0, 3), 2 heads each, 32 feed-forward neurons each; distilled with")
    card = (exported.bundle.path / "MODEL_CARD.md").read_text("utf-8")
    assert f"From the weights with SHA-256 `{summary.teacher}`: 2 of 4 layers (0, 3), 2 heads each" in card
    measured = student.record.training.validation["sentiment"].values["accuracy"]
    before = teacher.record.training.validation["sentiment"].values["accuracy"]
    assert summary.changes["sentiment"]["accuracy"] == pytest.approx(measured - before)
    assert "distillation" not in json.loads((export_bundle_of(teacher) / "manifest.json").read_text("utf-8"))


def export_bundle_of(checkpoint):
    return export_bundle(checkpoint.path, checkpoint.path.with_name("own"), variants=["cpu-fp32"]).bundle.path


def test_the_command_prints_what_is_lost(teacher, student, tmp_path):
    command = ["export", str(student.path), "-o", str(tmp_path / "b"), "--variants", "cpu-fp32"]
    result = CliRunner().invoke(main, [*command, "--reference", str(teacher.path)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "Compared with the teacher" in result.output
    assert "0.5 points" in result.output
    shown = CliRunner().invoke(main, ["inspect", str(tmp_path / "b")], catch_exceptions=False)
    assert "2 of 4 layers (0, 3), 2 heads each" in shown.output
    assert "Compared with the teacher" in shown.output


def test_a_reference_with_other_tasks_is_an_error(student, tmp_path):
    other = train_teacher(tmp_path, layers=1, tasks={"topic": {}})
    with pytest.raises(CheckpointError, match="task sentiment does not exist there; name the checkpoint that it was"):
        export_bundle(student.path, tmp_path / "b", variants=["cpu-fp32"], reference=other.path)
    with pytest.raises(CheckpointError, match="is not a folder"):
        export_bundle(student.path, tmp_path / "b", variants=["cpu-fp32"], reference=tmp_path / "nowhere")


def test_a_student_can_be_the_teacher_of_another(student):
    loaded = load_checkpoint(student.path)
    smaller = make_student(loaded.model, StudentShape(layers=(0,)))
    assert smaller.spec.attention_heads == 2
