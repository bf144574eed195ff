"""The module: padding has no influence, each head has its shape, and an impossible request says what to do."""

import shutil

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertModel

from mtl_export.errors import ConfigError, EncoderError
from mtl_export.model import HeadSpec, MultiTaskModel
from mtl_export.model.encoder import encoder_layers, rebuild_encoder
from mtl_export.training.loop.dataset import LabelledTexts, collate
from mtl_runtime.bundle.manifest import TaskSpec
from mtl_runtime.dataset.examples import Example
from mtl_runtime.errors import InvalidTextError, NonFiniteError
from tests.export.families import FAMILIES, WITH_POOLER
from tests.export.tiny import VOCABULARY, save_encoder, tiny_tokenizer
from tests.runtime.bundle.hub_layout import snapshot_of

TONE = TaskSpec(name="tone", kind="single_label", labels=("negative", "neutral", "positive"))
TAGS = TaskSpec(name="tags", kind="multi_label", labels=("film", "food"), thresholds=(0.5, 0.5))
STARS = TaskSpec(name="stars", kind="regression")
TASKS = (TONE, TAGS, STARS)
TEXTS = ["a good film", "the", "bad soup and awful bread in this one .", "", "plain " * 30]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """``encoders(family)`` is the folder of a tiny encoder: only read it."""
    root = tmp_path_factory.mktemp("encoders")

    def folder(family):
        path = root / family
        return path if path.exists() else save_encoder(path, family)

    return folder


@pytest.fixture
def damaged(encoders, tmp_path):
    """A copy of the bert folder that a test may damage."""
    return shutil.copytree(encoders("bert"), tmp_path / "encoder")


def build(folder, tasks=TASKS, **arguments):
    torch.manual_seed(1)
    return MultiTaskModel.from_encoder(str(folder), tasks, **{"max_length": 40, **arguments}).eval()


@pytest.fixture
def model(encoders):
    return build(encoders("bert"))


