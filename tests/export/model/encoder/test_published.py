"""What sentence-transformers publishes with an encoder is taken, or a line says what is not."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch

from mtl_export.config import Config
from mtl_export.errors import ConfigError, EncoderError
from mtl_export.model import MultiTaskModel
from mtl_export.model.encoder import load_encoder
from mtl_export.training import train
from mtl_runtime.bundle.manifest import TaskSpec
from tests.export.model.encoder.folders import save_sentence_transformer, write_json
from tests.export.tiny import CONFIG, VOCABULARY, project, save_encoder

TONE = TaskSpec(name="tone", kind="single_label", labels=("negative", "positive"))
MEAN, CLS = {"pooling_mode_mean_tokens": True}, {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
DENSE = ("Dense", {"in_features": 32, "out_features": 16, "activation_function": "torch.nn.modules.activation.Tanh"})


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "encoder"


def lines_of(caplog, folder, **arguments):
    """What is logged while the encoder is loaded, without the lines about its tokenizer."""
    caplog.clear()
    with caplog.at_level(logging.INFO, "mtl_export"):
        load_encoder(str(folder), **arguments)
    return [line for line in caplog.messages if "tokenizer" not in line]


def error_of(folder, **arguments):
    with pytest.raises(EncoderError) as caught:
        load_encoder(str(folder), **arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(repr(str(folder)), "X")


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        (CLS, "cls"),
        (MEAN, "mean"),
        ({"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": False}, "max"),
        ({"word_embedding_dimension": 32}, "mean"),
        ({"pooling_mode": "cls", "embedding_dimension": 32}, "cls"),
        ({"pooling_mode": ["max"], "embedding_dimension": 32}, "max"),
        ({"pooling_mode": "cls", "pooling_mode_mean_tokens": True}, "cls"),
    ],
)
def test_the_published_pooling_is_taken(folder, pooling, expected):
    save_sentence_transformer(folder, pooling=pooling)
    model = MultiTaskModel.from_encoder(str(folder), [TONE]).eval()
    assert model.spec.encoder.pooling == expected
    batch = model.tensors(model.tokenize(["a good film"]))
    with torch.inference_mode():
        tokens = model.encoder(**batch).last_hidden_state[0]
    pooled = {"cls": tokens[0], "mean": tokens.mean(0), "max": tokens.amax(0)}[expected]
    np.testing.assert_allclose(model.encode("a good film"), pooled.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "tokenizer", "expected"),
    [
        ({"max_seq_length": 24}, None, 24),
        ({"max_seq_length": 24}, {"model_max_length": 60}, 24),
        ({"max_seq_length": None}, {"model_max_length": 60}, 60),
        ({"transformer_task": "feature-extraction"}, {"model_max_length": 60}, 60),
        ({"processor_kwargs": {"model_max_length": 20}}, {"model_max_length": 60}, 20),
        ({"max_seq_length": 512}, None, 80),
        ({}, {"model_max_length": int(1e30)}, 80),
        (None, None, 80),
    ],
)
def test_the_published_length_is_taken_as_far_as_the_encoder_reads(folder, settings, tokenizer, expected):
    save_sentence_transformer(folder, pooling=MEAN, settings=settings)
    if tokenizer:
        write_json(folder / "tokenizer_config.json", {**tokenizer, "tokenizer_class": "PreTrainedTokenizerFast"})
    encoder = load_encoder(str(folder))
    assert encoder.spec.max_length == expected
    assert len(encoder.tokenizer.encode(["good " * 200])[0]) == expected


@pytest.mark.parametrize(("positions", "expected"), [(80, 80), (512, 128)])
def test_without_a_published_pooling_and_length_the_mean_of_128_tokens_is_taken(folder, caplog, positions, expected):
    save_encoder(folder, max_position_embeddings=positions)
    spec = load_encoder(str(folder)).spec
    assert (spec.pooling, spec.max_length) == ("mean", expected)
    assert lines_of(caplog, folder) == [f"encoder: bert, pooling mean (default), max_length {expected} (default)"]


def test_a_length_in_the_tokenizer_of_a_plain_encoder_changes_nothing(folder):
    save_encoder(folder, max_position_embeddings=512)
    write_json(
        folder / "tokenizer_config.json", {"model_max_length": 512, "tokenizer_class": "PreTrainedTokenizerFast"}
    )
    assert load_encoder(str(folder)).spec.max_length == 128


def test_one_line_says_where_pooling_and_length_are_from_and_the_config_wins(folder, caplog):
    save_sentence_transformer(folder, pooling=CLS, settings={"max_seq_length": 24})
    assert lines_of(caplog, folder) == ["encoder: bert, pooling cls (published), max_length 24 (published)"]
    assert lines_of(caplog, folder, pooling="mean", max_length=32) == [
        "encoder: bert, pooling mean (config; published: cls), max_length 32 (config; published: 24)"
    ]
    assert lines_of(caplog, folder, pooling="cls", max_length=24) == [
        "encoder: bert, pooling cls (config), max_length 24 (config)"
    ]


def test_a_published_length_that_the_encoder_cannot_read_is_named(folder, caplog):
    save_sentence_transformer(folder, pooling=CLS, settings={"max_seq_length": 512})
    assert lines_of(caplog, folder) == [
        "encoder: bert, pooling cls (published), max_length 80 (published: 512, of which the encoder reads 80)"
    ]


@pytest.mark.parametrize(
    ("pooling", "name"),
    [
        ({"pooling_mode_weightedmean_tokens": True}, "weightedmean"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "mean_sqrt_len_tokens"),
        ({"pooling_mode_lasttoken": True}, "lasttoken"),
        ({**MEAN, "pooling_mode_cls_token": True}, "cls + mean"),
        ({"pooling_mode": ["mean", "max"]}, "mean + max"),
        ({"pooling_mode": "attention"}, "attention"),
    ],
)
def test_a_pooling_that_does_not_exist_here_is_refused_with_the_way_out(folder, caplog, pooling, name):
    save_sentence_transformer(folder, pooling=pooling, settings={"max_seq_length": 24})
    assert error_of(folder) == (
        f"encoder X is published with the pooling {name}, which mtl-export does not have; "
        f"set [encoder] pooling to mean, cls or max"
    )
    assert lines_of(caplog, folder, pooling="mean") == [
        f"encoder: bert, pooling mean (config; published: {name}), max_length 24 (published)"
    ]


def test_a_dense_module_is_refused_with_the_way_out_and_left_out_where_the_config_names_a_pooling(folder, caplog):
    save_sentence_transformer(folder, pooling=CLS, after=(DENSE, ("Normalize", {})))
    assert error_of(folder) == (
        "encoder X is published with Dense (32 -> 16, Tanh) after its transformer, which mtl-export does not apply; "
        "to train heads without it, set [encoder] pooling = 'cls'"
    )
    assert lines_of(caplog, folder, pooling="cls")[1:] == [
        "encoder: Dense (32 -> 16, Tanh) and Normalize are left out; heads read the pooled vectors"
    ]
    assert load_encoder(str(folder), pooling="cls").spec.hidden_size == 32


def test_normalize_is_left_out_in_one_line_and_dropout_in_none(folder, caplog):
    save_sentence_transformer(folder, pooling=CLS, after=(("Dropout", {"dropout": 0.1}), ("Normalize", {})))
    assert lines_of(caplog, folder)[1:] == ["encoder: Normalize is left out; heads read the pooled vectors"]


def test_modules_in_front_of_the_pooling_are_refused_as_those_behind_it(folder):
    save_sentence_transformer(folder, pooling=None, after=(("CNN", {"out_channels": 8}), ("Pooling", MEAN)))
    assert "is published with CNN after its transformer" in error_of(folder)


@pytest.mark.parametrize(
    ("prompts", "line"),
    [
        ({"prompts": {"query": "", "document": ""}, "default_prompt_name": None}, None),
        (
            {"prompts": {"query": "query: ", "passage": "passage: "}},
            "encoder: prompts are not added to texts (query 'query: ', passage 'passage: '); "
            "write one into the texts of training and prediction alike, or into none",
        ),
        (
            {"prompts": {name: name for name in "abcde"}},
            "encoder: prompts are not added to texts (a 'a', b 'b', c 'c', 2 more); "
            "write one into the texts of training and prediction alike, or into none",
        ),
        (
            {"prompts": {"query": "query: ", "passage": "p"}, "default_prompt_name": "query"},
            "encoder: sentence-transformers starts every text with 'query: ', mtl-export does not; "
            "write it into the texts of training and prediction alike, or into none",
        ),
        ({"prompts": ["query: "]}, None),
        ({"prompts": {"query": ["query: "], "passage": None}}, None),
    ],
)
def test_prompts_are_reported_in_one_line(folder, caplog, prompts, line):
    save_sentence_transformer(folder, pooling=CLS, prompts=prompts)
    assert lines_of(caplog, folder)[1:] == ([line] if line else [])


def test_a_transformer_in_a_subfolder_is_found_with_its_tokenizer_and_its_length(folder):
    save_sentence_transformer(folder, pooling=CLS, settings={"max_seq_length": 24}, subfolder="0_Transformer")
    encoder, plain = load_encoder(str(folder)), load_encoder(str(folder / "0_Transformer"), pooling="cls")
    assert (encoder.spec.pooling, encoder.spec.max_length, encoder.spec.source) == ("cls", 24, "encoder")
    weights = plain.module.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in encoder.module.state_dict().items())
    assert encoder.tokenizer.encode(["Good film"]) == plain.tokenizer.encode(["Good film"])


def test_do_lower_case_lowercases_texts_where_the_tokenizer_does_not(folder, caplog):
    save_sentence_transformer(folder, pooling=MEAN, settings={"max_seq_length": 24, "do_lower_case": True})
    lowercase = load_encoder(str(folder)).tokenizer
    assert "lowercased" not in caplog.text
    file = folder / "tokenizer.json"
    file.write_text(file.read_text("utf-8").replace('"type": "Lowercase"', '"type": "NFC"'), "utf-8")
    with caplog.at_level(logging.INFO, "mtl_export"):
        encoder = load_encoder(str(folder))
    assert "encoder: texts are lowercased (do_lower_case of sentence-transformers)" in caplog.messages
    assert encoder.tokenizer.encode(["Good FILM"]) == lowercase.encode(["good film"])
    assert encoder.tokenizer.encode(["Good FILM"])[0].ids == (2, VOCABULARY.index("good"), VOCABULARY.index("film"), 3)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 24, "do_lower_case": False})
    assert load_encoder(str(folder)).tokenizer.encode(["Good FILM"])[0].ids == (2, 1, 1, 3)


@pytest.mark.parametrize("module", ["StaticEmbedding", "WordEmbeddings", "BoW", "CLIPModel", "Router", "Asym"])
def test_a_folder_that_does_not_start_with_a_transformer_is_refused(folder, module):
    save_sentence_transformer(folder, pooling=CLS)
    write_json(folder / "modules.json", [{"path": "", "type": f"sentence_transformers.models.{module}"}])
    assert error_of(folder) == (
        f"encoder X starts with a module {module}, not with a transformer (modules.json); "
        "name the folder or repository of one transformer encoder"
    )


def test_a_module_of_the_repositorys_own_code_is_named(folder, caplog):
    save_sentence_transformer(folder, pooling=CLS)
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    modules[0]["type"] = "custom_st.Transformer"
    write_json(folder / "modules.json", modules)
    line = "encoder: its repository's own code (custom_st.Transformer in modules.json) is never run"
    assert lines_of(caplog, folder)[0] == line


@pytest.mark.parametrize(
    ("modules", "problem"),
    [
        ("[{", "modules.json: not valid JSON"),
        ("{}", "modules.json holds no list of modules"),
        ("[]", "modules.json holds no list of modules"),
        ("[5]", "a module in modules.json has no type or no path"),
        ('[{"path": "../../x", "type": "a.Transformer"}]', "modules.json names '../../x', which lies outside"),
        ('[{"path": "/x", "type": "a.Transformer"}]', "modules.json names '/x', which lies outside"),
    ],
)
def test_a_damaged_list_of_modules_is_one_line(folder, modules, problem):
    save_encoder(folder)
    (folder / "modules.json").write_text(modules, "utf-8")
    assert problem in error_of(folder)


def test_a_pooling_module_that_cannot_be_read_leaves_the_choice_to_the_config(folder):
    save_sentence_transformer(folder, pooling=CLS)
    shutil.rmtree(folder / "1_Pooling")
    assert "published with the pooling unknown" in error_of(folder)
    assert load_encoder(str(folder), pooling="cls").spec.pooling == "cls"
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text("[1]", "utf-8")
    assert "1_Pooling/config.json holds no table of keys" in error_of(folder)


def test_a_config_without_pooling_and_length_trains_with_the_published_ones(tmp_path):
    folder = project(tmp_path, train=64)
    shutil.rmtree(folder / "encoder")
    save_sentence_transformer(folder / "encoder", pooling=CLS, settings={"max_seq_length": 24})
    training = {**CONFIG["training"], "epochs": 1, "freeze_encoder": True}
    config = Config.from_dict({**CONFIG, "encoder": {"model": "encoder"}, "training": training}, folder=folder)
    assert (config.encoder.pooling, config.encoder.max_length) == ("auto", "auto")
    checkpoint = train(config, folder / "checkpoint")
    spec = checkpoint.record.model.encoder
    assert (spec.pooling, spec.max_length) == ("cls", 24)
    # A config that leaves both open contradicts no checkpoint; one that names another pooling does.
    same = train(config, folder / "tuned", base=folder / "checkpoint")
    assert same.record.model.encoder == spec
    other = Config.from_dict({**CONFIG, "encoder": {"model": "encoder", "pooling": "mean"}}, folder=folder)
    with pytest.raises(ConfigError, match="the checkpoint has pooling 'cls' and max_length 24, which cannot change"):
        train(other, folder / "other", base=folder / "checkpoint")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ({"method": "forward", "method_output_name": "pooler_output"}, "pooler_output"),
        ({"method": "get_text_features", "method_output_name": None}, "get_text_features"),
    ],
)
def test_an_output_that_the_transformer_takes_in_place_of_its_tokens_is_a_pooling(folder, text, name):
    save_sentence_transformer(folder, pooling=None, settings={"modality_config": {"text": text}})
    assert f"is published with the pooling {name}, which mtl-export does not have" in error_of(folder)
    plain = {"method": "forward", "method_output_name": "last_hidden_state"}
    save_sentence_transformer(folder, pooling=CLS, settings={"modality_config": {"text": plain}})
    assert load_encoder(str(folder)).spec.pooling == "cls"


def test_arguments_that_change_config_or_tokenizer_are_named(folder, caplog):
    settings = {"tokenizer_args": {"do_lower_case": True, "model_max_length": 24}, "config_args": {"is_decoder": True}}
    save_sentence_transformer(folder, pooling=CLS, settings=settings)
    caplog.clear()
    load_encoder(str(folder))
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "encoder: sentence-transformers loads it with is_decoder of config_args, which is not done here",
        "encoder: sentence-transformers loads it with do_lower_case of tokenizer_args, which is not done here",
    ]


def test_a_transformer_whose_folder_is_not_there_is_named(folder):
    save_sentence_transformer(folder, pooling=CLS)
    write_json(folder / "modules.json", [{"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"}])
    assert error_of(folder) == "encoder X: modules.json names the folder '0_Transformer', which is not there"
