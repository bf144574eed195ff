"""The Trainer's log -> the history that a checkpoint keeps."""

from types import SimpleNamespace

import pytest

from mtl_export.training.loop.evaluation_schedule import EvaluationSchedule
from mtl_export.training.loop.history import read_history


def evaluated(step, **values):
    return {"eval_score": 0.5, "eval_runtime": 1.0, "step": step, "epoch": step / 10, **values}


def test_an_evaluation_has_the_mean_loss_of_the_steps_since_the_one_before():
    log = [
        {"loss": 4.0, "step": 5},
        {"loss": 2.0, "step": 10},
        evaluated(10, **{"eval_topic.accuracy": 0.7, "eval_topic.loss": 0.9}),
        {"loss": 1.0, "step": 12},
        {"loss": 0.5, "step": 20},
        evaluated(20),
        {"train_runtime": 3.0, "train_loss": 1.9, "step": 20},
    ]
    first, second = read_history(log)
    assert (first.step, first.epoch, first.training_loss) == (10, 1.0, 3.0)
    assert first.metrics == {"topic": {"accuracy": 0.7}}
    assert first.validation_loss == {"topic": 0.9}
    assert second.training_loss == pytest.approx((2 * 1.0 + 8 * 0.5) / 10)


def test_an_evaluation_before_the_first_step_has_no_training_loss():
    (start,) = read_history([evaluated(0)])
    assert start.training_loss is None


@pytest.mark.parametrize(("epochs", "due"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (4, [4, 5]), (9, [5])])
def test_every_kth_epoch_and_the_last_are_evaluated(epochs, due):
    schedule, seen = EvaluationSchedule(epochs), []
    for epoch in range(1, 6):
        control = SimpleNamespace(should_log=False, should_evaluate=True, should_save=True)
        schedule.on_epoch_end(None, SimpleNamespace(epoch=float(epoch), global_step=epoch, max_steps=5), control)
        assert control.should_log == control.should_evaluate == control.should_save
        seen += [epoch] if control.should_evaluate else []
    assert seen == due
