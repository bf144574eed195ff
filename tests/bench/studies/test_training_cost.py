"""What a training step costs beyond its matrix products: the products, the clock, and a timed training end to end."""

import json
import time
from itertools import count

import pytest
import torch
from click.testing import CliRunner
from torch.utils.flop_counter import FlopCounterMode

from mtl_bench.results.files import read_results
from mtl_bench.studies.training_cost import command, piece_clock
from mtl_bench.studies.training_cost.matrix_products import MatrixProducts
from mtl_bench.studies.training_cost.piece_clock import PieceClock
from mtl_bench.studies.training_cost.results import PIECES, TrainingCostResults
from mtl_bench.studies.training_cost.tables import page_tables
from mtl_bench.studies.training_cost.timed_training import time_training
from mtl_export import Config, MultiTaskModel, TaskSpec
from mtl_runtime.errors import CheckFailedError
from tests.export.tiny import CONFIG, project, save_encoder

SENTIMENT = TaskSpec(name="sentiment", kind="single_label", labels=("negative", "positive"))


@pytest.fixture
def model(tmp_path):
    """Eager attention, whose products torch's counter sees one by one."""
    original = MultiTaskModel.from_encoder(str(save_encoder(tmp_path)), [SENTIMENT], max_length=40)
    return MultiTaskModel.rebuild(original.spec, original.tokenizer, attention="eager")


def flops_of(function):
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


@pytest.mark.parametrize("frozen", [(), (1,), (None,)], ids=["all trainable", "a layer frozen", "encoder frozen"])
def test_the_products_of_a_step_are_those_that_torch_counts(model, frozen):
    for lowest in frozen:
        model.freeze_encoder(lowest)
    batch = model.tensors(model.tokenize(["a good film", "the soup was very very dull"]))

    def step():
        model(**batch).logits["sentiment"].sum().backward()

    wanted = flops_of(step)
    products = MatrixProducts()
    products.record(model)
    step()
    assert flops_of(products.multiply) == wanted


def test_an_evaluation_has_forward_products_alone_and_they_are_forgotten_once_multiplied(model):
    batch = model.tensors(model.tokenize(["a good film"]))
    with torch.no_grad():
        wanted = flops_of(lambda: model(**batch))
    products = MatrixProducts()
    products.record(model)
    with torch.no_grad():
        model(**batch)
    assert flops_of(products.multiply) == wanted
    assert flops_of(products.multiply) == 0


def test_products_have_the_type_of_autocast(model):
    products = MatrixProducts()
    products.record(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(**model.tensors(model.tokenize(["a good film"])))
    assert {left.dtype for each in products.passes for left, _ in each.pairs(products.operands)} == {torch.bfloat16}


def test_a_piece_within_a_piece_is_not_counted_twice(monkeypatch):
    ticks = count()
    monkeypatch.setattr(piece_clock.time, "perf_counter", lambda: float(next(ticks)))  # each look takes a second
    clock = PieceClock("other")
    inner = clock.timed("collation", lambda: None)
    clock.timed("data loading", inner)()
    assert clock.take() == {"other": 2.0, "data loading": 2.0, "collation": 1.0}
    assert clock.take() == {"other": 1.0}


def test_a_timed_training_has_all_pieces_and_leaves_nothing(tmp_path):
    config = Config.from_dict(CONFIG, folder=project(tmp_path))
    before = sorted(tmp_path.iterdir())
    start = time.perf_counter()
    timed = time_training(config, 3)
    elapsed = time.perf_counter() - start
    assert sorted(tmp_path.iterdir()) == before
    assert tuple(timed.pieces) == PIECES
    assert all(seconds > 0 for seconds in timed.pieces.values())
    assert 0 < timed.products < elapsed
    assert 0 < timed.evaluation_products < timed.evaluation + timed.evaluation_products < elapsed
    assert timed.preparation + 3 * timed.step + timed.evaluation < elapsed
    assert timed.steps == 2 * 384 // 8
    assert timed.evaluations >= 2


def test_a_run_that_is_too_short_is_an_error(tmp_path):
    config = Config.from_dict(CONFIG, folder=project(tmp_path, train=64))
    with pytest.raises(CheckFailedError, match="training ended after 15 steps; 104 are needed"):
        time_training(config, 100)


def test_the_command_times_a_fresh_process_and_its_tables_name_what_was_set(tmp_path):
    folder = project(tmp_path)
    (folder / "config.toml").write_text(
        '[encoder]\nmodel = "encoder"\nmax_length = 40\n[tasks.sentiment]\n[data]\n'
        'train = "train.csv"\nvalidation = "validation.csv"\n[training]\nepochs = 1\nbatch_size = 8\n'
    )
    output = tmp_path / "cost.json"
    arguments = [
        str(folder / "config.toml"),
        "-o",
        str(output),
        "--only",
        "quiet-avx2",
        "--steps",
        "2",
        "--rounds",
        "1",
    ]
    done = CliRunner().invoke(command.main, arguments)
    assert done.exit_code == 0, done.output
    results = read_results(TrainingCostResults, output)
    (timed,) = results.conditions["quiet-avx2"].rounds
    assert timed.batch_size == 8
    assert json.loads(output.read_text())["machine"]["cpu"]
    tables = page_tables(results)
    assert "`OMP_WAIT_POLICY=PASSIVE` `ONEDNN_MAX_CPU_ISA=AVX2`" in tables["training cost"]
    assert f"{timed.step / timed.products:.2f}" in tables["training cost"]
    assert all(f"| {piece} |" in tables["training pieces"] for piece in PIECES)
