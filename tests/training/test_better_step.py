"""What the rule for the best checkpoint cost in the headline metric is printed where it cost something."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from classification.training.better_step import better_step
from classification.training.callbacks import EPOCH
from classification.training.fitted_decisions import chosen_checkpoint

ARGS = SimpleNamespace(load_best_model_at_end=True, greater_is_better=False, metric_for_best_model="eval_loss")


def state(values: dict, best: int = 20, metric: str = "accuracy"):
    log = [{"step": step, EPOCH: {"step": step, f"eval_{metric}": value}} for step, value in values.items()]
    return SimpleNamespace(
        best_model_checkpoint=f"out/checkpoint-{best}", best_global_step=best, best_metric=0.5, log_history=log
    )


@pytest.mark.parametrize(
    ("values", "metric", "rows", "text"),
    [
        ({10: 0.7, 20: 0.8, 30: 0.805}, "accuracy", 200,
         "best accuracy was at step 30, +0.5 points (1 of 200 validation rows, which may be chance)"),
        ({10: 0.7, 20: 0.8, 30: 0.83}, "accuracy", 200,
         "best accuracy was at step 30, +3.0 points (6 of 200 validation rows)"),
        ({10: 0.82, 20: 0.8, 30: 0.82}, "accuracy", 50,
         "best accuracy was at step 10, +2.0 points (1 of 50 validation rows, which may be chance)"),
        ({10: 0.71, 20: 0.7}, "f1_micro", 200, "best f1_micro was at step 10, +1.0 points"),
        ({10: 1.25, 20: 1.5, 30: 2.0}, "rmse", 200, "best rmse was at step 10, -0.25"),
    ],
)  # fmt: skip
def test_the_cost_is_named_with_its_step_and_direction(values, metric, rows, text):
    line = better_step(ARGS, state(values, metric=metric), metric, rows).line()
    assert (line.topic, line.text) == ("best", text)


@pytest.mark.parametrize(
    ("values", "metric"),
    [
        ({10: 0.7, 20: 0.8, 30: 0.8}, "accuracy"),
        ({10: 1.5, 20: 1.25}, "rmse"),
        ({20: 0.8}, "accuracy"),
        ({0: 0.9, 20: 0.8}, "accuracy"),
        ({20: float("nan"), 30: 0.8}, "accuracy"),
        ({20: 0.8, 30: float("nan")}, "accuracy"),
        ({20: 0.8, 30: None}, "accuracy"),
        ({10: 0.9, 30: 0.8}, "accuracy"),
        ({}, "accuracy"),
    ],
    ids=["equal", "lower is better", "one", "before training", "no number", "nan", "none", "unknown", "nothing"],
)
def test_where_no_step_that_could_be_kept_is_better_nothing_is_printed(values, metric):
    assert better_step(ARGS, state(values, metric=metric), metric, 200) is None


def test_without_a_choice_of_the_best_checkpoint_there_is_no_cost():
    values = {10: 0.9, 20: 0.8}
    assert better_step(SimpleNamespace(load_best_model_at_end=False), state(values), "accuracy", 9) is None
    lost = state(values)
    lost.best_model_checkpoint = None
    assert better_step(ARGS, lost, "accuracy", 9) is None


def test_the_record_of_the_checkpoint_has_the_cost():
    values = {10: 0.9, 20: 0.8}
    better = better_step(ARGS, state(values), "accuracy", 200)
    (entry,) = chosen_checkpoint(ARGS, state(values), 200, better)
    assert entry["headline"] == {"metric": "accuracy", "best_step": 10, "best": 0.9, "kept": 0.8}
    (entry,) = chosen_checkpoint(ARGS, state(values), 200)
    assert "headline" not in entry