def error_of(folder, **arguments):
    with pytest.raises(EncoderError) as caught:
        build(folder, **arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def answers(model, texts):
    """Logits and embedding of each text of one padded batch."""
    with torch.inference_mode():
        output = model(**model.tensors(model.tokenize(texts)))
    return {**output.logits, "embedding": output.sentence_embedding}


POOLINGS = [
    (name, pooling)
    for name, family in FAMILIES.items()
    for pooling in ("mean", "cls", "max", "pooler")
    if (pooling != "pooler" or family.pooler) and (pooling != "cls" or not family.left_to_right)
]


# The positions of these families are counted from the padding tokens themselves.
POSITIONS_BY_TOKEN = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet")


@pytest.mark.parametrize(("family", "pooling"), POOLINGS)
def test_padding_never_changes_an_answer(encoders, family, pooling):
    model = build(encoders(family), pooling=pooling)
    together = answers(model, TEXTS)
    for row, text in enumerate(TEXTS):
        for name, alone in answers(model, [text]).items():
            torch.testing.assert_close(together[name][row], alone[0], atol=1e-5, rtol=1e-5)
    assert (together["embedding"][0] - together["embedding"][2]).abs().max() > 0.01


@pytest.mark.parametrize(("family", "pooling"), [case for case in POOLINGS if case[0] not in POSITIONS_BY_TOKEN])
def test_what_stands_in_the_padding_never_changes_an_answer(encoders, family, pooling):
    model = build(encoders(family), pooling=pooling)
    batch = model.tensors(model.tokenize(TEXTS))
    other = torch.where(batch["attention_mask"] == 1, batch["input_ids"], VOCABULARY.index("superb"))
    assert (other != batch["input_ids"]).any()
    with torch.inference_mode():
        before, after = model(**batch), model(**{**batch, "input_ids": other})
    torch.testing.assert_close(after.sentence_embedding, before.sentence_embedding, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("family", "pooling"), POOLINGS)
def test_a_row_without_any_token_gives_finite_answers_and_disturbs_no_other(encoders, family, pooling):
    model = build(encoders(family), pooling=pooling)
    batch = {"input_ids": torch.tensor([[0, 0, 0], [2, 5, 3]]), "attention_mask": torch.tensor([[0, 0, 0], [1, 1, 1]])}
    with torch.inference_mode():
        both, alone = model(**batch), model(**{name: rows[1:] for name, rows in batch.items()})
    for logits in both.logits.values():
        assert logits.isfinite().all()
    torch.testing.assert_close(both.sentence_embedding[1:], alone.sentence_embedding, atol=1e-5, rtol=1e-5)
    if pooling in ("mean", "max"):
        assert both.sentence_embedding[0].eq(0).all()


def test_a_tokenizer_without_special_tokens_answers_an_empty_text(damaged):
    tokenizer = tiny_tokenizer()
    tokenizer.post_processor = None
    tokenizer.save(str(damaged / "tokenizer.json"))
    for pooling in ("mean", "cls", "max", "pooler"):
        model = build(damaged, pooling=pooling)
        assert model.tokenize([""])[0].ids == ()
        assert np.isfinite(model.encode(["", "a good film"])).all()
        assert np.isfinite(model.encode("")).all()


def test_poolings_are_what_their_names_say(encoders):
    outputs = {}
    for pooling in ("mean", "cls", "max"):
        model = build(encoders("bert"), pooling=pooling)
        outputs[pooling] = answers(model, TEXTS)["embedding"]
    batch = model.tensors(model.tokenize(TEXTS))
    with torch.inference_mode():
        hidden = model.encoder(**batch).last_hidden_state
    for row, count in enumerate(batch["attention_mask"].sum(dim=1).tolist()):
        tokens = hidden[row, :count]
        torch.testing.assert_close(outputs["mean"][row], tokens.mean(dim=0))
        torch.testing.assert_close(outputs["cls"][row], tokens[0])
        torch.testing.assert_close(outputs["max"][row], tokens.amax(dim=0))


def test_pooler_pooling_is_the_encoders_own(encoders):
    model = build(encoders("bert"), pooling="pooler")
    with torch.inference_mode():
        hidden = model.encoder(**model.tensors(model.tokenize(TEXTS))).last_hidden_state[:, 0]
        expected = torch.tanh(model.encoder.pooler.dense(hidden))
    torch.testing.assert_close(answers(model, TEXTS)["embedding"], expected)


@pytest.mark.parametrize("family", WITH_POOLER)
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_a_pooler_that_is_not_used_is_not_built(encoders, family, pooling):
    model = build(encoders(family), pooling=pooling)
    assert getattr(model.encoder, "pooler", None) is None
    assert not any("pooler" in name for name in model.state_dict())


def test_every_weight_of_a_model_is_trained_by_its_losses(encoders):
    for family in FAMILIES:
        model = build(encoders(family))
        output = model(**model.tensors(model.tokenize(TEXTS)))
        sum(logits.square().sum() for logits in output.logits.values()).backward()
        learnt = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        assert [name for name, weight in learnt.items() if weight.grad is None] == [], family


@pytest.mark.parametrize(
    ("kind", "layers"),
    [
        ("linear", {"dropout": nn.Dropout, "output": nn.Linear}),
        ("layernorm", {"norm": nn.LayerNorm, "dropout": nn.Dropout, "output": nn.Linear}),
        ("mlp", {"hidden": nn.Linear, "activation": nn.ReLU, "dropout": nn.Dropout, "output": nn.Linear}),
    ],
)
def test_each_kind_of_head_has_its_layers_and_shapes(encoders, kind, layers):
    model = build(encoders("bert"), heads=HeadSpec(kind=kind, dropout=0.25))
    for task in TASKS:
        head = model.head(task.name)
        assert {name: type(layer) for name, layer in head.named_children()} == layers
        assert head.dropout.p == 0.25
        inside = 16 if kind == "mlp" else 32
        assert head.output.weight.shape == (task.width, inside)
    output = answers(model, TEXTS)
    assert {name: rows.shape for name, rows in output.items()} == {
        "tone": (5, 3),
        "tags": (5, 2),
        "stars": (5, 1),
        "embedding": (5, 32),
    }


def test_heads_are_chosen_by_task_and_are_linear_otherwise(encoders):
    model = build(encoders("bert"), heads={"tags": HeadSpec(kind="mlp")})
    assert {name: head.kind for name, head in model.spec.heads.items()} == {
        "tone": "linear",
        "tags": "mlp",
        "stars": "linear",
    }
    assert isinstance(model.head("tags").hidden, nn.Linear)
    assert not hasattr(model.head("tone"), "hidden")


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_any_number_of_tasks_is_answered_in_the_order_asked(encoders, count):
    names = [f"task{number}" for number in range(count)][::-1]
    tasks = [
        TaskSpec(name=name, kind="single_label", labels=tuple("abcdefghijklm"[: 2 + i])) for i, name in enumerate(names)
    ]
    model = build(encoders("bert"), tasks)
    logits = model.logits(TEXTS)
    assert list(logits) == names
    assert [rows.shape for rows in logits.values()] == [(5, 2 + index) for index in range(count)]
    prediction = model.predict("a good film")
    assert list(prediction) == names
    assert all(prediction[name].label in task.labels for name, task in zip(names, tasks, strict=True))


def test_task_names_that_are_attributes_of_modules_work(encoders):
    names = ["type", "keys", "train", "forward", "items", "encoder", "heads", "logits", "children", "pop", "eval"]
    tasks = [TaskSpec(name=name, kind="single_label", labels=("no", "yes")) for name in names]
    model = build(encoders("bert"), tasks)
    assert list(model.predict("a good film")) == names
    model.train()
    assert model.training
    assert model.head("keys").training


def test_predict_encode_and_logits_agree_and_keep_the_order(model):
    texts = TEXTS * 20
    logits, embeddings, predictions = model.logits(texts), model.encode(texts), model.predict(texts)
    assert embeddings.dtype == logits["tone"].dtype == np.float32
    assert embeddings.shape == (100, 32)
    for index, text in enumerate(texts):
        for task in TASKS:
            assert predictions[index][task.name].logits == tuple(logits[task.name][index].tolist())
            np.testing.assert_allclose(logits[task.name][index], model.logits([text])[task.name][0], atol=1e-5)
        np.testing.assert_allclose(embeddings[index], embeddings[index % 5], atol=1e-5)
    assert predictions[0]["tone"].label == TONE.labels[logits["tone"][0].argmax()]
    assert [prediction.truncated for prediction in predictions[:5]] == [False] * 5
    assert [prediction.tokens for prediction in predictions[:5]] == [5, 3, 11, 2, 32]


def test_a_bare_str_is_one_text(model):
    np.testing.assert_array_equal(model.encode("a good film"), model.encode(["a good film"])[0])
    assert model.predict("a good film") == model.predict(["a good film"])[0]


def test_no_texts_give_no_answers(model):
    assert model.predict([]) == []
    assert model.encode([]).shape == (0, 32)
    assert model.logits([])["tone"].shape == (0, 3)


def test_predict_answers_the_tasks_asked_for_in_their_order(model):
    assert list(model.predict("a good film", tasks=["stars", "tone"])) == ["stars", "tone"]
    with pytest.raises(KeyError, match="mood"):
        model.predict("a good film", tasks=["mood"])


def test_a_text_longer_than_max_length_is_truncated(model):
    prediction = model.predict("good " * 100)
    assert (prediction.tokens, prediction.truncated) == (40, True)


def test_what_is_no_text_is_refused(model):
    with pytest.raises(InvalidTextError, match="text 1: expected a str"):
        model.predict(["a", 5])


def test_an_answer_that_is_not_finite_is_refused(model):
    with torch.no_grad():
        model.head("stars").output.bias.fill_(torch.nan)
    with pytest.raises(NonFiniteError, match="'stars'"):
        model.predict(["a good film"])
    assert model.predict("a good film", tasks=["tone"])["tone"].label in TONE.labels


def test_answering_leaves_the_mode_of_the_model_as_it_was(encoders):
    model = build(encoders("bert"), heads=HeadSpec(dropout=0.5)).train()
    first, second = model.encode(TEXTS), model.encode(TEXTS)
    np.testing.assert_array_equal(first, second)
    assert model.training
    assert model.head("tone").dropout.training


def test_the_same_weights_in_a_rebuilt_model_give_the_same_answers(encoders):
    for family, pooling in (("bert", "mean"), ("roberta", "pooler"), ("deberta-v2", "cls")):
        original = build(encoders(family), pooling=pooling)
        rebuilt = MultiTaskModel.rebuild(original.spec, original.tokenizer)
        rebuilt.load_state_dict(original.state_dict(), strict=True)
        np.testing.assert_array_equal(rebuilt.eval().encode(TEXTS), original.encode(TEXTS))


def optimize(model, steps=2):
    """Take ``steps`` steps; returns the names of the weights that changed."""
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        output = model(**model.tensors(model.tokenize(TEXTS)))
        sum(logits.square().sum() for logits in output.logits.values()).backward()
        optimizer.step()
    return {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}


def test_a_frozen_encoder_keeps_its_weights_and_has_no_dropout_while_training(encoders):
    model = build(encoders("bert"))
    model.freeze_encoder()
    model.train()
    assert model.head("tone").training
    assert not any(module.training for module in model.encoder.modules())
    embeddings = [answers(model, TEXTS)["embedding"] for _ in range(2)]
    torch.testing.assert_close(embeddings[0], embeddings[1], atol=0, rtol=0)
    changed = optimize(model)
    assert changed
    assert all(name.startswith("heads.") for name in changed)


def test_an_encoder_that_is_not_frozen_has_dropout_while_training(encoders):
    model = build(encoders("bert")).train()
    assert not torch.equal(answers(model, TEXTS)["embedding"], answers(model, TEXTS)["embedding"])


def test_a_frozen_head_keeps_its_weights_while_the_others_train(encoders):
    model = build(encoders("bert"))
    model.freeze(model.head("tags"))
    changed = optimize(model)
    assert not any("task_tags" in name for name in changed)
    assert any("task_tone" in name for name in changed)
    assert any(name.startswith("encoder.") for name in changed)


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.freezes_layers])
def test_freezing_the_lowest_layer_trains_the_layers_above_it(encoders, family):
    model = build(encoders(family))
    model.freeze_encoder(lowest=1)
    lowest, *above = encoder_layers(model.encoder)
    names = {id(weight): name for name, weight in model.named_parameters()}
    changed = set(optimize(model))
    for part in (lowest, model.encoder.get_input_embeddings()):
        assert not changed & {names[id(weight)] for weight in part.parameters()}
    assert changed & {names[id(weight)] for layer in above for weight in layer.parameters()}
    assert any(name.startswith("heads.") for name in changed)
    model.train()
    assert not any(module.training for module in lowest.modules())
    assert all(layer.training for layer in above)


