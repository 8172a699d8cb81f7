"""The rule that validation suggests: planted best rules are found, figures are cross-fitted, targets are kept."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from classification.data.rules.cost_tables import CostTable
from classification.data.rules.rule_choice import RuleChoice
from classification.data.tasks import infer_task
from classification.evaluation.decision_rules import Rows as ValidationRows
from classification.evaluation.decision_rules import choose_rule, small_parts

TWO, THREE, SEVERAL = infer_task(["ham", "spam"]), infer_task(["a", "b", "c"]), infer_task([["a"], ["b"], []])
TUNE, GLOBAL = RuleChoice(tune_thresholds="per_label"), RuleChoice(tune_thresholds="global")


def logit(probability):
    return np.log(probability) - np.log1p(-probability)


def planted(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits of two classes [N, 2] and label ids [N] of rows with these probabilities of spam."""
    probabilities = np.concatenate([positive, negative])
    return np.stack([np.zeros(len(probabilities)), logit(probabilities)], axis=1), np.repeat(
        [1, 0], [len(positive), len(negative)]
    )


# No row lies between 0.2 and 0.3: a threshold there is right for every row.
CLEAR = planted(np.linspace(0.3, 0.9, 60), np.linspace(0.01, 0.2, 140))


def multi_label(seed: int, rows: int, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    own = np.random.default_rng(seed)
    truth = (own.random((rows, classes)) < 0.2).astype(float)
    return 2 * truth - 2.5 + own.normal(size=truth.shape), truth


def levels(lines) -> list[int]:
    return [line.level for line in lines]


def threshold_of(task) -> float:
    return task.costs[0][1] / (task.costs[0][1] + task.costs[1][0])


# --------------------------------------------------------------------------------------------------- planted best rules


@pytest.mark.parametrize("choice", [TUNE, RuleChoice(target_precision=0.95), RuleChoice(target_recall=0.98)])
def test_a_planted_threshold_of_two_classes_is_found(choice):
    """Precision 95% allows 3 more rows than the 60, recall 98% needs 59 of them."""
    task, lines, record = choose_rule(choice, *CLEAR, TWO)
    allowed = {"tune_thresholds": (0.2, 0.3), "target_precision": (0.19, 0.2), "target_recall": (0.3, 0.311)}
    low, high = next(allowed[name] for name, value in vars(choice).items() if value is not None)
    assert low < threshold_of(task) < high and f"probability of {threshold_of(task):.4g}" in lines[0].text
    assert levels(lines) == [logging.INFO] and lines[0].topic == "decision"
    assert record["rows"] == 200 and record["split"] == "validation" and record["method"] == choice.flag


@pytest.mark.parametrize("choice", [TUNE, GLOBAL])
def test_planted_thresholds_of_several_labels_are_found(choice):
    """Label b has the rows and the probabilities of label a in another order."""
    logits, truth = CLEAR[0][:, 1], CLEAR[1].astype(float)
    order = np.random.default_rng(0).permutation(200)
    columns = np.stack([logits, logits[order]], axis=1), np.stack([truth, truth[order]], axis=1)
    task, _, record = choose_rule(choice, *columns, SEVERAL)
    assert all(0.2 < threshold < 0.3 for threshold in task.thresholds) and record["after"] == 1
    assert record["value"] == dict(zip(task.names, task.thresholds, strict=True))


def test_planted_weights_of_three_classes_are_found():
    """Class a has half of the probability in every row, and c is right wherever it has over 0.3."""
    own, label_ids = np.random.default_rng(0), np.arange(300) % 3
    third = np.where(label_ids == 2, own.uniform(0.32, 0.4, 300), own.uniform(0.02, 0.1, 300))
    first = np.where(label_ids == 1, 0.1, 0.55)
    logits = np.log(np.stack([first, 1 - first - third, third], axis=1))
    task, _, record = choose_rule(TUNE, logits, label_ids, THREE)
    assert record["before"] < 0.7 and record["after"] == 1 and (task.decide(logits) == label_ids).all()


def test_a_named_class_of_three_reaches_its_precision_and_its_recall():
    own = np.random.default_rng(3)
    label_ids = own.integers(3, size=1200)
    logits = own.normal(size=(1200, 3)) + 1.2 * np.eye(3)[label_ids]
    for metric in ("precision", "recall"):
        choice = RuleChoice(**{f"target_{metric}": {"b": 0.85}})
        task, lines, record = choose_rule(choice, logits, label_ids, THREE)
        decided, truth = task.decide(logits) == 1, label_ids == 1
        figures = {"precision": (decided & truth).sum() / decided.sum(), "recall": decided[truth].mean()}
        assert 0.85 <= figures[metric] < 0.87 and record["labels"]["b"] == {**figures, "reached": True}
        assert [len({*row}) for row in task.costs] == [2, 2, 2] and task.costs[0][1] == task.costs[2][0] == 1
        assert "second class" not in lines[0].text


# ------------------------------------------------------------------------------------------------- calibration, figures


def test_rules_are_chosen_on_calibrated_probabilities():
    """With temperatures, the thresholds are those of the calibrated logits, and the decisions are the same."""
    logits, label_ids = CLEAR
    cold, warm = choose_rule(TUNE, logits, label_ids, TWO)[0], replace(TWO, temperatures=(0.5,))
    chosen = choose_rule(TUNE, 0.5 * logits, label_ids, warm)[0]
    assert chosen.temperatures == (0.5,) and np.allclose(chosen.costs, cold.costs)
    hot = replace(SEVERAL, temperatures=(2.0, 3.0))
    raw, truth = multi_label(0, 1500)
    plain = choose_rule(TUNE, raw, truth, SEVERAL)[0].thresholds
    assert np.allclose(choose_rule(TUNE, raw * [2, 3], truth, hot)[0].thresholds, plain)


def test_figures_of_small_validation_sets_are_cross_fitted():
    """Labels without any pattern: a rule that its own rows judge looks good, and does not when other rows do."""
    own = np.random.default_rng(0)
    logits, truth = own.normal(size=(80, 6)) - 2, (own.random((80, 6)) < 0.3).astype(float)
    task = infer_task([[name] for name in "abcdef"])
    inside, outside = (choose_rule(TUNE, *(np.tile(part, (times, 1)) for part in (logits, truth)), task)[2]
                       for times in (13, 1))  # fmt: skip
    assert not inside["cross_fitted"] and inside["rows"] == 1040 and inside["parts"] == 0
    assert outside["cross_fitted"] and outside["rows"] == 80 and outside["parts"] == 5
    assert inside["before"] == pytest.approx(outside["before"]) and inside["after"] > outside["after"] + 0.02


def test_no_row_is_decided_by_a_rule_that_it_has_chosen():
    for task, label_ids in ((THREE, np.arange(50) % 3), (SEVERAL, multi_label(0, 50)[1])):
        parts = small_parts(ValidationRows(np.zeros((50, 3)), label_ids), task)
        assert len(parts) == 5 and sorted(np.concatenate([outside for _, outside in parts])) == list(range(50))
        assert all(not set(inside) & set(outside) and len(inside) + len(outside) == 50 for inside, outside in parts)


def test_the_figures_are_those_of_the_rule():
    logits, truth = multi_label(1, 1200)
    task, _, record = choose_rule(TUNE, logits, truth, SEVERAL)
    assert record["metric"] == "f1_macro"
    assert record["before"] == pytest.approx(f1_score(truth, SEVERAL.decide(logits), average="macro"))
    assert record["after"] == pytest.approx(f1_score(truth, task.decide(logits), average="macro"))


def test_a_rule_for_f1_is_the_median_of_the_parts():
    logits, truth = multi_label(2, 200)
    own = [
        choose_rule(TUNE, *(np.tile(part[inside], (13, 1)) for part in (logits, truth)), SEVERAL)[0].thresholds
        for inside, _ in small_parts(ValidationRows(logits, truth), SEVERAL)
    ]
    assert choose_rule(TUNE, logits, truth, SEVERAL)[0].thresholds == pytest.approx(np.median(own, axis=0))


@pytest.mark.parametrize("choice", [TUNE, GLOBAL, RuleChoice(target_precision=0.8), RuleChoice(target_recall=0.8)])
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 40, 1001])
def test_any_number_of_rows_gives_a_rule_and_a_record_that_is_json(choice, rows):
    for task, (logits, label_ids) in (
        (SEVERAL, multi_label(rows, rows)),
        (TWO, planted(np.full(rows // 2, 0.4), np.linspace(0.1, 0.5, rows - rows // 2))),
    ):  # fmt: skip
        if choice == GLOBAL and task is TWO:
            continue
        chosen, lines, record = choose_rule(choice, logits, label_ids, task)
        text = json.dumps(record)
        assert json.dumps(json.loads(text)) == text and lines and np.isfinite(chosen.decide(logits)).all()


# ------------------------------------------------------------------------------------------------------------- warnings


def test_a_rule_that_brings_nothing_leaves_the_default_with_a_warning():
    logits, label_ids = planted(np.linspace(0.6, 0.9, 50), np.linspace(0.1, 0.4, 150))
    task, lines, record = choose_rule(TUNE, logits, label_ids, TWO)
    assert task == TWO and levels(lines) == [logging.WARNING]
    assert "--tune_thresholds per_label: brought nothing on validation (macro F1 1.000 -> 1.000" in lines[0].text
    assert record["value"] == "the most probable class" and record["before"] == record["after"] == 1
    several = replace(SEVERAL, thresholds=(0.1, 0.9))  # of a trained model
    columns = np.stack([logits[:, 1]] * 2, axis=1), np.stack([label_ids] * 2, axis=1).astype(float)
    assert choose_rule(TUNE, *columns, several)[0].thresholds == (0.5, 0.5)


def test_an_unreachable_precision_keeps_the_default_and_names_the_best():
    """The row with the highest probability is ham, and so are every second of the others."""
    logits, label_ids = planted(np.linspace(0.61, 0.9, 20), np.linspace(0.6, 0.95, 20))
    task, lines, record = choose_rule(RuleChoice(target_precision=0.99), logits, label_ids, TWO)
    assert task == TWO and levels(lines) == [logging.WARNING] and not record["labels"]["spam"]["reached"]
    assert "--target_precision 0.99: not reached for 'spam' on validation (the best is 0.5" in lines[0].text


def test_an_unreachable_label_keeps_its_threshold_beside_one_that_is_reached():
    logits, truth = multi_label(0, 1200)
    truth[:, 1] = 0
    task, lines, record = choose_rule(RuleChoice(target_precision=0.8), logits, truth, SEVERAL)
    assert task.thresholds[0] != 0.5 and task.thresholds[1] == 0.5
    assert [record["labels"][name]["reached"] for name in "ab"] == [True, False]
    assert "not reached for 'b' on validation (no validation row has it)" in lines[1].text


def test_few_rows_of_a_label_get_a_warning():
    logits, truth = multi_label(0, 1200)
    truth[9:, 1] = 0
    for choice in (TUNE, RuleChoice(target_recall=0.5)):
        texts = [line.text for line in choose_rule(choice, logits, truth, SEVERAL)[1] if line.level == logging.WARNING]
        assert len(texts) == 1 and "few validation rows have label b (" in texts[0]
        assert ("--tune_thresholds global is more stable" in texts[0]) == (choice == TUNE)
    assert levels(choose_rule(GLOBAL, logits, truth, SEVERAL)[1]) == [logging.INFO]


def test_a_precision_of_few_predictions_gets_a_warning():
    logits, label_ids = planted(np.array([0.99, 0.98, *np.linspace(0.3, 0.5, 40)]), np.linspace(0.35, 0.9, 40))
    lines = choose_rule(RuleChoice(target_precision=0.9), logits, label_ids, TWO)[1]
    assert "few predictions of spam (2)" in lines[-1].text and lines[-1].level == logging.WARNING


def test_the_class_of_a_plain_target_is_named():
    line = choose_rule(RuleChoice(target_recall=0.9), *CLEAR, TWO)[1][0].text
    assert "(the second class): 'spam' precision 1.000 -> " in line and "on 200 validation rows" in line


def test_given_costs_choose_nothing_and_are_measured():
    """ham is predicted for 45 of the 60 rows of spam by default, and for none with these costs."""
    table = CostTable("--costs c.csv", {"ham": 1, "spam": 4})
    task = TWO.with_costs(table)
    chosen, lines, record = choose_rule(RuleChoice(costs=table), *CLEAR, task)
    missed = int((np.linspace(0.3, 0.9, 60) < 0.5).sum())
    assert chosen == task and record is None
    wrong = int((np.linspace(0.01, 0.2, 140) > 0.2).sum())
    assert lines[0].text == f"cost per row {4 * missed / 200:.4g} -> {wrong / 200:.4g} on 200 validation rows"
    assert choose_rule(RuleChoice(thresholds=0.3), *CLEAR, TWO) == (TWO, [], None)


# ---------------------------------------------------------------------------------------------------------------- speed


def test_rules_are_chosen_fast():
    own = np.random.default_rng(0)
    label_ids = (own.random(25_000) < 0.2).astype(int)
    two = np.stack([np.zeros(25_000), 2 * label_ids - 2.5 + own.normal(size=25_000)], axis=1)
    names = infer_task([[f"label {i}"] for i in range(28)])
    for seconds, choice, rows, task in (
        (1, RuleChoice(target_precision=0.9), (two, label_ids), TWO), (1, TUNE, (two, label_ids), TWO),
        (3, TUNE, multi_label(0, 5000, 28), names), (3, RuleChoice(target_recall=0.9), multi_label(0, 5000, 28), names),
    ):  # fmt: skip
        start = time.perf_counter()
        choose_rule(choice, *rows, task)
        assert time.perf_counter() - start < seconds
