"""The size of a fitted model is that of its pickle, which is never made."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from classification.experiments import object_size
from classification.experiments.object_size import count_bytes


def test_a_forest_has_the_size_of_its_pickle_without_a_copy_of_its_arrays():
    draw = np.random.default_rng(0)
    forest = RandomForestClassifier(20, random_state=0).fit(draw.random((600, 20)), draw.integers(0, 5, 600))
    assert count_bytes(forest) == pytest.approx(len(pickle.dumps(forest)), rel=0.02)
    written = []
    counter = object_size.ByteCounter()
    counter.write = lambda content: written.append(memoryview(content).nbytes)
    object_size.ArrayCounter(counter).dump(forest)
    assert sum(written) < 0.1 * len(pickle.dumps(forest))


def test_words_are_counted_too():
    terms = np.array(["film", "book" * 100], dtype=object)
    assert count_bytes(terms) == pytest.approx(len(pickle.dumps(terms)), rel=0.05)
