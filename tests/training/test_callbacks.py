"""A line per epoch, early stopping that a resumed run continues, and progress."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from transformers import TrainerControl, TrainerState

from classification.training.callbacks import (
    EpochLines,
    ProgressDisplay,
    ResumableEarlyStopping,
    SamplerEpoch,
    epoch_figures,
)
from classification.training.samplers import TrainSampler

EVALUATED = {"eval_loss": 0.5, "eval_accuracy": 0.75, "eval_runtime": 1.0}
TRAINED = {"train_loss": 0.25, "train_accuracy": 0.875}


def messages(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture(autouse=True)
def every_line(caplog):
    caplog.set_level("INFO")


# --------------------------------------------------------------------------------------------------------- epoch lines


def one_epoch(strategy: str, totals=TRAINED, metric="accuracy", metrics=EVALUATED) -> TrainerState:
    """The state after the events of one epoch with one evaluation."""
    lines = EpochLines(metric, lambda: totals)
    args, control = SimpleNamespace(eval_strategy=strategy), TrainerControl()
    state = TrainerState(epoch=1.5, global_step=12, num_train_epochs=3)
    lines.on_train_begin(args, state, control)
    if strategy == "steps":
        lines.on_evaluate(args, state, control, metrics)
    lines.on_epoch_end(args, state, control)
    if strategy == "epoch":
        lines.on_evaluate(args, state, control, metrics)
    lines.on_train_end(args, state, control)
    lines.on_evaluate(args, state, control, metrics)  # after training: not an epoch's
    return state


@pytest.mark.parametrize("strategy", ["epoch", "steps"])
def test_an_epoch_has_one_line_and_its_figures_are_kept(strategy, caplog):
    state = one_epoch(strategy)
    assert messages(caplog) == ["[Epoch 1.5/3] train_loss=0.2500 train_acc=0.8750 | val_loss=0.5000 val_acc=0.7500"]
    assert epoch_figures(state) == [{"epoch": 1.5, "step": 12, **TRAINED, **EVALUATED}]


def test_a_figure_that_the_rows_do_not_allow_is_not_printed(caplog):
    one_epoch("epoch", totals={}, metric="f1_micro", metrics={"eval_loss": 0.5, "eval_f1_micro": float("nan")})
    assert messages(caplog) == ["[Epoch 1.5/3] val_loss=0.5000"]


def test_a_second_attempt_starts_without_the_figures_of_the_first():
    """`train` may be called twice."""
    lines, state = EpochLines("accuracy", lambda: {}), TrainerState(epoch=1.0, global_step=1, num_train_epochs=1)
    lines.train_figures = dict(TRAINED)
    lines.on_train_begin(SimpleNamespace(eval_strategy="epoch"), state, TrainerControl())
    lines.on_evaluate(SimpleNamespace(eval_strategy="epoch"), state, TrainerControl(), EVALUATED)
    assert "train_loss" not in epoch_figures(state)[0]


def test_without_evaluation_a_line_has_the_figures_of_training(caplog):
    state = one_epoch("no")
    assert messages(caplog) == ["[Epoch 1.5/3] train_loss=0.2500 train_acc=0.8750"]
    assert epoch_figures(state) == [{"epoch": 1.5, "step": 12, **TRAINED}]


def test_other_tasks_have_their_own_metric(caplog):
    one_epoch("epoch", {"train_loss": 0.25}, "f1_micro", {"eval_loss": 0.5, "eval_f1_micro": 0.75})
    assert messages(caplog) == ["[Epoch 1.5/3] train_loss=0.2500 | val_loss=0.5000 val_f1_micro=0.7500"]


def test_an_evaluation_before_the_first_step_has_no_figures_of_training(caplog):
    one_epoch("steps", totals={})
    assert messages(caplog) == ["[Epoch 1.5/3] val_loss=0.5000 val_acc=0.7500"]


def test_the_figures_of_epochs_survive_in_a_checkpoint(tmp_path):
    one_epoch("epoch").save_to_json(tmp_path / "trainer_state.json")
    state = TrainerState.load_from_json(tmp_path / "trainer_state.json")
    assert epoch_figures(state) == [{"epoch": 1.5, "step": 12, **TRAINED, **EVALUATED}]


# ------------------------------------------------------------------------------------------------------ early stopping


def stops(values: list[float], patience: int, *, greater_is_better: bool = False, first_step: int = 8) -> bool:
    """Whether training stops after evaluations with these values."""
    state, control = TrainerState(), TrainerControl()
    for number, value in enumerate(values):
        state.log_history += [{"loss": 0.1, "step": 1}, {"eval_loss": value, "step": first_step + 8 * number}]
    args = SimpleNamespace(metric_for_best_model="loss", greater_is_better=greater_is_better)
    ResumableEarlyStopping(patience).on_evaluate(args, state, control)
    return control.should_training_stop


@pytest.mark.parametrize(
    ("values", "patience", "expected"),
    [
        ([0.5], 1, False),
        ([0.5, 0.6], 1, True),
        ([0.5, 0.6], 2, False),
        ([0.5, 0.6, 0.55], 2, True),
        ([0.5, 0.6, 0.4], 1, False),
        ([0.5, 0.5], 1, True),  # an equal value is no improvement
        ([0.6, 0.5, 0.7, float("nan")], 2, True),
        ([float("nan"), 0.5], 1, False),
        ([float("nan")] * 3, 2, True),
        ([], 1, False),
    ],
)
def test_training_stops_after_evaluations_without_improvement(values, patience, expected):
    assert stops(values, patience) == expected
    assert stops([-value for value in values], patience, greater_is_better=True) == expected


def test_it_stops_where_the_library_would():
    """Against the library's own callback, on random values with ties and missing numbers."""
    import random

    from transformers import EarlyStoppingCallback

    draw = random.Random(0)
    for _ in range(200):
        values = [draw.choice([0.1, 0.2, 0.3, 0.4, float("nan")]) for _ in range(6)]
        patience, args = draw.randint(1, 3), SimpleNamespace(metric_for_best_model="loss", greater_is_better=False)
        library, state, control = EarlyStoppingCallback(patience), TrainerState(), TrainerControl()
        for count, value in enumerate(values, 1):
            library.on_evaluate(args, state, control, {"eval_loss": value})
            assert stops(values[:count], patience) == control.should_training_stop, (values[:count], patience)
            if control.should_training_stop:
                break
            best = float("inf") if state.best_metric is None else state.best_metric
            state.best_metric = value if value < best else best


