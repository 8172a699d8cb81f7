"""Temperatures in a config: written and read without loss, and kept away from other models."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from transformers import BertConfig

from classification.data.tasks import infer_task, task_from_config
from classification.data.trained_labels import continue_task

ONE = replace(infer_task(["b", "a"]), temperatures=(1.234567,), fitted_on="500 rows (0123456789ab)")
EACH = replace(infer_task([["b"], ["a"]]), temperatures=(1 / 3, 20.0), fitted_on="500 rows (0123456789ab)")


@pytest.mark.parametrize("task", [ONE, EACH])
def test_a_saved_config_gives_the_task_back(task, tmp_path):
    config = BertConfig()
    task.write_to(config)
    config.save_pretrained(tmp_path)  # the library refuses a key named temperature
    again = task_from_config(BertConfig.from_pretrained(tmp_path))
    assert again == task and again.fitted_on == task.fitted_on


@pytest.mark.parametrize("task", [ONE, EACH])
def test_the_task_in_run_json_is_the_same(task):
    config = SimpleNamespace()
    task.write_to(config)
    assert task_from_config(SimpleNamespace(**json.loads(json.dumps(vars(config))))) == task


@pytest.mark.parametrize("task", [ONE, EACH])
def test_an_uncalibrated_task_leaves_nothing_behind(task):
    config = BertConfig()
    task.write_to(config)
    task.untuned().write_to(config)
    assert not hasattr(config, "calibration") and task_from_config(config).temperatures == ()


@pytest.mark.parametrize("task", [ONE, EACH])
def test_a_task_that_continues_a_trained_one_is_not_calibrated_yet(task, tmp_path):
    config = BertConfig()
    task.write_to(config)
    config.save_pretrained(tmp_path)
    config = BertConfig.from_pretrained(tmp_path, name_or_path="a model")
    followed = continue_task(task.untuned(), config)
    assert followed.keeps_head and followed.temperatures == () and followed.fitted_on == ""


def test_probabilities_are_calibrated_and_losses_are_not():
    logits, truth = np.array([[1.0, 3.0], [2.0, -2.0]]), np.array([0, 1])
    assert ONE.row_losses(logits, truth).tolist() == ONE.untuned().row_losses(logits, truth).tolist()
    assert ONE.probabilities(logits) == pytest.approx(ONE.untuned().probabilities(logits / 1.234567))
    labels = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert EACH.row_losses(logits, labels).tolist() == EACH.untuned().row_losses(logits, labels).tolist()
    assert EACH.probabilities(logits) == pytest.approx(EACH.untuned().probabilities(logits / [1 / 3, 20.0]))


def test_the_rows_of_the_fit_do_not_make_a_task_another_one():
    assert replace(ONE, fitted_on="") == ONE and replace(ONE, temperatures=(1.0,)) != ONE
