"""What was predicted stays beside its row."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from classification.evaluation.predictions import Predictions


def test_a_text_is_cut_where_not_every_token_was_read():
    rows = Dataset.from_dict({"id": ["a", "b"], "label": [1, None]})
    predictions = Predictions(rows, np.zeros((2, 2)), tokens=np.array([8, 5]), full_tokens=np.array([9, 5]))
    assert predictions.truncated.tolist() == [True, False] and predictions.label_ids == [1, None]


def test_rows_of_a_split_without_labels_have_none():
    rows = Dataset.from_dict({"id": ["a", "b"]})
    assert Predictions(rows, *[np.zeros(2)] * 3).label_ids == [None, None]
