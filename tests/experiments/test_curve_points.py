"""The points of a learning curve are decided before training; steps that are counted shrink with the rows."""

from __future__ import annotations

import pytest

from classification.cli.flags import TrainerFlags
from classification.experiments.curve_points import scaled_steps, why_not

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
