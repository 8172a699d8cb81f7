"""Thresholds of a saved model are checked, because config.json can be edited."""

from __future__ import annotations

import pytest
from helpers import make_bert

from classification.data.tasks import task_from_config
from classification.errors import UsageError


def test_thresholds_outside_0_to_1_in_a_saved_config_are_refused():
    config = make_bert(problem_type="multi_label_classification").config
    config.thresholds = {"LABEL_0": 3}
    with pytest.raises(UsageError, match="config.json: thresholds 3: a threshold is a probability"):
        task_from_config(config)
