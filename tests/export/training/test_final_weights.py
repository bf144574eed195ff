"""Which weights a run leaves in its model, and when heads that are fitted again stay."""

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mtl_export.training.final_weights import FittedStart, HeadFit, keep_best_weights

START, BEST, LAST = 0.0, 5.0, 10.0  # what the encoder's weight is then; of a resume point, its step
REFITTED = 0.5  # what fitting adds to the head's weight


class Model(nn.Module):
    """An encoder and a head of one weight each."""

    def __init__(self):
        super().__init__()
        self.encoder, self.only = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)

    def head(self, _):
        return self.only


@pytest.fixture
def run(tmp_path):
    """``run(scores, of)``: what is kept, where ``of`` has the score by the weights of encoder and head."""

    def keep(scores, of, *, rows=12, start=0.5, best=BEST, again=True):
        model = Model()
        for step in (BEST, LAST):
            (tmp_path / f"checkpoint-{step:.0f}").mkdir(exist_ok=True)
            weights = {name: torch.full((1, 1), step) for name in ("encoder.weight", "only.weight")}
            save_file(weights, tmp_path / f"checkpoint-{step:.0f}" / "model.safetensors")
        state = SimpleNamespace(
            best_metric=-1.0 if best == START else best,
            best_global_step=int(best) or None,
            global_step=int(LAST),
            log_history=[{"eval_score": score} for score in scores],
        )
        trainer = SimpleNamespace(state=state, trained=model, validation_rows=rows)
        fit = HeadFit(
            names=frozenset({"only"}),
            fit=lambda: nn.init.constant_(model.only.weight, model.encoder.weight.item() + REFITTED),
            score=lambda: of[model.encoder.weight.item(), model.only.weight.item() - model.encoder.weight.item()],
        )
        first = {name: torch.full((1, 1), START) for name in ("encoder.weight", "only.weight")}
        before = FittedStart(weights=first, metrics={}, evaluation=None, score=start)
        model.load_state_dict({name: torch.full((1, 1), best) for name in first})
        step = keep_best_weights(trainer, model, tmp_path, before, fit if again else None)
        return step, model.encoder.weight.item(), model.only.weight.item()

    return keep


SCORES = [0.8, 1.0, 0.9]


def test_the_last_weights_are_kept_where_validation_cannot_tell_them_from_the_best(run):
    scores = {(LAST, 0.0): 0.9, (LAST, REFITTED): 0.9}
    assert run(SCORES, scores) == (10, LAST, LAST + REFITTED)


def test_heads_that_score_lower_when_fitted_again_stay_as_they_were_trained(run):
    scores = {(LAST, 0.0): 0.9, (LAST, REFITTED): 0.8}
    assert run(SCORES, scores) == (10, LAST, LAST)


def test_last_weights_that_are_clearly_below_the_start_leave_the_best(run):
    scores = {(LAST, 0.0): 0.2, (LAST, REFITTED): 0.15, (BEST, 0.0): 0.7, (BEST, REFITTED): 0.6}
    assert run(SCORES, scores) == (5, BEST, BEST)
    slightly = {**scores, (LAST, 0.0): 0.45}
    assert run(SCORES, slightly) == (10, LAST, LAST)


def test_last_weights_that_are_clearly_worse_are_not_tried(run):
    scores = {(BEST, 0.0): 1.0, (BEST, REFITTED): 1.0}
    assert run([0.8, 1.0, 0.5], scores) == (5, BEST, BEST + REFITTED)
    assert run(SCORES, scores, rows=500) == (5, BEST, BEST + REFITTED)


@pytest.mark.parametrize("again", [True, False])
def test_where_nothing_reaches_the_start_the_model_is_as_it_was_then(run, again):
    scores = {(LAST, 0.0): 0.1, (LAST, REFITTED): 0.15}
    assert run([0.1, 0.15, 0.1], scores, best=START, again=again) == (0, START, START)


def test_without_another_fit_the_best_weights_stay(run):
    assert run(SCORES, {}, again=False) == (5, BEST, BEST)
