"""Whether a model has collapsed: one prediction for every row, or a ranking no better than chance."""

from __future__ import annotations

import numpy as np

from classification.data.labels import LabelSpace
from classification.evaluation.metrics import average_precisions
from classification.messages.log import Line, warning

# N rows, C labels.

CHANCE = 0.01
SMALL_LIFT = 0.1  # of average precision, on a scale from the base rate (0) to 1
LEVEL = 0.95
RESAMPLES, MIN_RESAMPLES, MAX_NUMBERS = 200, 20, 50_000_000
NOTHING = ("", "[]")  # how a task writes a prediction without a label


def find_collapse(logits: np.ndarray, label_ids: np.ndarray, task: LabelSpace) -> str | None:
    """Why the model has collapsed, None where it has not: logits [N, C], label_ids [N] or [N, C] of labelled rows.

    1. All rows have the same prediction, and their labels differ. Few rows can agree by chance: the probability that a
       prediction with the frequencies of the labels is the same N times must be below 1%. It is `p ** N`, where p is
       the share of rows with this label (one more row for and one against it). Seven rows of two equal classes are
       enough; 24 rows of which one has another label are not. (Mosbach et al. 2021, On the Stability of Fine-tuning
       BERT, describes such runs.)
    2. The mean average precision of the labels is at the mean of their base rates: inside the 95% of random orders of
       the rows that are lowest, where these are near enough to the base rate to show a lift of a tenth.
    """
    if len(np.unique(label_ids, axis=0)) < 2 or not np.isfinite(logits).all():
        return None
    probabilities, reasons = task.probabilities(logits), [find_one_prediction(task.decide(logits), label_ids, task)]
    if probabilities is not None:
        reasons.append(find_chance_ranking(task.in_units(label_ids), task.indicators(label_ids), probabilities))
    return "; ".join(filter(None, reasons)) or None


def find_one_prediction(decisions: np.ndarray, label_ids: np.ndarray, task: LabelSpace) -> str | None:
    """The first reason of `find_collapse`: decisions and label_ids are [N] or [N, C]."""
    if not task.is_constant(decisions):
        return None
    rows = len(label_ids)
    agree = np.asarray(decisions == label_ids).reshape(rows, -1).all(axis=1).sum()
    if ((agree + 1) / (rows + 2)) ** rows >= CHANCE:
        return None
    text = task.decode(decisions[0])
    if text in NOTHING:
        return f"it predicts no label for any of the {rows} rows, and {rows - agree} of them have one"
    other = "label" if task.counts([]) else "value"
    return f"it predicts {text} for all {rows} rows, and {rows - agree} of them have another {other}"


def find_chance_ranking(references: np.ndarray, truth: np.ndarray, probabilities: np.ndarray) -> str | None:
    """Why a ranking is no better than chance, None where it is (or too few rows could show it).

    Args:
        references: as for `average_precisions`; truth: 0 and 1 per label, [N, C].
        probabilities: [N, C].
    """
    shares = truth.mean(axis=0)
    varies = (shares > 0) & (shares < 1)
    if not varies.any():
        return None
    value, base = average_precisions(references, probabilities)[varies].mean(), shares[varies].mean()
    if value - base > SMALL_LIFT * (1 - base):
        return None
    highest = np.quantile(random_precisions(truth[:, varies]), LEVEL)
    if value > highest or highest - base > SMALL_LIFT * (1 - base):
        return None
    return f"its average precision, {value:.3f}, is that of a random order (the labels have a base rate of {base:.3f})"


def random_precisions(truth: np.ndarray) -> np.ndarray:
    """The mean average precision of random orders of the rows, [R]: truth [N, C] of 0 and 1, each label in some row."""
    generator, ranks = np.random.default_rng(0), np.arange(1, len(truth) + 1)[:, None]
    count = int(np.clip(MAX_NUMBERS // truth.size, MIN_RESAMPLES, RESAMPLES))
    values = []
    for _ in range(count):
        shuffled = truth[generator.permutation(len(truth))]
        precisions = (np.cumsum(shuffled, axis=0) / ranks * shuffled).sum(axis=0) / shuffled.sum(axis=0)
        values.append(precisions.mean())
    return np.array(values)


def collapse_warning(split: str, reason: str, task: LabelSpace, *, head_at_zero: bool) -> Line:
    """A warning with the remedies that the task supports.

    Args:
        head_at_zero: the run was asked for `--head_init zero`.
    """
    flags = ["a higher --num_train_epochs", "another --learning_rate"]
    flags += ["--head_init prior"] if head_at_zero else []
    flags += ["--class_weights balanced"] if "class_weights" not in task.unsupported else []
    flags += ["--tune_thresholds global"] if "global" in task.tune_scopes else []
    flags += ["another decision rule"] if task.describe_rule() else []
    return warning(f"The model has collapsed on {split}: {reason}. Train again with {' or '.join(flags)}")