@pytest.mark.parametrize(
    ("family", "after_layers", "before_layers"),
    [
        ("modernbert", "final_norm.", "embeddings.norm."),
        ("gpt2", "ln_f.", "wpe."),
        ("qwen3", "norm.", "embed_tokens."),
        ("t5", "final_layer_norm.", "block.0.layer.0.SelfAttention.relative_attention_bias."),
        ("mbart", "layer_norm.", "layernorm_embedding."),
    ],
)
def test_norms_after_the_layers_train_and_parts_before_them_do_not(encoders, family, after_layers, before_layers):
    model = build(encoders(family))
    model.freeze_encoder(lowest=2)
    changed = optimize(model)
    assert [name for name in changed if name.startswith("encoder.")]
    assert all(name.startswith(("heads.", f"encoder.{after_layers}")) for name in changed)
    frozen = [name for name, weight in model.named_parameters() if not weight.requires_grad]
    assert any(name.startswith(f"encoder.{before_layers}") for name in frozen)


def test_all_layers_can_be_frozen_and_not_one_more(encoders):
    model = build(encoders("bert"))
    model.freeze_encoder(lowest=2)
    assert all(name.startswith("heads.") for name in optimize(model))
    with pytest.raises(ConfigError, match=r"training\.freeze_layers is 3; the encoder has 2 layers"):
        build(encoders("bert")).freeze_encoder(lowest=3)


