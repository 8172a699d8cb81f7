"""A decision rule that does not fit the labels is refused before training; one that does is described."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.data.rules.cost_tables import CostTable
from classification.data.rules.decided_rule import decide_rule
from classification.data.rules.rule_choice import RuleChoice
from classification.data.tasks import infer_task

TWO, THREE, SEVERAL = infer_task(["ham", "spam"]), infer_task(["a", "b", "c"]), infer_task([["a"], ["b"], []])
NUMBERS = infer_task([0.5, 1.5])
COSTS = CostTable("--costs c.csv", {"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("task", "choice", "words"),
    [
        (TWO, RuleChoice(tune_thresholds="global"), ["--tune_thresholds global", "single-label", "per_label"]),
        (THREE, RuleChoice(target_precision=0.9), ["--target_precision 0.9", "which class", "'c=0.9'"]),
        (THREE, RuleChoice(target_recall={"d": 0.9}), ["--target_recall", "'d' is not a label", "a, b, c"]),
        (SEVERAL, RuleChoice(target_recall={"A": 0.9}), ["--target_recall", "'A' is not a label", "Did you mean 'a'"]),
        (THREE, RuleChoice(thresholds=0.3), ["--thresholds 0.3", "3", "--costs"]),
        (THREE, RuleChoice(costs=COSTS), ["--costs c.csv", "no cost for true class 'c'"]),
        (SEVERAL, RuleChoice(costs=COSTS), ["--costs c.csv", "--thresholds with (cost of a false label) / (cost"]),
        (NUMBERS, RuleChoice(costs=COSTS), ["--costs c.csv", "regression"]),
        (NUMBERS, RuleChoice(target_recall=0.9), ["--target_recall", "regression"]),
        (NUMBERS, RuleChoice(tune_thresholds="per_label"), ["--tune_thresholds", "regression"]),
    ],
)
def test_a_rule_that_does_not_fit_the_labels_is_refused(task, choice, words):
    flags = {name: "c.csv" if name == "costs" else value for name, value in vars(choice).items() if value is not None}
    assert_refused(words, decide_rule, task, choice, flags)


def test_the_remedies_are_accepted():
    assert decide_rule(TWO, RuleChoice(tune_thresholds="per_label"), {}) == TWO
    assert decide_rule(THREE, RuleChoice(target_precision={"c": 0.9}), {}) == THREE
    assert decide_rule(SEVERAL, RuleChoice(thresholds=1 / (1 + 4)), {}).thresholds == (0.2, 0.2)


def test_a_rule_that_is_to_be_chosen_starts_from_the_default():
    """Not from the rule of the trained model that training goes on from."""
    assert decide_rule(TWO.with_thresholds(0.2), RuleChoice(target_recall=0.9), {}) == TWO
    assert decide_rule(SEVERAL.with_thresholds(0.2), RuleChoice(tune_thresholds="global"), {}) == SEVERAL
    assert decide_rule(SEVERAL.with_thresholds(0.2), RuleChoice(), {}).thresholds == (0.2, 0.2)


def test_the_rule_is_logged(caplog):
    caplog.set_level("INFO")
    decide_rule(TWO, RuleChoice(), {})
    assert not caplog.text
    decide_rule(TWO, RuleChoice(thresholds={"spam": 0.3}), {})
    decide_rule(TWO.with_thresholds(0.2), RuleChoice(), {})
    assert "'spam' is predicted from a probability of 0.3 (--thresholds {\"spam\": 0.3})" in caplog.text
    assert "'spam' is predicted from a probability of 0.2 (saved with the model)" in caplog.text
    decide_rule(SEVERAL, RuleChoice(thresholds=0.9), {})
    assert "a label is predicted from a probability of 0.9 (--thresholds 0.9)" in caplog.text


def test_costs_that_are_probably_not_meant_are_logged(caplog):
    costs = CostTable("--costs c.csv", {"a": {"b": 1, "c": 2}, "b": {"a": 1, "c": 2}, "c": {"a": 1, "b": 1, "c": 3}})
    decide_rule(THREE, RuleChoice(costs=costs), {})
    assert "--costs c.csv: the right answer is not the cheapest one for 'c'" in caplog.text
    assert "--costs c.csv: 'c' can never be predicted" in caplog.text


def test_a_baseline_gets_what_was_given_and_nothing_that_was_fitted():
    assert RuleChoice(tune_thresholds="global").without_fitting() == RuleChoice()
    assert RuleChoice(target_recall=0.5).without_fitting() == RuleChoice()
    for given in (RuleChoice(costs=COSTS), RuleChoice(thresholds=0.3)):
        assert given.without_fitting() == given and not given.is_fitted


def test_a_resumed_run_is_compared_with_what_was_asked():
    """A run of before these flags asked for the first two only."""
    assert RuleChoice().asked() == {"tune_thresholds": None, "thresholds": None}
    assert RuleChoice(costs=COSTS).asked()["costs"] == {"a": 1, "b": 2}
    assert RuleChoice(target_recall=0.5).asked()["target_recall"] == 0.5
