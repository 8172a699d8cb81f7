"""95% intervals of metrics: what other rows from the same source would give. They do not measure another training.

The percentile bootstrap (Efron and Tibshirani 1993, chapter 13) draws the rows with replacement; rows with the same
text are drawn together. `scipy.stats.bootstrap` computes a metric anew on every set of drawn rows: accuracy, balanced
accuracy, macro F1 and MCC of 25,000 rows take 23 s for 2,000 resamples, average precision of 2 classes 6 s for 1,000.
Here the former are functions of sums over rows, and how often each kind of row is drawn is multinomial: 0.02 s.
Average precision is computed with row weights, so that the rows are sorted once: 0.3 s, and 2.5 s for 200,000 rows.
(One core of an AMD EPYC; the limits agree with those of scipy within the noise of resampling.)

A bootstrap cannot see what hardly any row shows: for 20 of 20 right rows it would give "1.000 to 1.000". Where fewer
than 5 texts are wrong, or fewer than 5 right, the share of right rows has the exact interval of Clopper and Pearson
(1934), by `scipy.stats.binomtest`. The intervals of F1 and MCC then reach at least to their value at its limit, with
errors in every class alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from scipy.stats import binomtest

from classification.evaluation.labelled_rows import LabelledRows
from classification.evaluation.resampled_ranks import RANK_METRICS, Weighted, number_of_rank_resamples
from classification.evaluation.resampled_sums import (
    DECISION_METRICS,
    NUMBER_METRICS,
    DecisionSums,
    NumberSums,
    decision_kinds,
    decision_summands,
    number_summands,
)
from classification.evaluation.resampling import (
    LEVEL,
    drawn_counts,
    kinds_of_units,
    number_of_resamples,
    percentile_interval,
)
from classification.evaluation.significance import STATISTICS, Statistic

# N rows, R resamples.

Interval = tuple[float, float]
MIN_UNITS = 2
LARGE, MOST_DIGITS = 100, 9
SLOW_RESAMPLES = 200  # of a metric that is computed anew for each
FEW = 5  # texts
NO_SPREAD = 1e-9  # the metric is the same in every resample, so the rows do not tell how far off it may be
SIDES = ("low", "high")
SHARES = ("accuracy", "exact_match")


def interval_keys(values: Mapping[str, float], rows: LabelledRows) -> dict[str, float]:
    """`<metric>_low` and `<metric>_high` of the metrics in `values` that have an interval."""
    found = intervals(values, rows)
    return {f"{name}_{side}": limit for name, pair in found.items() for side, limit in zip(SIDES, pair, strict=True)}


def shown_with_interval(value: float, low: float | None = None, high: float | None = None) -> str:
    """A metric for people; the digits show two of the width of its interval, and three of a share.

    >>> shown_with_interval(0.8731, 0.8612, 0.885), shown_with_interval(0.5), shown_with_interval(1250, 1100, 1370.26)
    ('0.873 (0.861 to 0.885)', '0.500', '1250.0 (1100.0 to 1370.3)')
    """
    limits = () if low is None or high is None else (low, high)
    digits = 3 if max(map(abs, (value, *limits))) < LARGE else 1
    if limits and limits[0] < limits[1]:
        digits = max(digits, min(1 - math.floor(math.log10(limits[1] - limits[0])), MOST_DIGITS))
    texts = [f"{number:.{digits}f}" for number in (value, *limits)]
    return f"{texts[0]} ({texts[1]} to {texts[2]})" if limits else texts[0]


def intervals(values: Mapping[str, float], rows: LabelledRows) -> dict[str, Interval]:
    """The 95% interval of each metric. A metric that is nan has none, and neither have the rows of a single text.

    Args:
        values: metrics of these rows by name, as from `METRICS`.
    """
    rows = rows.with_units_numbered()
    if rows.num_units < MIN_UNITS:
        return {}
    defined = {name: value for name, value in values.items() if np.isfinite(value)}
    samples = resampled(defined, rows)
    found = {}
    for name, value in defined.items():
        if name not in samples:
            samples[name] = resampled_by_weights(recomputed(name, rows), rows, SLOW_RESAMPLES)
        limits = widened(name, percentile_interval(samples[name]), rows)
        if limits is not None and limits[1] - limits[0] > NO_SPREAD:
            found[name] = min(limits[0], value), max(limits[1], value)
    return found


def resampled(values: Mapping[str, float], rows: LabelledRows) -> dict[str, np.ndarray]:
    """Resampled values [R] of the metrics that are computed fast; only of those that agree with `values`."""
    headline = rows.task.headline
    if headline in STATISTICS and set(values) == {headline}:
        total, sample = headline_sample(STATISTICS[headline], rows)
        return {headline: sample} if agrees(total, values[headline]) else {}
    found: dict[str, np.ndarray] = {}
    families: list[tuple[dict, Callable]] = [(DECISION_METRICS, decision_sums), (NUMBER_METRICS, number_sums)]
    for metrics, sums_of in families:
        names = [name for name in values if name in metrics]
        if names:
            totals, drawn = sums_of(rows)
            found |= {
                name: np.concatenate([metrics[name](sums) for sums in drawn])
                for name in names
                if agrees(metrics[name](totals)[0], values[name])
            }
    for name in values:
        if name in RANK_METRICS:
            metric, classes = RANK_METRICS[name](rows), rows.num_columns
            if agrees(metric(np.ones(len(rows))), values[name]):
                found[name] = resampled_by_weights(metric, rows, number_of_rank_resamples(len(rows), classes))
    return found


def agrees(value: float, known: float) -> bool:
    """Whether a fast computation gives the metric; a task of another kind may have another one of this name."""
    return bool(np.isclose(value, known, rtol=1e-6, atol=1e-9))


def headline_sample(statistic: Statistic, rows: LabelledRows) -> tuple[float, np.ndarray]:
    """The metric of all rows, and of each resample, [R]; its few sums make few kinds of rows."""
    summands = statistic.summands(rows.decisions, rows.label_ids, rows.task)
    kinds = np.arange(len(rows))
    if statistic.correct is not None:  # else hardly any two rows are equal
        keys = np.ravel_multi_index(tuple(summands.astype(np.int64).T), tuple(summands.max(axis=0).astype(int) + 1))
        _, firsts, kinds = np.unique(keys, return_index=True, return_inverse=True)
        summands = summands[firsts]
    together, frequencies = kinds_of_units(kinds, rows.units)
    of_units = together @ summands
    drawn = drawn_counts(frequencies, number_of_resamples(len(frequencies)))
    sample = np.concatenate([statistic.value(counts @ of_units) for counts in drawn])
    return float(statistic.value((frequencies @ of_units)[None])[0]), sample


def decision_sums(rows: LabelledRows) -> tuple[DecisionSums, list[DecisionSums]]:
    """Sums over all rows, and over each resample."""
    kinds, firsts = decision_kinds(rows)
    summands = decision_summands(rows.references[firsts], rows.predictions[firsts], rows.task)
    together, frequencies = kinds_of_units(kinds, rows.units)
    of_units = (together @ summands).T.tocsr()
    drawn = drawn_counts(frequencies, number_of_resamples(len(frequencies)))
    totals = (of_units @ frequencies)[None]
    return DecisionSums.of(totals), [DecisionSums.of((of_units @ counts.T).T) for counts in drawn]


def number_sums(rows: LabelledRows) -> tuple[NumberSums, list[NumberSums]]:
    """Sums over all rows, and over each resample."""
    together, frequencies = kinds_of_units(np.arange(len(rows)), rows.units)
    of_units = together @ number_summands(rows.references, rows.predictions)
    drawn = drawn_counts(frequencies, number_of_resamples(len(frequencies)))
    return NumberSums(*(frequencies[None] @ of_units).T), [NumberSums(*(counts @ of_units).T) for counts in drawn]


def resampled_by_weights(metric: Weighted, rows: LabelledRows, resamples: int) -> np.ndarray:
    """Values [R] of a metric of row weights."""
    drawn = drawn_counts(np.ones(rows.num_units, dtype=np.int64), resamples)
    return np.array([metric(weights[rows.units]) for counts in drawn for weights in counts])


def recomputed(name: str, rows: LabelledRows) -> Weighted:
    """Any metric of `METRICS`, computed anew on the drawn rows."""

    def compute(weights: np.ndarray) -> float:
        return rows.take(np.repeat(np.arange(len(rows)), weights.astype(np.int64))).score(name)

    return compute


def widened(name: str, limits: Interval | None, rows: LabelledRows) -> Interval | None:
    """An interval of the bootstrap, made honest where hardly any row is wrong, or hardly any right."""
    if limits is None or not (name in DECISION_METRICS or name in RANK_METRICS and limits[0] == 1.0):
        return limits
    units = rows.num_units
    right = units - len(np.unique(rows.units[rows.errors() > 0]))
    few_wrong, few_right = units - right < FEW, right < FEW
    if name in RANK_METRICS:  # every order of the resamples is perfect
        return exact_share(units, units) if rows.probabilities is not None else limits
    if not (few_wrong or few_right):
        return limits
    share = exact_share(right, units)
    if name in SHARES:
        return share
    low, high = (metric_at(name, limit, rows) for limit in share)
    return min(limits[0], low) if few_wrong else limits[0], max(limits[1], high) if few_right else limits[1]


def exact_share(right: int, units: int) -> Interval:
    """The exact 95% interval of a share (Clopper and Pearson 1934)."""
    limits = binomtest(right, units).proportion_ci(1 - LEVEL, method="exact")
    return float(limits.low), float(limits.high)


def metric_at(name: str, share: float, rows: LabelledRows) -> float:
    """A metric of decisions if this share of the rows of each class were right."""
    kinds, firsts = decision_kinds(rows)
    totals = np.bincount(kinds) @ decision_summands(rows.references[firsts], rows.predictions[firsts], rows.task)
    changed = DecisionSums.of(totals[None]).with_share_right(share)
    return float(DECISION_METRICS[name](changed)[0])
