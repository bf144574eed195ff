"""What "auto" comes to: by the number of rows, the width of the encoder and the speed of the device."""

import dataclasses
import logging

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mtl_export.config import Config, TrainingConfig
from mtl_export.errors import ConfigError
from mtl_export.training import precision
from mtl_export.training.plan import log_plan, plan_training
from mtl_export.training.precision import choose_precision, time_matmul

CPU = torch.device("cpu")
FP32 = TrainingConfig(precision="fp32")


def plan(rows, *, hidden_size=384, processes=1, encoder_frozen=False, **changes):
    training = dataclasses.replace(FP32, **changes)
    given = {"rows": rows, "hidden_size": hidden_size, "processes": processes, "encoder_frozen": encoder_frozen}
    return plan_training(training, device=CPU, **given)


@pytest.fixture
def products(monkeypatch):
    """Seconds per product by precision, as this machine is said to take."""
    seconds = {"fp32": 1.0, "bf16": 1.0, "fp16": 1.0}
    monkeypatch.setattr(precision, "time_matmul", lambda name, _device: seconds[name])
    return seconds


@given(rows=st.integers(2, 10**7), processes=st.integers(1, 8), accumulation=st.integers(1, 4))
def test_a_plan_has_enough_steps_and_batches_that_processes_can_share(rows, processes, accumulation):
    made = plan(rows, processes=processes, gradient_accumulation=accumulation)
    assert 3 <= made.epochs <= 40
    assert made.batch_size % processes == 0
    assert made.steps >= min(300, made.epochs)
    assert made.steps % made.epochs == 0
    assert made.epochs / made.evaluation_epochs <= 10


def test_few_rows_get_many_epochs_and_many_rows_get_three():
    assert plan(48).epochs == 40
    assert plan(400).epochs == 12
    assert plan(20_000).epochs == 3
    assert plan(20_000).evaluation_epochs == 1


def test_what_the_config_names_is_taken_as_it_is():
    made = plan(48, epochs=2, batch_size=7, encoder_learning_rate=1e-6, head_learning_rate=2e-6, warmup=0.5)
    assert (made.epochs, made.batch_size, made.steps) == (2, 7, 14)
    assert (made.encoder_learning_rate, made.head_learning_rate, made.warmup) == (1e-6, 2e-6, 0.5)


def test_few_rows_also_learn_from_pairs_unless_the_encoder_is_frozen():
    assert plan(400).contrastive_weight == 1
    assert plan(20_000).contrastive_weight == 0
    assert plan(400, encoder_frozen=True).contrastive_weight == 0
    assert plan(400, encoder_frozen=True, contrastive_weight=2.0).contrastive_weight == 0
    assert plan(400, contrastive_weight=0.0).contrastive_weight == 0
    assert plan(20_000, contrastive_weight=0.5).contrastive_weight == 0.5


def test_a_wider_encoder_takes_smaller_steps():
    rates = [plan(400, hidden_size=width).encoder_learning_rate for width in (384, 768, 1024)]
    assert rates == sorted(rates, reverse=True)
    assert rates[:2] == [5e-5, 2.5e-5]


def test_few_rows_that_are_read_many_times_take_smaller_steps():
    assert plan(1_999).encoder_learning_rate == plan(2_000).encoder_learning_rate / 2


def test_the_plan_is_logged_in_one_line(caplog):
    with caplog.at_level(logging.INFO, "mtl_export"):
        log_plan(plan(400))
    assert [record.message for record in caplog.records] == [
        "plan: 12 epochs of 25 steps, batches of 16, learning rates 5e-05 (encoder) and 0.001 (heads), "
        "contrastive weight 1, fp32"
    ]


@pytest.mark.parametrize(("seconds", "chosen"), [(0.4, "bf16"), (0.9, "fp32"), (60.0, "fp32")])
def test_auto_takes_bf16_only_where_it_multiplies_faster(products, caplog, seconds, chosen):
    products["bf16"] = seconds
    with caplog.at_level(logging.INFO, "mtl_export"):
        assert choose_precision("auto", CPU) == chosen
    assert f"precision: {chosen}" in caplog.text


def test_a_precision_that_is_slow_here_is_used_and_warned_of_with_the_factor(products, caplog):
    products["bf16"] = 60.0
    with caplog.at_level(logging.WARNING, "mtl_export"):
        assert choose_precision("bf16", CPU) == "bf16"
    assert "multiplies 60 times slower than in fp32" in caplog.text


def test_a_precision_that_is_fast_here_is_used_without_a_word(products, caplog):
    products["bf16"] = 0.5
    with caplog.at_level(logging.INFO, "mtl_export"):
        assert choose_precision("bf16", CPU) == "bf16"
    assert not caplog.records


def test_several_processes_on_cpus_agree_without_asking_each_other(products):
    products["bf16"] = 0.1
    assert choose_precision("auto", CPU, processes=2) == "fp32"


@pytest.mark.parametrize(("capability", "chosen"), [((9, 0), "bf16"), ((7, 5), "fp16"), ((6, 1), "fp32")])
def test_a_gpu_takes_the_lower_precision_that_it_has_units_for(monkeypatch, capability, chosen):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "a GPU")
    assert choose_precision("auto", torch.device("cuda")) == chosen


def test_a_product_is_timed_in_every_precision():
    assert all(0 < time_matmul(name, CPU) < 10 for name in ("fp32", "bf16", "fp16"))


@pytest.mark.parametrize("key", ["epochs", "batch_size", "encoder_learning_rate", "head_learning_rate", "precision"])
def test_auto_can_be_written_and_another_word_cannot(tmp_path, key):
    def config(value):
        data = {"train": "a.csv", "validation": "b.csv"}
        return Config.from_dict({"tasks": {"topic": {}}, "data": data, "training": {key: value}}, folder=tmp_path)

    assert getattr(config("auto").training, key) == "auto"
    with pytest.raises(ConfigError, match=rf"training\.{key}.*auto"):
        config("most")
