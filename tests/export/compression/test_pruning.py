"""Students of many families: which layers, heads and neurons they take from their teacher."""

import itertools
import json

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel

from mtl_export.compression.pruning.fisher import Importance, measure_importance
from mtl_export.compression.pruning.make_student import make_student
from mtl_export.compression.pruning.sensitivity import measure_layers
from mtl_export.compression.pruning.student_shape import StudentShape, TeacherSize
from mtl_export.config import TaskConfig
from mtl_export.errors import EncoderError
from mtl_export.graphs.trace import check_trace
from mtl_export.model import HeadSpec, MultiTaskModel
from mtl_export.model.distillation import DistillationLoss
from mtl_export.model.encoder import encoder_layers
from mtl_export.model.layer_parts import find_layer_parts
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.targets import MISSING
from tests.export.families import FAMILIES
from tests.export.tiny import rows, save_encoder

NARROWED = ("bert", "roberta", "distilbert", "electra", "modernbert", "deberta-v2", "mpnet")
TASKS = (
    TaskSpec(name="sentiment", kind="single_label", labels=("negative", "neutral", "positive")),
    TaskSpec(name="tags", kind="multi_label", labels=("film", "food"), thresholds=(0.5, 0.5)),
    TaskSpec(name="stars", kind="regression"),
)
HEADS = {"sentiment": HeadSpec(kind="linear"), "tags": HeadSpec(kind="layernorm"), "stars": HeadSpec(kind="mlp")}
TEXTS = [row["text"] for row in rows(24, seed=5)]
LAYERS, ATTENTION_HEADS, COLUMNS = 4, 4, 64


def make_teacher(folder, family, *, pooling="mean", **changes):
    width = {"hidden_dim": COLUMNS} if family == "distilbert" else {}
    encoder = save_encoder(folder / "encoder", family, num_hidden_layers=LAYERS, **width, **changes)
    return MultiTaskModel.from_encoder(str(encoder), TASKS, heads=HEADS, pooling=pooling, max_length=40).eval()


def silence(teacher, *, heads=(), neurons=()):
    """Let no layer read the output of these heads and neurons."""
    parts = find_layer_parts(teacher.spec.encoder.family)
    size = 32 // ATTENTION_HEADS
    with torch.no_grad():
        for layer in encoder_layers(teacher.encoder):
            for head in heads:
                parts.of(layer, parts.from_heads).weight[:, head * size : (head + 1) * size] = 0
            for column in neurons:
                parts.of(layer, parts.from_neurons).weight[:, column] = 0


def largest_difference(left, right):
    before, after = left.logits(TEXTS), right.logits(TEXTS)
    return max(np.abs(before[task] - after[task]).max() / np.abs(before[task]).max() for task in before)


def gradients_of(student, teacher):
    """Whether a step of distillation teaches all parts of the student that a text passes."""
    logits, embeddings = teacher.answer_tokens(teacher.tokenize(TEXTS))
    output = student.train()(**student.tensors(student.tokenize(TEXTS)))
    answers = {f"teacher/logits/{name}": torch.from_numpy(rows) for name, rows in logits.items()}
    missing = {
        "sentiment": torch.full((len(TEXTS),), MISSING),
        "tags": torch.full((len(TEXTS), 2), torch.nan),
        "stars": torch.full((len(TEXTS),), torch.nan),
    }
    configs = {task.name: TaskConfig(kind=task.kind) for task in TASKS}
    loss = DistillationLoss(TASKS, configs, {}, taught=TASKS)(
        {"logits": output.logits, "embeddings": output.sentence_embedding},
        {**missing, **answers, "teacher/embedding": torch.from_numpy(embeddings)},
    )
    loss.backward()
    taught = [weight.grad for weight in encoder_layers(student.encoder).parameters() if weight.grad is not None]
    student.eval()
    return torch.isfinite(loss) and taught and all(torch.isfinite(gradient).all() for gradient in taught)


