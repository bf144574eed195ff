"""Private interfaces of torch and transformers: the installed versions have what mtl_export.upstream relies on."""

import inspect
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoConfig,
    AutoModel,
    BertConfig,
    FunnelConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Trainer,
    masking_utils,
    trainer_utils,
)
from transformers.utils import hub

from mtl_export import upstream
from mtl_export.errors import IncompatiblePackageError
from mtl_export.training.loop.trainer import MultiTaskTrainer
from tests.export.families import FAMILIES
from tests.export.tiny import save_encoder

CONSEQUENCES = {
    "check_overrides": "MultiTaskTrainer overrides a method that the Trainer no longer calls",
    "RESUME_POINT_PREFIX": "resume points are looked for in the wrong folders",
    "encoder_class": "poolers that no pooling uses would be trained and exported",
    "find_file": "an encoder without tokenizer.json would be refused, or any error taken for a missing file",
    "is_failed_write": "a full disk ends training in a traceback",
    "is_bidirectional": "fused attention cannot recognize plain padding masks",
    "visible_pairs": "fused attention has no mask for sliding windows",
    "scope_path": "nodes of the graph lose the names of their modules",
}


def changed(entry):
    """What to say where an interface is gone."""
    installed = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    return f"{CONSEQUENCES[entry]}: adapt mtl_export/upstream.py, {entry}, to {installed}"


@pytest.mark.parametrize("override", upstream.TRAINER_OVERRIDES, ids=lambda override: override.name)
def test_the_trainer_has_and_calls_each_method_that_ours_overrides(override):
    upstream.check_overrides(Trainer, [override])
    source = inspect.getsource(Trainer).replace(f"def {override.name}", "")
    assert f"self.{override.name}" in source, changed("check_overrides")
    ours = vars(MultiTaskTrainer)[override.name]
    assert tuple(inspect.signature(ours).parameters)[1:] == override.parameters


def test_every_private_method_that_our_trainer_overrides_is_declared():
    inherited = {name for owner in Trainer.__mro__ for name in vars(owner) if name.startswith("_")}
    dunder = {name for name in inherited if name.startswith("__")}
    overridden = (vars(MultiTaskTrainer).keys() & inherited) - dunder
    assert overridden == {override.name for override in upstream.TRAINER_OVERRIDES}


class _Renamed:
    def _get_sampler(self, train_dataset):
        """What was once ``_get_train_sampler``."""


class _Extended:
    def _get_train_sampler(self, train_dataset, epoch):
        """The same with one more parameter."""


@pytest.mark.parametrize("owner", [_Renamed, _Extended])
def test_a_method_that_was_renamed_or_takes_other_parameters_is_an_error_that_names_a_version(owner):
    override = upstream.Override(name="_get_train_sampler", parameters=("train_dataset",), seen_in="transformers 5.23")
    with pytest.raises(IncompatiblePackageError) as caught:
        upstream.check_overrides(owner, [override])
    assert str(caught.value).endswith(
        f"has no {owner.__name__}._get_train_sampler(train_dataset), which mtl-export overrides; "
        "install transformers 5.23"
    )


def test_the_trainer_names_the_folder_of_a_state_by_its_step():
    assert f"{trainer_utils.PREFIX_CHECKPOINT_DIR}-" == upstream.RESUME_POINT_PREFIX, changed("RESUME_POINT_PREFIX")
    saving = inspect.getsource(Trainer._save_checkpoint)
    assert 'f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"' in saving, changed("RESUME_POINT_PREFIX")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_class_of_a_config_is_the_one_that_automodel_builds(tmp_path, family):
    encoder = AutoModel.from_pretrained(save_encoder(tmp_path, family))
    config = AutoConfig.from_pretrained(tmp_path)
    assert upstream.encoder_class(config) is type(encoder), changed("encoder_class")


def test_a_family_with_several_base_models_has_a_class_and_an_unknown_config_has_none():
    assert inspect.isclass(upstream.encoder_class(FunnelConfig())), changed("encoder_class")
    assert upstream.encoder_class(PreTrainedConfig()) is None, changed("encoder_class")


