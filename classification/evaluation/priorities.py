"""One class per row: a weight per class, so that the class with the highest probability x weight is predicted.

Weights are kept as logarithms. The lead of a class in a row is its log probability minus the highest weighted log
probability of the other classes: the class is predicted where its log weight is above minus its lead.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from classification.evaluation.thresholds import EQUAL, Reached, Search

# N rows of validation, C classes.

SWEEPS = 20  # over all classes
BEYOND = 2.0  # of a cut below the lowest lead
LARGEST = 30.0  # of a log weight


def leads(log_probabilities: np.ndarray, weights: np.ndarray, chosen: int) -> tuple[np.ndarray, np.ndarray]:
    """The lead of a class in each row [N], and the best of the other classes, int64 [N]."""
    weighted = log_probabilities + weights
    weighted[:, chosen] = -np.inf
    rivals = weighted.argmax(axis=1)
    return log_probabilities[:, chosen] - weighted[np.arange(len(weighted)), rivals], rivals


def reach_targets(
    log_probabilities: np.ndarray, label_ids: np.ndarray, targets: Mapping[int, float], search: Search
) -> tuple[np.ndarray, dict[int, Reached]]:
    """Log weights [C] with which each class of `targets` reaches its target, and how; 0 for all other classes.

    Several classes depend on each other: they get their weights in turn until nothing changes.
    """
    weights, found = np.zeros(log_probabilities.shape[1]), dict[int, Reached]()
    for _ in range(SWEEPS if len(targets) > 1 else 1):
        before = weights.copy()
        for chosen, target in targets.items():
            lead, _rivals = leads(log_probabilities, weights, chosen)
            found[chosen] = search(lead, label_ids == chosen, target, float(lead.min()) - BEYOND)
            cut = found[chosen].cut
            weights[chosen] = 0.0 if cut is None else float(np.clip(-cut, -LARGEST, LARGEST))
        if np.array_equal(weights, before):
            break
    return weights, found


def tune_macro_f1(log_probabilities: np.ndarray, label_ids: np.ndarray) -> np.ndarray:
    """Log weights [C] with a high macro F1: the highest of all with two classes, else one class after the other.

    Classes without a row keep 0; with two classes the first one does. Equally good weights leave a class as it is.

    Args:
        log_probabilities: [N, C]; label_ids: [N].
    """
    size = log_probabilities.shape[1]
    weights, present = np.zeros(size), np.unique(label_ids)
    if len(present) < 2:
        return weights
    for _ in range(SWEEPS if size > 2 else 1):
        before = weights.copy()
        for chosen in [1] if size == 2 else present:
            weights[chosen] = best_weight(log_probabilities, label_ids, weights, int(chosen))
        if np.array_equal(weights, before):
            break
    return weights


def best_weight(log_probabilities: np.ndarray, label_ids: np.ndarray, weights: np.ndarray, chosen: int) -> float:
    """The log weight of one class that gives the highest macro F1 while the others keep theirs."""
    lead, rivals = leads(log_probabilities, weights, chosen)
    order = np.argsort(-lead, kind="stable")
    lead, sums = lead[order], f1_sums(rivals[order], label_ids[order], chosen, log_probabilities.shape[1])
    edges = np.concatenate(([lead[0] + BEYOND], lead, [lead[-1] - BEYOND]))  # number i is between edges i and i + 1
    possible = edges[:-1] > edges[1:]  # equal leads are accepted together
    best = np.flatnonzero(possible & (sums >= sums[possible].max() - EQUAL))
    accepted_now = int((lead >= -weights[chosen]).sum())
    if accepted_now in best:
        return float(weights[chosen])
    cuts = (edges[best] + edges[best + 1]) / 2
    return float(np.clip(-min(cuts, key=abs), -LARGEST, LARGEST))


def f1_sums(rivals: np.ndarray, label_ids: np.ndarray, chosen: int, size: int) -> np.ndarray:
    """Sums of the F1 of all classes that have rows, where the first 0, 1, ..., N rows are predicted as `chosen`.

    A row that changes from its rival to `chosen` changes the F1 of these two classes only.

    Args:
        rivals: what is predicted instead, [N]; label_ids: [N], in the same order.
    """
    support, predicted = np.bincount(label_ids, minlength=size), np.bincount(rivals, minlength=size)
    is_hit = rivals == label_ids
    hits = np.bincount(rivals[is_hit], minlength=size)
    by_rival = np.argsort(rivals, kind="stable")
    starts = np.concatenate(([0], np.cumsum(predicted)[:-1]))
    in_order = rivals[by_rival]
    gone = np.arange(len(rivals)) - starts[in_order] + 1  # rows that have left this rival, this one included
    running = np.concatenate(([0], np.cumsum(is_hit[by_rival])))
    gone_hits = running[1:] - running[starts[in_order]]
    left, left_hits = predicted[in_order] - gone, hits[in_order] - gone_hits
    after = f1_of(left_hits, left, support[in_order])
    before = f1_of(left_hits + is_hit[by_rival], left + 1, support[in_order])
    changes = np.empty(len(rivals))
    changes[by_rival] = after - before
    others = f1_of(hits, predicted, support).sum() + np.concatenate(([0.0], np.cumsum(changes)))
    own_hits = np.concatenate(([0], np.cumsum(label_ids == chosen)))
    return others + f1_of(own_hits, np.arange(len(rivals) + 1), np.full(len(rivals) + 1, support[chosen]))


def f1_of(hits: np.ndarray, predicted: np.ndarray, support: np.ndarray) -> np.ndarray:
    """F1 of counts; 0 for a class without rows."""
    return np.where(support > 0, 2 * hits / np.maximum(predicted + support, 1), 0.0)
