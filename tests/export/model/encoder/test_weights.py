"""Weights are loaded whole and right, or one line says what is missing, odd, or of another format."""

import json
import logging
import os
import shutil
import subprocess
import sys

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification

from mtl_export.errors import EncoderError
from mtl_export.model import MultiTaskModel
from mtl_export.model.encoder import load_encoder
from mtl_runtime.bundle.manifest import TaskSpec
from tests.export.model.encoder.folders import save_sentence_transformer, write_json
from tests.export.tiny import VOCABULARY, save_encoder, tiny_tokenizer
from tests.runtime.bundle.hub_layout import snapshot_of

TONE = TaskSpec(name="tone", kind="single_label", labels=("negative", "positive"))
WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path):
    return save_encoder(tmp_path / "encoder")


@pytest.fixture
def without_pooler(folder):
    return change_weights(folder, lambda weights: {name: w for name, w in weights.items() if "pooler" not in name})


def change_weights(folder, change):
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, metadata={"format": "pt"})
    return folder


def change_config(folder, **values):
    config = json.loads((folder / "config.json").read_text("utf-8"))
    write_json(folder / "config.json", {**config, **values})
    return folder


def error_of(folder, **arguments):
    with pytest.raises(EncoderError) as caught:
        load_encoder(str(folder), **arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(repr(str(folder)), "X")


def warnings_of(caplog, folder, **arguments):
    caplog.clear()
    load_encoder(str(folder), **arguments)
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def assert_same_weights(folder, expected, *, exact=True):
    weights = load_encoder(str(folder)).module.state_dict()
    original = load_encoder(str(expected)).module.state_dict()
    assert weights.keys() == original.keys()
    for name, tensor in weights.items():
        assert tensor.dtype == original[name].dtype
        torch.testing.assert_close(tensor, original[name], rtol=0 if exact else 0.01, atol=0 if exact else 0.01)


def test_a_pooler_at_random_is_said_in_one_warning_line_and_never_frozen(without_pooler, caplog):
    names = "pooler.dense.bias, pooler.dense.weight"
    assert warnings_of(caplog, without_pooler, pooling="pooler") == [
        f"encoder: {names} are not among the weights and start at random"
    ]
    model = MultiTaskModel.from_encoder(str(without_pooler), [TONE], pooling="pooler")
    with pytest.raises(EncoderError, match="encoder has no weights for its pooler, which a frozen encoder would keep"):
        model.freeze_encoder()
    model.freeze_encoder(lowest=1)
    assert all(parameter.requires_grad for parameter in model.encoder.pooler.parameters())


def test_a_pooler_that_no_pooling_uses_is_not_missed(without_pooler, folder, caplog):
    assert warnings_of(caplog, without_pooler, pooling="cls") == []
    MultiTaskModel.from_encoder(str(without_pooler), [TONE], pooling="mean").freeze_encoder()


def test_a_pooler_among_the_weights_is_frozen_with_the_encoder(folder, caplog):
    assert warnings_of(caplog, folder, pooling="pooler") == []
    MultiTaskModel.from_encoder(str(folder), [TONE], pooling="pooler").freeze_encoder()


def test_missing_weights_are_counted_and_the_first_are_named(folder):
    change_config(folder, num_hidden_layers=3)
    message = error_of(folder)
    assert message.startswith("encoder X lacks the weights encoder.layer.2.attention.output.LayerNorm.bias, ")
    assert message.endswith(" and 11 more")


def test_weights_of_layers_that_the_config_does_not_describe_are_named(folder, caplog):
    change_config(folder, num_hidden_layers=1)
    (line,) = warnings_of(caplog, folder)
    assert line.startswith("encoder: config.json describes no place for the weights encoder.layer.1.attention.output.")
    assert line.endswith(" and 11 more; they are left out")


def test_a_weight_of_another_shape_is_named_with_both_shapes(folder):
    name = "encoder.layer.1.output.dense.weight"
    change_weights(folder, lambda weights: {**weights, name: torch.zeros(32, 48)})
    assert error_of(folder) == (
        f"encoder X: 1 weights have other shapes than config.json says, the first is {name} "
        f"with [32, 48] in place of [32, 64]"
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_weights_are_loaded_in_float32(folder, tmp_path, dtype):
    half = shutil.copytree(folder, tmp_path / "half")
    AutoModel.from_pretrained(folder).to(dtype).save_pretrained(half)
    assert load_file(half / WEIGHTS)["embeddings.LayerNorm.weight"].dtype == dtype
    assert_same_weights(half, folder, exact=False)


@pytest.mark.parametrize("head", [AutoModelForSequenceClassification, AutoModelForMaskedLM])
def test_the_encoder_of_a_model_with_a_head_is_loaded_without_the_head(folder, tmp_path, caplog, head):
    whole = shutil.copytree(folder, tmp_path / "whole")
    head.from_pretrained(folder).save_pretrained(whole)
    assert all(name.startswith(("bert.", "cls.", "classifier.")) for name in load_file(whole / WEIGHTS))
    assert warnings_of(caplog, whole) == []
    assert_same_weights(whole, folder)


def test_weights_in_several_files_are_loaded(folder, tmp_path):
    sharded = shutil.copytree(folder, tmp_path / "sharded")
    (sharded / WEIGHTS).unlink()
    AutoModel.from_pretrained(folder).save_pretrained(sharded, max_shard_size="20KB")
    assert len(list(sharded.glob("model-*.safetensors"))) > 1
    assert_same_weights(sharded, folder)


def test_an_adapter_is_refused_with_the_way_out(folder):
    write_json(folder / "adapter_config.json", {"peft_type": "LORA", "base_model_name_or_path": "org/base"})
    for name in (None, "config.json"):  # whether or not the base model's config lies next to it
        if name:
            (folder / name).unlink()
        assert error_of(folder) == (
            "encoder X is a PEFT adapter (adapter_config.json), not an encoder; merge it into its base model with "
            "merge_and_unload() and name the folder that save_pretrained writes"
        )


@pytest.mark.parametrize("method", ["bitsandbytes", "gptq", "awq", "fp8"])
def test_a_quantized_encoder_is_refused_with_the_way_out(folder, method):
    change_config(folder, quantization_config={"quant_method": method, "bits": 4, "load_in_4bit": True})
    assert error_of(folder) == (
        f"encoder X is quantized ({method}); name the repository or folder with its original weights, and let "
        f"mtl export quantize"
    )


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "pytorch_model.bin",
            "its weights are a pickle, pytorch_model.bin, which is never read; write model.safetensors",
        ),
        ("pytorch_model.bin.index.json", "its weights are a pickle, pytorch_model.bin.index.json, which is never read"),
        ("tf_model.h5", "its weights are those of TensorFlow, tf_model.h5; name a folder or repository with"),
        ("onnx/model.onnx", "its weights are in a graph, onnx/model.onnx, which cannot be trained; name a folder"),
        ("checkpoint.json", "it is a checkpoint of mtl train; leave [encoder] out and start from it with --from"),
        ("manifest.json", "it is a bundle, which is not for training; start from its checkpoint with --from"),
    ],
)
def test_a_folder_of_another_format_is_named_for_what_it_is(folder, name, problem):
    (folder / WEIGHTS).unlink()
    write_json(folder / name, {})
    assert problem in error_of(folder)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_size": "wide"},
        {"model_type": "unheard-of"},
        {"num_attention_heads": 5},
        {"pad_token_id": 99_999},
        {"pad_token_id": [0]},
        {"hidden_act": "none-such"},
        {"layer_norm_eps": "small"},
    ],
)
def test_a_config_that_describes_no_encoder_is_one_line(folder, wrong):
    change_config(folder, **wrong)
    assert error_of(folder).startswith("encoder X cannot be loaded: ")