@pytest.mark.parametrize("family", NARROWED)
def test_heads_and_neurons_that_nothing_reads_are_left_out_without_a_change(tmp_path, family):
    teacher = make_teacher(tmp_path, family)
    silence(teacher, heads=(1, 2), neurons=range(5, 37))
    importance = measure_importance(teacher, teacher.tokenize(TEXTS), seed=0)
    assert all(heads[1] == heads[2] == 0 < heads[0] for heads in importance.heads)
    shape = StudentShape(layers=tuple(range(LAYERS)), heads=2, neurons=32)
    student = make_student(teacher, shape, importance)
    assert largest_difference(teacher, student) < 1e-5
    assert sum(weight.numel() for weight in student.encoder.parameters()) < sum(
        weight.numel() for weight in teacher.encoder.parameters()
    )
    assert student.spec.attention_heads == 2
    assert gradients_of(student, teacher)
    check_trace(student)


@pytest.mark.parametrize("family", NARROWED)
def test_a_student_with_fewer_layers_and_neurons_is_an_ordinary_encoder_of_transformers(tmp_path, family):
    teacher = make_teacher(tmp_path, family)
    importance = measure_importance(teacher, teacher.tokenize(TEXTS), seed=0)
    student = make_student(teacher, StudentShape(layers=(0, 2), neurons=24), importance)
    config = json.loads(json.dumps(student.spec.encoder_config))
    encoder = AutoModel.from_config(AutoConfig.for_model(config.pop("model_type"), **config))
    missing, unknown = encoder.load_state_dict(student.encoder.state_dict(), strict=False)
    assert not unknown
    assert all(name.startswith("pooler.") for name in missing)
    assert len(encoder_layers(student.encoder)) == 2
    assert student.spec.attention_heads is None
    check_trace(student)


@pytest.mark.parametrize(
    "family", sorted(set(FAMILIES) - {"albert", "t5gemma", "gemma3_text", "ultrabert", "bart", "mbart"})
)
def test_layers_can_be_left_out_in_every_family_with_separate_layers(tmp_path, family):
    encoder = save_encoder(tmp_path / "encoder", family)
    teacher = MultiTaskModel.from_encoder(str(encoder), TASKS[:1], max_length=40).eval()
    assert TeacherSize.of(teacher).work(StudentShape(layers=(0,))) == pytest.approx(
        1 / len(encoder_layers(teacher.encoder))
    )
    student = make_student(teacher, StudentShape(layers=(0,)))
    assert len(encoder_layers(student.encoder)) == 1
    assert np.isfinite(student.logits(TEXTS)["sentiment"]).all()


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "pooler"])
def test_a_student_keeps_pooling_heads_and_labels(tmp_path, pooling):
    teacher = make_teacher(tmp_path, "bert", pooling=pooling)
    student = make_student(teacher, StudentShape(layers=tuple(range(LAYERS))))
    assert largest_difference(teacher, student) == 0
    assert student.spec.tasks == teacher.spec.tasks
    assert student.spec.heads == teacher.spec.heads


def test_a_family_whose_layers_share_their_weights_has_no_students(tmp_path):
    encoder = save_encoder(tmp_path / "encoder", "albert")
    teacher = MultiTaskModel.from_encoder(str(encoder), TASKS[:1], max_length=40)
    with pytest.raises(EncoderError, match="no list of 2 separate layers, so single layers can be neither frozen"):
        TeacherSize.of(teacher)