def test_the_untrained_model_is_not_the_best():
    """`--eval_on_start` evaluates at step 0."""
    assert not stops([0.1, 0.6], 1, first_step=0)
    assert stops([0.1, 0.6, 0.7], 1, first_step=0)


# -------------------------------------------------------------------------------------------------- sampler, progress


def test_the_sampler_gets_the_number_of_the_epoch():
    callback, sampler = SamplerEpoch(), TrainSampler(8, batch_size=2, seed=1)
    callback.on_epoch_begin(None, TrainerState(epoch=1.0), None)  # before there is a sampler
    callback.sampler = sampler
    callback.on_epoch_begin(None, TrainerState(epoch=1.9999999), None)
    assert sampler.epoch == 2


def test_training_logs_a_line_per_tenth_with_the_loss(caplog):
    display, state = ProgressDisplay(disable=False), TrainerState(max_steps=20)
    display.on_train_begin(None, state, None)
    for step in range(1, 21):
        state.global_step = step
        display.on_step_end(None, state, None)
        display.on_log(None, state, None, logs={"loss": 0.5} if step % 2 else {"eval_loss": 1.0})
    display.on_train_end(None, state, None)
    lines = messages(caplog)
    assert len(lines) == 10
    assert lines[2].startswith("training      30%: step 6 of 20, loss 0.5000, ")
    assert lines[-1].startswith("training     100%: step 20 of 20, ")


def test_a_short_evaluation_and_a_silent_run_log_nothing(caplog):
    for disable in (False, True):
        display, state = ProgressDisplay(disable), TrainerState(max_steps=4)
        for _ in range(30):
            display.on_prediction_step(None, state, None, eval_dataloader=range(30))
        display.on_evaluate(None, state, None)
        assert display.evaluation is None
    display.on_train_begin(None, state, None)
    state.global_step = 4
    display.on_step_end(None, state, None)
    display.on_train_end(None, state, None)
    assert not messages(caplog)
