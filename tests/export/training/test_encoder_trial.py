"""What is tried before the first step: an encoder that would fail later fails there, in a line that names the cause."""

import copy

import pytest
import torch

from mtl_export.config import Config
from mtl_export.errors import EncoderError
from mtl_export.model import MultiTaskModel
from mtl_export.model.encoder import padding_mask
from mtl_export.training import encoder_trial, train
from mtl_export.training.encoder_trial import try_encoder
from mtl_runtime.bundle.manifest import TaskSpec
from tests.export.families import REFUSED
from tests.export.tiny import CONFIG, project, save_encoder

TASKS = (TaskSpec(name="tone", kind="single_label", labels=("bad", "good")),)
INSTEAD = "; use a family of docs/encoders.md, such as bert, deberta-v2 or modernbert"


def build(folder, family="bert", *, pooling="mean", **changes):
    source = str(save_encoder(folder / "encoder", family, **changes))
    return MultiTaskModel.from_encoder(source, TASKS, pooling=pooling, max_length=40)


def refusal_of(model):
    with pytest.raises(EncoderError) as caught:
        try_encoder(model)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("family", REFUSED)
def test_a_family_that_cannot_be_served_is_refused_before_the_first_step(tmp_path, family):
    folder = project(tmp_path, family=family, train=32)
    with pytest.raises(EncoderError) as caught:
        train(Config.from_dict(CONFIG, folder=folder), folder / "checkpoint")
    message = str(caught.value)
    assert message.startswith(f"{family} cannot be served: ")
    assert message.endswith(INSTEAD)
    assert "\n" not in message
    assert not (folder / "checkpoint.run").exists()


@pytest.mark.parametrize("family", ["fnet", "funnel", "nystromformer", "yoso"])
def test_an_unknown_family_that_reads_padding_is_refused_by_what_it_does(tmp_path, monkeypatch, family):
    monkeypatch.setattr(encoder_trial, "WHY_REFUSED", {})
    message = refusal_of(build(tmp_path, family))
    assert message.startswith(f"{family} reads padding, so that answers would depend on the batch: the embedding of")
    assert message.endswith(INSTEAD)


def test_a_checkpoint_to_start_from_is_tried_too(tmp_path, monkeypatch):
    folder = project(tmp_path, family="convbert", train=32)
    config = Config.from_dict({**CONFIG, "training": {**CONFIG["training"], "epochs": 1}}, folder=folder)
    train(config, folder / "first")
    monkeypatch.setattr(padding_mask, "_HOOKS", {})
    with pytest.raises(EncoderError, match="convbert reads padding"):
        train(
            Config.from_dict({**CONFIG, "tasks": {"topic": {"head": "mlp"}}}, folder=folder),
            folder / "second",
            base=folder / "first",
        )
    assert not (folder / "second.run").exists()


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3"])
def test_the_first_token_of_a_decoder_is_refused_as_pooling(tmp_path, family):
    message = refusal_of(build(tmp_path, family, pooling="cls"))
    assert message == (
        f"{family} reads from left to right, so that the first token sees nothing of the text; "
        f"use pooling mean in place of cls"
    )


def test_weights_that_share_memory_are_named(tmp_path):
    model = build(tmp_path)
    model.encoder.output = torch.nn.Linear(32, 45)
    model.encoder.output.weight = model.encoder.embeddings.word_embeddings.weight
    message = refusal_of(model)
    assert message == (
        "bert has weights that share memory and so cannot be saved (encoder.embeddings.word_embeddings.weight, "
        "encoder.output.weight)" + INSTEAD
    )


def test_weights_that_are_not_finite_are_said_to_be_there_before_training(tmp_path):
    model = build(tmp_path)
    with torch.no_grad():
        model.encoder.encoder.layer[1].output.dense.bias.fill_(torch.nan)
    assert refusal_of(model) == "bert gives embeddings that are not finite, before any training" + INSTEAD


def test_an_encoder_that_fails_on_long_texts_alone_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(encoder_trial, "TESTED_FAMILIES", frozenset())
    model = build(tmp_path)
    model.encoder.embeddings.position_embeddings = torch.nn.Embedding(30, 32)
    assert "bert cannot read a text of 40 tokens (" in refusal_of(model)


def test_an_encoder_without_gradients_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(encoder_trial, "TESTED_FAMILIES", frozenset())
    model = build(tmp_path)
    model.encoder.register_forward_hook(lambda module, _, output: fails_in_training(module, output))
    assert "bert cannot be trained (no gradient of this)" in refusal_of(model)


def fails_in_training(module, output):
    if module.training:
        raise RuntimeError("no gradient of this\nand more")
    return output


def test_an_unknown_family_is_traced_with_few_layers_and_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(encoder_trial, "TESTED_FAMILIES", frozenset())
    traced = []
    monkeypatch.setattr(encoder_trial, "check_trace", traced.append)
    model = build(tmp_path, "ibert", num_hidden_layers=3)  # training changes its buffers
    model.train()
    before, random_state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    try_encoder(model)
    assert [shallow.encoder.config.num_hidden_layers for shallow in traced] == [2]
    assert model.training
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())


def test_a_trace_that_gives_other_answers_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(encoder_trial, "TESTED_FAMILIES", frozenset())
    model = build(tmp_path, num_hidden_layers=1)
    original, calls = MultiTaskModel.forward, []

    def forward(self, *arguments, **named):
        calls.append(1)
        output = original(self, *arguments, **named)
        return output._replace(sentence_embedding=output.sentence_embedding + len(calls))

    monkeypatch.setattr(MultiTaskModel, "forward", forward)
    monkeypatch.setattr(encoder_trial, "_check_padding", lambda _: None)
    assert refusal_of(model) == (
        "bert cannot be exported (a graph of bert gives other answers than the encoder at shapes that were not traced)"
        + INSTEAD
    )