def test_layers_that_share_biases_of_their_heads_leave_the_same_heads(tmp_path):
    teacher = make_teacher(tmp_path, "mpnet")
    # Each layer has its own favourite, and head 3 matters most in the sum of those that are left.
    heads = ((9.0, 0.0, 0.0, 5.0), (0.0, 50.0, 0.0, 0.0), (0.0, 0.0, 9.0, 5.0), (0.0, 60.0, 0.0, 0.0))
    importance = Importance(
        tuple(torch.tensor(values, dtype=torch.float64) for values in heads),
        tuple(torch.ones(COLUMNS, dtype=torch.float64) for _ in heads),
    )
    student = make_student(teacher, StudentShape(layers=(0, 2), heads=1), importance)
    biases = [model.encoder.encoder.relative_attention_bias.weight for model in (teacher, student)]
    assert torch.equal(biases[1], biases[0][:, 3:])
    size = 32 // ATTENTION_HEADS
    for mine, theirs in zip((0, 2), encoder_layers(student.encoder), strict=True):
        query = encoder_layers(teacher.encoder)[mine].attention.attn.q.weight
        assert torch.equal(theirs.attention.attn.q.weight, query[3 * size :])
    check_trace(student)


def test_widths_that_are_not_known_cannot_change(tmp_path):
    encoder = save_encoder(tmp_path / "encoder", "convbert")
    teacher = MultiTaskModel.from_encoder(str(encoder), TASKS[:1], max_length=40)
    assert not TeacherSize.of(teacher).widths_known
    with pytest.raises(EncoderError, match="convbert cannot have narrower layers"):
        make_student(teacher, StudentShape(layers=(0,), neurons=32))


def test_of_a_single_layer_whose_widths_are_not_known_nothing_can_be_left_out(tmp_path):
    encoder = save_encoder(tmp_path / "encoder", "convbert", num_hidden_layers=1)
    teacher = MultiTaskModel.from_encoder(str(encoder), TASKS[:1], max_length=40)
    with pytest.raises(EncoderError, match="a single layer, whose parts are not known: nothing can be left out"):
        TeacherSize.of(teacher)


def test_the_work_of_a_student_counts_multiplications_by_weights(tmp_path):
    size = TeacherSize.of(make_teacher(tmp_path, "bert"))
    assert (size.attention, size.feed_forward) == (4 * 32 * 32, 2 * 32 * 64)
    assert size.work(StudentShape(layers=(0, 1, 2, 3))) == 1
    assert size.work(StudentShape(layers=(0, 1))) == 0.5
    assert size.work(StudentShape(layers=(0, 1, 2, 3), heads=2)) == 0.75
    assert size.work(StudentShape(layers=(0, 1), heads=2, neurons=32)) == 0.25


def test_a_layer_that_changes_nothing_is_left_out_first(tmp_path):
    teacher = make_teacher(tmp_path, "modernbert")
    parts, layers = find_layer_parts("modernbert"), encoder_layers(teacher.encoder)
    with torch.no_grad():
        for path in (parts.from_heads, parts.from_neurons):
            parts.of(layers[2], path).weight.zero_()
    steps = measure_layers(teacher, teacher.tokenize(TEXTS))
    assert (steps[0].layer, steps[0].remaining) == (2, (0, 1, 3))
    assert steps[0].loss < 1e-6 < steps[1].loss
    assert [len(step.remaining) for step in steps] == [3, 2, 1]
    assert all(step.remaining[0] == 0 for step in steps)
    assert all(set(after.remaining) < set(before.remaining) for before, after in itertools.pairwise(steps))


def test_equal_seeds_give_equal_importance_and_the_teacher_stays_as_it_is(tmp_path):
    teacher = make_teacher(tmp_path, "bert")
    before = {name: weight.clone() for name, weight in teacher.state_dict().items()}
    first, second, other = (measure_importance(teacher, teacher.tokenize(TEXTS), seed=seed) for seed in (3, 3, 4))
    assert all(torch.equal(*pair) for pair in zip(first.neurons, second.neurons, strict=True))
    assert not all(torch.equal(*pair) for pair in zip(first.neurons, other.neurons, strict=True))
    assert all(torch.equal(before[name], weight) for name, weight in teacher.state_dict().items())
    assert all(weight.requires_grad and weight.grad is None for weight in teacher.parameters())