@pytest.mark.parametrize(("stored", "used"), [(None, 0), (-1, 0), (5, 5)])
def test_padding_is_a_token_that_the_encoder_embeds(folder, stored, used):
    change_config(folder, pad_token_id=stored)
    assert load_encoder(str(folder)).spec.pad_id == used


def test_code_of_the_repository_that_would_compute_something_else_is_named(folder, caplog):
    change_config(folder, auto_map={"AutoConfig": "configuration_x.XConfig", "AutoModel": "modeling_x.XModel"})
    assert warnings_of(caplog, folder) == [
        "encoder: its repository's own code (modeling_x.XModel) is never run; "
        "transformers' BertModel is used in its place"
    ]


@pytest.mark.parametrize("name", ["T5EncoderModel", "MT5EncoderModel", "UMT5EncoderModel"])
def test_an_encoder_that_was_published_without_its_decoder_is_loaded(tmp_path, caplog, name):
    model_class = getattr(transformers, name)
    sizes = {"d_model": 32, "num_layers": 2, "num_heads": 4, "d_ff": 64, "d_kv": 8, "vocab_size": len(VOCABULARY)}
    published = model_class(model_class.config_class(**sizes)).eval()
    published.save_pretrained(tmp_path)
    tiny_tokenizer().save(str(tmp_path / "tokenizer.json"))
    assert warnings_of(caplog, tmp_path) == []
    model = MultiTaskModel.from_encoder(str(tmp_path), [TONE], pooling="mean").eval()
    batch = model.tensors(model.tokenize(["a good film"]))
    with torch.inference_mode():
        expected = published(**batch).last_hidden_state[0].mean(0)
    torch.testing.assert_close(torch.from_numpy(model.encode("a good film")), expected)
    rebuilt = MultiTaskModel.rebuild(model.spec, model.tokenizer)
    assert rebuilt.state_dict().keys() == model.state_dict().keys()


