"""Groups of texts that are nearly equal."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from classification.data.near_copies import near_pairs
from classification.data.words import Words

# N texts, P pairs.


def group_words(words: Words) -> np.ndarray:
    """Numbers of the groups of nearly equal texts, int64 [N]."""
    return connect(len(words), near_pairs(words))


def connect(count: int, pairs: np.ndarray) -> np.ndarray:
    """Numbers of the groups that `pairs` [P, 2] of `count` items form, int64 [count]."""
    edges = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(edges, directed=False)[1].astype(np.int64)
