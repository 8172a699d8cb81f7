"""Class weights: their mean, their ratios and the two formulas."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import assert_refused
from sklearn.utils.class_weight import compute_class_weight

from classification.data.label_hints import LabelHints
from classification.data.tasks import infer_task
from classification.training.class_weights import class_weights

THREE = infer_task(["a", "b", "c"])
SEVERAL = infer_task([["a"], ["b"], ["c"], []])
IDS = np.array([0] * 70 + [1] * 25 + [2] * 5)
TRUTH = (np.random.default_rng(0).random((100, 3)) < [0.6, 0.3, 0.05]).astype(np.float32)


@pytest.mark.parametrize("given", ["balanced", "effective", {"a": 3.0, "c": 0.5}])
def test_weights_have_mean_one_over_the_training_rows(given):
    assert class_weights(given, THREE, IDS)[IDS].mean() == pytest.approx(1)
    several = class_weights(given, SEVERAL, TRUTH)
    for label in range(3):
        assert several[label][TRUTH[:, label].astype(int)].mean() == pytest.approx(1)


def test_balanced_weights_are_those_of_scikit_learn():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=IDS)
    assert class_weights("balanced", THREE, IDS) == pytest.approx(expected)


def test_effective_weights_follow_the_paper():
    """Cui et al. 2019, equation 2: the effective number of n rows is (1 - beta ** n) / (1 - beta)."""
    number = (1 - 0.999 ** np.array([70, 25, 5])) / (1 - 0.999)
    weights = class_weights("effective", THREE, IDS)
    assert weights / weights[0] == pytest.approx(number[0] / number)


def test_named_weights_keep_their_ratios():
    weights = class_weights({"c": 4.0}, THREE, IDS)
    assert weights / weights[0] == pytest.approx([1, 1, 4])
    yes_against_no = class_weights({"c": 4.0}, SEVERAL, TRUTH)
    assert yes_against_no[:, 1] / yes_against_no[:, 0] == pytest.approx([1, 1, 4])


def test_no_weights_are_none():
    assert class_weights(None, THREE, IDS) is None


def test_a_weight_for_an_unknown_label_is_refused():
    assert_refused(["--class_weights", "'aa'", "a, b, c", "Did you mean 'a'?"], class_weights, {"aa": 2.0}, THREE, IDS)


def test_a_class_without_training_rows_does_no_harm():
    four = infer_task(["a", "b"], LabelHints(class_names=("a", "b", "c", "never")))
    for given in ("balanced", "effective"):
        assert np.isfinite(class_weights(given, four, IDS)).all()
