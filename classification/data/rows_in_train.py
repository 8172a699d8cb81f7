"""Which rows of a split the model was trained on, because train has the same text."""

from __future__ import annotations

import numpy as np
from datasets import DatasetDict

from classification.data.corpus import TextKeys


def rows_in_train(splits: DatasetDict, split: str) -> np.ndarray | None:
    """Whether train has the text of each row byte for byte (of a pair, both texts), bool [N]; None without train."""
    if "train" not in splits or split == "train":
        return None
    known = {hash(key) for key in TextKeys(splits[split])}
    known.intersection_update(hash(key) for key in TextKeys(splits["train"]))  # read one by one: train may be large
    return np.array([hash(key) in known for key in TextKeys(splits[split])], dtype=bool)