def test_layers_that_share_their_weights_cannot_be_frozen_singly(encoders):
    model = build(encoders("albert"))
    with pytest.raises(EncoderError, match=r"albert has no list of 2 separate layers.*use freeze_encoder"):
        model.freeze_encoder(lowest=1)
    model.freeze_encoder()
    assert all(name.startswith("heads.") for name in optimize(model))


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in WITH_POOLER])
def test_pooler_pooling_is_refused_where_the_family_has_no_pooler(encoders, family):
    message = error_of(encoders(family), pooling="pooler")
    assert message == f"{family} has no pooler of its own; use pooling mean, cls or max"


@pytest.mark.parametrize(
    ("family", "limit"),
    # 80 positions; the RoBERTa-like families count theirs from the one behind the padding token's
    [
        ("bert", 80),
        ("distilbert", 80),
        ("roberta", 79),
        ("xlm-roberta", 79),
        ("camembert", 79),
        ("bart", 80),
        ("gpt2", 80),
        ("llama", 80),
        ("ibert", 79),
        ("nystromformer", 80),
    ],
)
def test_max_length_is_bounded_by_the_positions_of_the_encoder(encoders, family, limit):
    folder = encoders(family)
    model = build(folder, max_length=limit)
    assert model.predict("good " * 100).tokens == limit
    message = error_of(folder, max_length=limit + 1)
    assert message == f"max_length is {limit + 1}, but encoder {str(folder)!r} reads at most {limit} tokens"


