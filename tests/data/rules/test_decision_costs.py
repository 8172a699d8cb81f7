"""One class per row is decided by the least expected cost, and every form of the rule says the same."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import assert_refused

from classification.data.label_hints import LabelHints
from classification.data.rules.cost_tables import CostTable
from classification.data.tasks import infer_task, task_from_config
from classification.data.trained_labels import continue_task

TWO, THREE = infer_task(["ham", "spam"]), infer_task(["a", "b", "c"])
NAMES = ("naïve, quite", 'say "no"', "日本語", "007", "1.0", "{x}", "a\nb", "it's=0.5")
draw = np.random.default_rng(0)
LOGITS = draw.normal(size=(300, 3)).astype(np.float32)


def logits_of(*probabilities: float) -> np.ndarray:
    return np.log(np.array([probabilities]))


def test_decisions_by_hand():
    """Predicting a costs 0.2 x 1 + 0.3 x 10 = 3.2, b 0.5 x 2 + 0.3 x 4 = 2.2, and c 0.5 x 3 + 0.2 x 5 = 2.5."""
    task = replace(THREE, costs=((0.0, 2.0, 3.0), (1.0, 0.0, 5.0), (10.0, 4.0, 0.0)))
    assert task.decide(logits_of(0.5, 0.2, 0.3)) == 1
    assert task.decide(logits_of(0.9, 0.05, 0.05)) == 0  # 0.55, 2.0, 2.95
    assert task.decide(logits_of(0.3, 0.1, 0.6)) == 2  # 6.1, 3.0, 1.4


def test_a_right_answer_may_have_a_cost():
    """Predicting ham costs 0.6 x 3 + 0.4 x 4 = 3.4, and spam 0.6 x 3.5 + 0.4 x 1 = 2.5."""
    task = replace(TWO, costs=((3.0, 3.5), (4.0, 1.0)))
    assert task.decide(logits_of(0.6, 0.4)) == 1 and task.decide(logits_of(0.95, 0.05)) == 0


@pytest.mark.parametrize("threshold", [0.001, 0.3, 0.5, 0.9])
def test_a_threshold_of_two_classes_is_a_cost(threshold):
    task = TWO.with_thresholds(threshold)
    assert task == TWO.with_thresholds({"spam": threshold})
    for probability in (threshold * 0.99, threshold * 1.01):
        assert task.decide(logits_of(1 - probability, probability)) == (probability > threshold)
    first = TWO.with_thresholds({"ham": threshold})
    assert first.decide(logits_of(threshold * 1.01, 1 - threshold * 1.01)) == 0
    assert first.decide(logits_of(threshold * 0.99, 1 - threshold * 0.99)) == 1


def test_equal_costs_decide_as_none_do_bit_for_bit():
    """Logits that differ by the last bit, and equal ones, too."""
    near = LOGITS.copy()
    near[:100, 1] = near[:100, 0]
    near[100:200, 1] = np.nextafter(near[100:200, 0], np.float32(9))
    task = replace(THREE, costs=((0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0)))
    for logits in (near, 40 * near, near.astype(np.float64)):
        assert (task.decide(logits) == THREE.decide(logits)).all()


def test_temperatures_are_applied_before_costs():
    task = replace(TWO.with_thresholds(0.2), temperatures=(2.0,))
    logits = np.array([[0.0, -2.0], [0.0, -3.0]])  # spam: 0.27 and 0.18 calibrated, 0.12 and 0.05 not
    assert task.decide(logits).tolist() == [1, 0] and replace(task, temperatures=()).decide(logits).tolist() == [0, 0]


@pytest.mark.parametrize("costs", [((0, 2, 3), (1, 0, 5), (10, 4, 0)), ((0, 1, 1), (1, 0, 1), (1, 1, 0))])
@pytest.mark.parametrize("temperatures", [(), (0.5,), (3.0,)])
def test_no_logit_within_half_the_margin_changes_the_decision(costs, temperatures):
    task = replace(THREE, costs=costs, temperatures=temperatures)
    margins, decisions = task.margin(LOGITS), task.decide(LOGITS)
    for sign in np.stack(np.meshgrid(*[[-1, 1]] * 3), axis=-1).reshape(-1, 3):
        moved = LOGITS + 0.499 * margins[:, None] * sign
        assert (task.decide(moved) == decisions).all()


def test_the_margin_of_equal_costs_is_the_difference_of_the_two_highest_logits():
    task = replace(THREE, costs=((0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0)), temperatures=(2.0,))
    assert task.margin(LOGITS) == pytest.approx(THREE.margin(LOGITS), rel=1e-5)
    spam = TWO.with_thresholds(0.2)
    assert spam.margin(np.array([[np.log(4), 0.0], [0.0, 0.5]])) == pytest.approx([0, 0.5 + np.log(4)], abs=1e-9)


def test_rows_of_training_are_counted_by_the_rule():
    labels = torch.tensor([0, 1])
    logits = torch.tensor([[0.0, -1.0], [0.0, -1.0]])
    assert TWO.torch_hits(logits, labels) == 1 and TWO.with_thresholds(0.2).torch_hits(logits, labels) == 1
    assert TWO.with_thresholds(0.2).torch_hits(logits, torch.tensor([1, 1])) == 2


def saved(task) -> SimpleNamespace:
    """The config of a task as it comes back from JSON."""
    config = SimpleNamespace(name_or_path="out")
    task.write_to(config)
    return SimpleNamespace(**json.loads(json.dumps(vars(config))))


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1], NAMES[:2]])
@pytest.mark.parametrize("simple", [True, False])
def test_costs_come_back_from_a_config_bit_for_bit(names, simple):
    costs = draw.random((len(names), len(names)))
    if simple:
        costs = np.where(np.eye(len(names)) > 0, 0, costs[:, :1])
    task = replace(infer_task(["a", "b"]), names=names, costs=tuple(map(tuple, costs.tolist())))
    assert task_from_config(saved(task), LabelHints()) == task
    assert "decision_costs" not in vars(saved(replace(task, costs=())))


def test_costs_follow_their_names_to_another_order_of_labels():
    """Training goes on from a model whose ids have another order, and so does prediction."""
    config = saved(replace(THREE, names=("c", "a", "b"), costs=((0.0, 1.0, 2.0), (3.0, 0.0, 4.0), (5.0, 6.0, 0.0))))
    config.architectures = None
    followed = continue_task(infer_task(["a", "b", "c"]), config)
    assert followed.names == ("c", "a", "b") and followed.costs[0] == (0.0, 1.0, 2.0)
    table = CostTable("--costs", {"a": {"b": 4, "c": 3}, "b": {"c": 5, "a": 6}, "c": {"a": 1, "b": 2}})
    assert infer_task(["a", "b", "c"]).with_costs(table).costs == ((0.0, 4.0, 3.0), (6.0, 0.0, 5.0), (1.0, 2.0, 0.0))
    assert followed.with_costs(table) == followed


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        ({"a": 1, "b": 2}, ["config.json: decision_costs", "true class 'c'"]),
        ({"a": 1, "b": 2, "x": 3}, ["config.json: decision_costs", "'x' is unknown"]),
        ({"a": 1, "b": 2, "c": -1}, ["config.json: decision_costs", "true 'c' is -1"]),
        ([[0, 1], [1, 0]], ["config.json: decision_costs", "by true and predicted class"]),
    ],
)
def test_costs_that_were_edited_in_a_config_are_checked(costs, words):
    config = saved(THREE)
    config.decision_costs = costs
    assert_refused(words, task_from_config, config)


@pytest.mark.parametrize(
    ("task", "given", "words"),
    [
        (THREE, 0.3, ["--thresholds 0.3", "two classes", "--costs"]),
        (THREE, {"a": 0.3}, ["--thresholds", "two classes"]),
        (TWO, {"ham": 0.3, "spam": 0.3}, ["--thresholds", "Name one"]),
        (TWO, {"spma": 0.3}, ["'spma' is not a label", "Did you mean 'spam'"]),
        (TWO, {"a=0.9,b": 0.8}, ["'a=0.9,b' is not a label", "For several labels write JSON"]),
        (TWO, 1.5, ["--thresholds 1.5", "from 0 to 1"]),
    ],
)
def test_thresholds_that_do_not_decide_are_refused(task, given, words):
    assert_refused(words, task.with_thresholds, given)


def test_the_default_rule_has_no_costs_and_no_temperatures():
    assert replace(TWO.with_thresholds(0.2), temperatures=(2.0,)).untuned() == TWO


def test_the_rule_is_described():
    assert TWO.describe_rule() == "" and TWO.with_thresholds(0).describe_rule()
    assert TWO.with_thresholds(0.25).describe_rule() == "'spam' is predicted from a probability of 0.25"
    weights = replace(THREE, costs=((0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (2.5, 2.5, 0.0)))
    assert weights.describe_rule().endswith("the weights are c 2.5 (1 for all others)")
    assert "least expected cost" in replace(THREE, costs=((0, 1, 2), (1, 0, 1), (1, 1, 0))).describe_rule()
    assert replace(TWO, costs=((0.0, 0.0), (0.0, 0.0))).describe_rule()


@pytest.mark.parametrize("size", [2, 3, 8])
@pytest.mark.parametrize("simple", [True, False])
@pytest.mark.parametrize("is_saved", [True, False])
def test_the_lines_for_pipeline_decide_as_the_task_does(size, simple, is_saved, capsys):
    costs = draw.random((size, size)) * (1 - np.eye(size))
    if simple:
        costs = np.where(np.eye(size) > 0, 0, costs[:, [-1]] + 0.1)
    task = replace(TWO, names=NAMES[:size], costs=tuple(map(tuple, costs.tolist())))
    logits = draw.normal(size=(50, size))
    config = saved(task)
    answers = [
        [{"label": name, "score": float(value)} for name, value in zip(task.names, row, strict=True)]
        for row in task.probabilities(logits)
    ]

    def classify(texts):
        assert texts == ["x"]
        return answers

    classify.model = SimpleNamespace(config=config)
    lines = task.usage_rule(vars(config) if is_saved else {}, '["x"]')
    assert ("decision_costs" in lines[0]) == is_saved and len(lines) == 2
    exec("\n".join(lines), {"classify": classify})
    assert capsys.readouterr().out.strip() == str([task.decode(decided) for decided in task.decide(logits)])
