"""The points of a learning curve are decided before training; steps that are counted shrink with the rows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from classification.cli.flags import TrainerFlags
from classification.experiments.curve_points import CurvePlan, Point, scaled_steps, why_not

EPOCHS = {"eval_strategy": "epoch", "save_strategy": "epoch", "logging_steps": 50, "warmup_steps": 0.1, "max_steps": -1}
STEPS = EPOCHS | {"eval_strategy": "steps", "save_strategy": "steps"}


@pytest.mark.parametrize(
    ("flags", "share", "scaled"),
    [
        (EPOCHS, 0.1, {"logging_steps": 5}),
        (EPOCHS | {"warmup_steps": 20, "max_steps": 300}, 0.25,
         {"logging_steps": 13, "warmup_steps": 5, "max_steps": 75}),
        (EPOCHS | {"eval_delay": 1}, 0.5, {"logging_steps": 25}),  # epochs
        (STEPS | {"eval_steps": 100, "save_steps": 200, "eval_delay": 40}, 0.25,
         {"logging_steps": 13, "eval_delay": 10, "eval_steps": 25, "save_steps": 50}),
        (STEPS | {"eval_steps": 3, "save_steps": 9}, 0.1, {"logging_steps": 5, "eval_steps": 1, "save_steps": 3}),
        (STEPS | {"save_steps": 50}, 0.5, {"logging_steps": 25, "eval_steps": 25, "save_steps": 25}),
        (STEPS | {"eval_steps": 0.2, "save_steps": 0.2}, 0.5, {"logging_steps": 25}),
    ],
)  # fmt: skip
def test_counted_steps_shrink_with_the_rows_and_shares_stay(flags, share, scaled):
    assert scaled_steps(TrainerFlags(flags), share) == scaled


def test_a_checkpoint_that_is_saved_has_been_evaluated_at_every_share():
    flags = TrainerFlags(STEPS | {"eval_steps": 7, "save_steps": 21})
    for share in (0.01, 0.1, 0.33, 0.5, 0.99):
        found = scaled_steps(flags, share)
        assert found["save_steps"] % found["eval_steps"] == 0 < found["eval_steps"]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [(2, "cannot hold a row of each label (3 are needed)"), (7, "less than one batch of 8"), (8, "")],
)
def test_rows_that_cannot_be_trained_on_have_a_reason(rows, reason):
    assert reason in why_not(rows, fewest=3, batch=8) and bool(reason) == bool(why_not(rows, fewest=3, batch=8))


def test_points_of_too_few_steps_are_named_before_training():
    """A low point is then no sign that labels are missing."""
    points = (Point(10, 40, 9, {}, is_short=True), Point(50, 200, 39, {}))
    lines = CurvePlan(points, 400, {1: "its 4 rows are less than one batch of 16"}).summary(
        SimpleNamespace(max_steps=-1, num_train_epochs=3.0)
    )
    assert [line.text for line in lines] == [
        "--learning_curve: 1% is left out: its 4 rows are less than one batch of 16",
        "--learning_curve: the few steps at 10% can hardly move a model: the curve shows that, not only the labels. "
        "Pass a higher --num_train_epochs",
        "also trains on 10% (40 rows, 9 steps), 50% (200 rows, 39 steps) of the 400 rows of train, for 3 epochs each, "
        "as the run itself",
    ]