@pytest.mark.parametrize("family", ["xlnet", "t5", "funnel"])
def test_relative_positions_have_no_limit(encoders, family):
    model = build(encoders(family), max_length=4096)
    assert model.predict("good " * 500).tokens == 502


@pytest.mark.parametrize("family", FAMILIES)
def test_the_longest_text_that_is_allowed_is_answered(encoders, family):
    folder = encoders(family)
    limit = next(length for length in range(80, 70, -1) if accepts(folder, length))
    assert np.isfinite(build(folder, max_length=limit).encode(["good " * 100])).all()


def accepts(folder, length):
    try:
        build(folder, max_length=length)
    except EncoderError:
        return False
    return True


def test_a_config_that_transformers_refuses_is_an_encoder_error():
    limit = [0.0, {"__float__": "Infinity"}]  # as transformers writes an infinite float, and does not read it
    with pytest.raises(EncoderError, match=r"^the encoder's config cannot be used: .*time_step_limit") as caught:
        rebuild_encoder({"model_type": "mamba2", "time_step_limit": limit}, pooling="mean")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reading", [nn.Parameter(torch.zeros(4, 32)), NotImplementedError("pixels")])
def test_an_encoder_that_reads_no_tokens_says_so(encoders, monkeypatch, reading):
    def get_input_embeddings(_):
        if isinstance(reading, Exception):
            raise reading
        return reading

    monkeypatch.setattr(BertModel, "get_input_embeddings", get_input_embeddings)
    assert error_of(encoders("bert")) == "bert has no table of token embeddings; use an encoder that reads tokens"


def test_an_encoder_in_a_hub_cache_is_loaded_and_named_by_its_repository(encoders, tmp_path):
    snapshot = snapshot_of(encoders("bert"), tmp_path / "hub")
    model, expected = build(snapshot), answers(build(encoders("bert")), TEXTS)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in answers(model, TEXTS).items())
    assert model.spec.encoder.source == "somebody/something"


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    message = error_of(tmp_path / "nowhere")
    assert message == f"encoder folder {tmp_path / 'nowhere'} does not exist; check [encoder] model"


def test_an_encoder_without_safetensors_says_what_is_needed(damaged):
    weights = damaged / "model.safetensors"
    torch.save({}, weights.with_name("pytorch_model.bin"))
    weights.unlink()
    message = error_of(damaged)
    assert str(damaged) in message
    assert "its weights are a pickle, pytorch_model.bin, which is never read; write model.safetensors with" in message
    assert "a folder with config.json, model.safetensors and tokenizer.json" in message


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_file_of_an_encoder_is_an_encoder_error(damaged, name):
    file = damaged / name
    file.write_bytes(file.read_bytes()[: 100 if name == "config.json" else 1000])
    assert str(damaged) in error_of(damaged)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_without_a_tokenizer_is_refused(encoders, tmp_path, family):
    folder = shutil.copytree(encoders(family), tmp_path / "encoder")
    (folder / "tokenizer.json").unlink()
    message = error_of(folder)
    assert "has no tokenizer" in message
    assert "tokenizer.json" in message


def test_a_tokenizer_is_made_of_the_vocabulary_where_there_is_no_tokenizer_json(tmp_path):
    words = [*VOCABULARY, "[MASK]"]
    folder = save_encoder(tmp_path / "encoder", vocab_size=len(words))
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(words), "utf-8")
    model = build(folder)
    assert model.tokenizer.vocabulary_size == len(words)
    good, film = VOCABULARY.index("good"), VOCABULARY.index("film")
    assert model.tokenize(["Good film"])[0].ids == (2, good, film, 3)


