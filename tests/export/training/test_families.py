"""Every family trains, is saved and loaded again; README's map and docs/encoders.md name the same families."""

import re
from pathlib import Path

import numpy as np
import pytest

from mtl_export.checkpoint import load_checkpoint
from mtl_export.config import Config
from mtl_export.model.encoder import TESTED_FAMILIES, WHY_REFUSED
from mtl_export.training import run_training, train
from tests.export.families import FAMILIES, REFUSED
from tests.export.tiny import CONFIG, project

TEXTS = ["the film was good", "awful soup and bad bread", "", "a plain plot of the usual scene with very nasty dinner"]


def config_of(folder, **training):
    return Config.from_dict(
        {**CONFIG, "training": {**CONFIG["training"], "epochs": 1, "contrastive_weight": 0.0, **training}},
        folder=folder,
    )


def same_logits(left, right):
    before, after = left.logits(TEXTS), right.logits(TEXTS)
    return all(np.array_equal(before[task], after[task]) for task in before)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_trains_and_a_loaded_checkpoint_answers_like_the_trained_model(tmp_path, family):
    folder = project(tmp_path, family=family, train=32)
    trained = train(config_of(folder), folder / "checkpoint")
    assert same_logits(trained.model, load_checkpoint(folder / "checkpoint").model)


@pytest.mark.parametrize("family", ["bart", "t5", "gte"])
def test_a_run_resumes_where_a_published_model_shares_weights_or_memory(tmp_path, monkeypatch, family):
    folder = project(tmp_path, family=family, train=32)
    trained = train(config_of(folder), folder / "uninterrupted")
    with monkeypatch.context() as patches:
        patches.setattr(run_training, "save_checkpoint", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(config_of(folder), folder / "checkpoint")
    resumed = train(config_of(folder), folder / "checkpoint", resume=True)
    assert same_logits(trained.model, resumed.model)


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_an_encoder_decoder_is_its_encoder_alone(tmp_path):
    folder = project(tmp_path, family="bart", train=32)
    names = train(config_of(folder), folder / "checkpoint").model.state_dict().keys()
    assert not any("decoder" in name or "shared" in name for name in names)
    assert "encoder.layers.0.self_attn.q_proj.weight" in names


def rows_of_docs():
    """Family -> the other cells of its row in docs/encoders.md."""
    page = (Path(__file__).parents[3] / "docs" / "encoders.md").read_text("utf-8")
    section = page.split("\n## Families\n")[1].split("\n## ")[0]
    lines = re.findall(r"^\| `([\w-]+)` \|(.*)\|$", section, re.MULTILINE)
    return {family: [cell.strip() for cell in cells.split("|")] for family, cells in lines}


def test_the_table_of_the_docs_says_what_the_tests_hold():
    rows = rows_of_docs()
    assert rows.keys() == FAMILIES.keys() | REFUSED.keys()
    for name, family in FAMILIES.items():
        assert rows[name][:4] == ["yes", "yes", "yes" if family.fused else "no", "yes"], name
    for name, reason in WHY_REFUSED.items():
        assert rows[name] == ["refused", "", "", "", reason], name


def test_what_is_not_tried_before_training_is_what_the_tests_hold():
    assert FAMILIES.keys() == TESTED_FAMILIES
    assert REFUSED.keys() == WHY_REFUSED.keys()
