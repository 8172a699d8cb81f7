"""What is tried next follows from the seed and the trials that have ended, and nothing is tried twice."""

from __future__ import annotations

import random

import pytest

from classification.cli.search_space import Choices, Range, Space
from classification.experiments.search_draws import AS_FAR, BEFORE_PRUNING, draw_settings, is_hopeless
from classification.experiments.search_record import COMPLETE, FAILED, PRUNED, SearchRecord, Trial

pytest.importorskip("optuna")
SPACE = Space({
    "learning_rate": Range(1e-5, 2e-4, is_log=True), "num_train_epochs": Range(2, 5), "sampler": Choices((None, "a")),
})  # fmt: skip
EMPTY = SearchRecord("val_loss", higher=False, seed=42, space=SPACE.as_json())


def ended(number: int, settings: dict, value: float, **facts) -> Trial:
    return Trial(number, settings, **{"state": COMPLETE, "value": value, "evaluations": (value,), **facts})


def searched(count: int, loss, space: Space = SPACE, record: SearchRecord = EMPTY) -> SearchRecord:
    """A record with `count` more trials, whose values are those of `loss`; None for one that fails."""
    for _ in range(count):
        settings = draw_settings(space, record, {})
        value, number = loss(settings), len(record.trials) + 1
        trial = Trial(number, settings, FAILED) if value is None else ended(number, settings, value)
        record = record.with_trial(trial)
    return record


def test_a_draw_depends_on_the_seed_and_the_ended_trials_alone():
    record = searched(8, lambda settings: settings["num_train_epochs"] / 3)
    first = draw_settings(SPACE, record, {})
    random.seed(1)
    assert draw_settings(SPACE, SearchRecord(**vars(record)), {}) == first
    other = SearchRecord(**{**vars(record), "trials": (*record.trials[:-1], ended(8, record.trials[-1].settings, 9.0))})
    assert [draw_settings(SPACE, each, {}) for each in (record, other)].count(first) >= 1
    assert draw_settings(SPACE, SearchRecord(**{**vars(record), "seed": 1}), {}) != first


def test_numbers_are_short_and_inside_their_range():
    record = searched(12, lambda settings: settings["learning_rate"])
    for trial in record.trials:
        rate, epochs = trial.settings["learning_rate"], trial.settings["num_train_epochs"]
        assert 1e-5 <= rate <= 2e-4 and float(f"{rate:.3g}") == rate and epochs in (2, 3, 4, 5)


def test_the_search_finds_what_chance_would_not():
    """After 25 draws the best of ten flags' worth of noise: the last draws are near the optimum."""
    record = searched(
        25, lambda settings: abs(settings["num_train_epochs"] - 4) + abs(settings["learning_rate"] - 1e-4) * 1e4
    )
    last = [trial.value for trial in record.trials[-8:]]
    first = [trial.value for trial in record.trials[:5]]
    assert sum(last) / 8 < sum(first) / 5 and record.best.value < 0.5


def test_settings_near_a_failure_are_avoided():
    """optuna forgets a failed trial; here it is the worst there is."""
    record = searched(25, lambda settings: None if settings["sampler"] == "a" else 1.0 + settings["learning_rate"])
    failed = [trial.state == FAILED for trial in record.trials]
    assert sum(failed[-12:]) < 4


def test_a_finite_space_is_tried_once_and_then_ends():
    space = Space({"num_train_epochs": Range(1, 3), "sampler": Choices((None, "a"))})
    record = searched(6, lambda settings: 1.0, space)
    assert len({tuple(trial.settings.items()) for trial in record.trials}) == 6 == space.size
    assert draw_settings(space, record, {}) is None


def test_the_first_draw_has_the_own_values_and_others_are_free():
    own = {"learning_rate": 3e-5, "sampler": None}
    settings = draw_settings(SPACE, EMPTY, own)
    assert settings.items() >= own.items() and list(settings) == list(SPACE.dimensions)
    second = draw_settings(SPACE, EMPTY.with_trial(ended(1, settings, 1.0)), own)
    assert second["learning_rate"] != 3e-5


# ------------------------------------------------------------------------------------------------------------- pruning


def curves(*rows: tuple[float, ...], higher: bool = False) -> SearchRecord:
    trials = tuple(
        Trial(number, {}, COMPLETE, values[-1], tuple(values)) for number, values in enumerate(rows, start=1)
    )
    return SearchRecord("accuracy" if higher else "val_loss", higher, 42, {}, trials=trials)


FIVE = [(0.5, 0.4), (0.6, 0.5), (0.7, 0.6), (0.8, 0.7), (0.9, 0.8)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [((0.69,), False), ((0.71,), True), ((0.9, 0.59), False), ((0.71, 0.7), True), ((float("nan"),), True)],
)
def test_a_trial_is_hopeless_if_it_is_worse_than_the_median_there(values, expected):
    assert is_hopeless(values, curves(*FIVE)) == expected


def test_the_median_turns_round_where_more_is_better():
    higher = curves(*FIVE, higher=True)
    assert is_hopeless((0.69,), higher) and not is_hopeless((0.71,), higher)


def test_few_trials_or_few_that_came_as_far_stop_none():
    assert not is_hopeless((9.0,), curves(*FIVE[: BEFORE_PRUNING - 1]))
    longer = [(*values, 0.1) if number < AS_FAR - 1 else values for number, values in enumerate(FIVE)]
    assert not is_hopeless((0.5, 0.4, 9.0), curves(*longer)) and not is_hopeless((), curves(*FIVE))


def test_pruned_and_failed_trials_are_no_measure():
    record = curves(*FIVE)
    others = (Trial(6, {}, PRUNED, evaluations=(9.0,)), Trial(7, {}, FAILED))
    with_others = SearchRecord(**{**vars(record), "trials": (*record.trials, *others)})
    assert is_hopeless((0.71,), with_others)