def test_a_tokenizer_with_more_tokens_than_the_encoder_embeds_is_refused(damaged):
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["brandnew"])
    tokenizer.save(str(damaged / "tokenizer.json"))
    rows = len(VOCABULARY)
    message = error_of(damaged)
    assert f"gives ids up to {rows}, but the encoder embeds only {rows} tokens; add rows with" in message
    assert f"resize_token_embeddings({rows + 1})" in message


def test_missing_weights_are_named_and_a_missing_pooler_starts_at_random(damaged):
    from safetensors.torch import load_file, save_file

    weights = load_file(damaged / "model.safetensors")
    without_pooler = {name: tensor for name, tensor in weights.items() if "pooler" not in name}
    save_file(without_pooler, damaged / "model.safetensors", metadata={"format": "pt"})
    newly_initialized = build(damaged, pooling="pooler").newly_initialized
    assert sorted(newly_initialized) == ["encoder.pooler.dense.bias", "encoder.pooler.dense.weight"]
    assert build(damaged).newly_initialized == ()
    without_pooler.pop("encoder.layer.1.output.dense.weight")
    save_file(without_pooler, damaged / "model.safetensors", metadata={"format": "pt"})
    assert "lacks the weights encoder.layer.1.output.dense.weight" in error_of(damaged)


def test_padding_and_truncation_of_the_published_tokenizer_are_dropped(model):
    assert [len(text) for text in model.tokenize(TEXTS)] == [5, 3, 11, 2, 32]


def test_token_types_are_an_input_only_where_the_tokenizer_uses_them(model, damaged):
    from tokenizers import processors

    assert model.inputs == ("input_ids", "attention_mask")
    tokenizer = tiny_tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(damaged / "tokenizer.json"))
    typed = build(damaged)
    assert typed.inputs == ("input_ids", "attention_mask", "token_type_ids")
    assert typed.tensors(typed.tokenize(["good film", ""]))["token_type_ids"].tolist() == [[0, 1, 1, 1], [0, 1, 0, 0]]
    assert np.abs(typed.encode("good film") - model.encode("good film")).max() > 1e-3


def test_labelled_texts_keep_tokens_targets_and_sources_together_when_sorted(model):
    examples = [
        Example(text=text, labels=labels, source=source, path="t", line=2)
        for source, (text, labels) in enumerate(
            [("bad soup in the", {"tone": "negative"}), ("film", {"stars": 4.0}), ("good film", {"tags": ("film",)})]
        )
    ]
    rows = LabelledTexts.of(examples, TASKS, model, sort=True)
    assert rows.sources == (1, 2, 0)
    assert [len(tokens) for tokens in rows.tokens] == [3, 4, 6]
    batch = collate(model, [rows[index] for index in range(len(rows))])
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (3, 6)
    labels = batch["labels"]
    assert labels["tone"].tolist() == [-100, -100, 0]
    assert labels["tags"].nan_to_num(nan=-1).tolist() == [[-1, -1], [1, 0], [-1, -1]]
    assert labels["stars"].nan_to_num(nan=-1).tolist() == [4.0, -1, -1]
    plain = LabelledTexts.of(examples, TASKS, model)
    assert plain.sources == (0, 1, 2)


def test_batches_are_padded_with_the_padding_token_of_the_encoder(tmp_path):
    model = build(save_encoder(tmp_path / "encoder", pad_token_id=3))
    batch = model.tensors(model.tokenize(["", "a good film"]))
    assert batch["input_ids"][0].tolist() == [2, 3, 3, 3, 3]
    assert batch["attention_mask"][0].tolist() == [1, 1, 0, 0, 0]


def test_parts_that_frozen_layers_share_are_frozen_with_them(encoders):
    model = build(encoders("deberta-v2"), pooling="mean")
    model.freeze_encoder(lowest=1)
    moving = {name for name, parameter in model.encoder.named_parameters() if parameter.requires_grad}
    assert moving
    assert all(name.startswith("encoder.layer.1.") for name in moving)


def test_heads_for_a_task_that_is_not_there_are_refused(encoders):
    with pytest.raises(ConfigError, match="heads name tasks that do not exist: topci"):
        MultiTaskModel.from_encoder(str(encoders("bert")), TASKS, heads={"topci": HeadSpec()})