def test_a_missing_file_is_none_and_an_impossible_repository_is_an_error(tmp_path):
    parameters = inspect.signature(hub.cached_files).parameters
    assert "_raise_exceptions_for_missing_entries" in parameters, changed("find_file")
    (tmp_path / "tokenizer.json").touch()
    assert upstream.find_file(str(tmp_path), "tokenizer.json") == tmp_path / "tokenizer.json"
    assert upstream.find_file(str(tmp_path), "vocab.txt") is None, changed("find_file")
    with pytest.raises(OSError, match="no such repository"):
        upstream.find_file("no such repository", "tokenizer.json")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_a_file_that_cannot_be_written_is_recognized(tmp_path):
    with pytest.raises(RuntimeError) as caught:
        torch.save(torch.zeros(10_000), "/dev/full")
    assert upstream.is_failed_write(caught.value), changed("is_failed_write")
    with pytest.raises(SafetensorError) as refused:
        save_file({"weight": torch.zeros(10)}, tmp_path / "no such folder" / "model.safetensors")
    assert upstream.is_failed_write(refused.value), changed("is_failed_write")
    assert not upstream.is_failed_write(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def masks_of(tmp_path, family):
    """The keyword arguments of each mask that transformers asks for in one pass over a padded batch."""
    calls = []

    def record_mask(**arguments):
        calls.append(arguments)
        return masking_utils.sdpa_mask(**arguments)

    AttentionMaskInterface.register("recorded", record_mask)
    AttentionInterface.register("recorded", AttentionInterface()["sdpa"])
    encoder = AutoModel.from_pretrained(save_encoder(tmp_path, family), attn_implementation="recorded")
    mask = torch.ones(2, 12, dtype=torch.int64)
    mask[1, 3:] = 0
    encoder(input_ids=torch.full((2, 12), 5), attention_mask=mask)
    return calls


def test_a_layer_that_hides_padding_alone_is_recognized(tmp_path):
    (arguments,) = masks_of(tmp_path, "bert")
    assert {"attention_mask", "mask_function", "dtype"} <= arguments.keys(), changed("is_bidirectional")
    assert upstream.is_bidirectional(arguments["mask_function"]), changed("is_bidirectional")
    assert arguments["attention_mask"].shape == (2, 12)


def test_the_pairs_of_a_sliding_window_are_those_near_each_other_and_outside_padding(tmp_path):
    calls = masks_of(tmp_path, "modernbert")  # a window of 8: four tokens to each side
    (local,) = [arguments for arguments in calls if not upstream.is_bidirectional(arguments["mask_function"])]
    assert len(calls) == 2, changed("is_bidirectional")
    pairs = upstream.visible_pairs(**{name: value for name, value in local.items() if name != "dtype"})
    assert (pairs.shape, pairs.dtype) == ((2, 1, 12, 12), torch.bool), changed("visible_pairs")
    distance = (torch.arange(12)[:, None] - torch.arange(12)).abs()
    assert torch.equal(pairs[0, 0], distance <= 4), changed("visible_pairs")
    assert not pairs[1, 0, :, 3:].any()


def test_a_mask_without_padding_is_still_a_tensor(tmp_path):
    (arguments,) = masks_of(tmp_path, "bert")
    everywhere = {**arguments, "attention_mask": torch.ones(2, 12, dtype=torch.bool)}
    assert everywhere["allow_is_bidirectional_skip"], changed("visible_pairs")
    pairs = upstream.visible_pairs(**{name: value for name, value in everywhere.items() if name != "dtype"})
    assert pairs.all()


class _Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(4, 4, bias=False)

    def forward(self, values):
        return self.dense(values)


class _Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = _Inner()

    def forward(self, values):
        return self.inner(values) + 1


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_torch_notes_the_module_of_each_node():
    program = torch.onnx.export(_Outer().eval(), (torch.ones(2, 4),), dynamo=True, verbose=False)
    linear, addition = program.model.graph
    assert upstream.NAME_SCOPES in linear.metadata_props, changed("scope_path")
    assert upstream.scope_path(linear.metadata_props) == "inner.dense", changed("scope_path")
    assert upstream.scope_path(addition.metadata_props) == "", changed("scope_path")


def test_a_node_without_notes_is_outside_all_modules():
    assert upstream.scope_path({}) == ""
    assert upstream.scope_path({upstream.NAME_SCOPES: "['', 'encoder', 'encoder.layer.0', 'add']"}) == "encoder.layer.0"


def test_the_public_interfaces_that_stand_in_for_private_ones_exist():
    assert callable(PreTrainedModel.is_backend_compatible)
    assert callable(AttentionInterface.register)
    assert callable(AttentionMaskInterface.register)
    assert upstream.encoder_class(BertConfig()).is_backend_compatible()
