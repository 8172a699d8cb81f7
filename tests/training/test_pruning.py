"""A training stops at an evaluation that leaves it no prospect, also when it was resumed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from transformers import TrainerControl, TrainerState

from classification.training.pruning import Pruned, StopHopeless

ARGS = SimpleNamespace(metric_for_best_model="eval_loss")


def state(*losses: float, step: int = 8, of: int = 24) -> TrainerState:
    log = [{"eval_loss": loss, "step": number + 1} for number, loss in enumerate(losses)]
    return TrainerState(log_history=[{"loss": 1.0, "step": 1}, *log], global_step=step, max_steps=of)


@pytest.fixture
def callback():
    made = StopHopeless(lambda values: values[-1] > 1)
    made.on_train_begin(ARGS, state(), TrainerControl())
    return made


def test_it_stops_where_there_is_no_prospect_with_all_values_so_far(callback):
    callback.on_evaluate(ARGS, state(0.9), TrainerControl())
    with pytest.raises(Pruned) as stop:
        callback.on_evaluate(ARGS, state(0.9, 1.2), TrainerControl())
    assert stop.value.values == [0.9, 1.2]


@pytest.mark.parametrize("moment", ["at the last step", "after training", "before the first step"])
def test_a_result_that_is_known_anyway_is_kept(callback, moment):
    if moment == "after training":
        callback.on_train_end(ARGS, state(), TrainerControl())
    losses = {"before the first step": ()}.get(moment, (2.0,))
    callback.on_evaluate(ARGS, state(*losses, step=24 if moment == "at the last step" else 8), TrainerControl())