def test_two_encoders_in_one_are_refused(tmp_path):
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64}
    text, image = {**sizes, "vocab_size": len(VOCABULARY)}, {**sizes, "image_size": 16, "patch_size": 8}
    model = AutoModel.from_config(AutoConfig.for_model("siglip", text_config=text, vision_config=image))
    model.save_pretrained(tmp_path)
    tiny_tokenizer().save(str(tmp_path / "tokenizer.json"))
    assert error_of(tmp_path) == (
        "siglip is not one encoder of texts with one hidden_size; use one, such as bert, deberta-v2 or modernbert"
    )


def test_a_revision_in_a_hub_id_is_refused_with_the_way_out():
    with pytest.raises(EncoderError) as caught:
        load_encoder("org/encoder@v2")
    assert str(caught.value) == (
        "[encoder] model 'org/encoder@v2' names a revision, which a hub id here cannot; "
        "download it with `hf download org/encoder --revision v2` and name that folder"
    )


LOAD = """
import logging
from mtl_export.model.encoder import load_encoder
logging.basicConfig(level="WARNING", format="%(message)s")
logging.getLogger("mtl_export").setLevel("INFO")
spec = load_encoder("somebody/something").spec
print(spec.source, spec.pooling, spec.max_length)
"""


def load_from_hub(cache):
    """What a process prints that loads the repository from the cache, without a network."""
    repository = cache / "models--somebody--something"
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text("0123456789" * 4)
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    run = subprocess.run([sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip(), [line for line in run.stderr.splitlines() if line.startswith("encoder:")]


def test_a_hub_id_is_read_as_a_folder_is_also_where_the_transformer_has_a_subfolder(tmp_path):
    folder = save_sentence_transformer(
        tmp_path / "folder",
        pooling={"pooling_mode": "cls"},
        settings={"max_seq_length": 24},
        subfolder="0_Transformer",
    )
    snapshot_of(folder, tmp_path / "hub")
    answer, lines = load_from_hub(tmp_path / "hub")
    assert answer == "somebody/something cls 24"
    assert "encoder: bert, pooling cls (published), max_length 24 (published)" in lines


def test_a_repository_whose_modules_were_not_downloaded_says_so_offline(folder, tmp_path):
    snapshot_of(folder, tmp_path / "hub")
    answer, lines = load_from_hub(tmp_path / "hub")
    assert answer == "somebody/something mean 80"
    assert "encoder: modules.json was not downloaded, and cannot be offline: a published pooling is not known" in lines


@pytest.mark.parametrize("name", ["config.json", WEIGHTS, "tokenizer.json"])
def test_a_pointer_of_git_lfs_is_named_for_what_it_is(folder, name):
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "utf-8")
    message = error_of(folder)
    assert f"{name} is a pointer of Git LFS" in message
    assert "`git lfs pull`" in message


def test_a_file_in_place_of_a_folder_is_named(folder):
    with pytest.raises(EncoderError) as caught:
        load_encoder(str(folder / WEIGHTS))
    assert str(caught.value) == f"{folder / WEIGHTS} is a file; name its folder; check [encoder] model"
