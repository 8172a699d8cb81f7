"""The headline metric on slices of a split: by the values of columns, by length, and by whether a text was cut or seen.

The cost of a slice says how much would be gained if the model were as good there as on the other rows: rows that would
be right (for several labels per row: all right), or for numbers squared error. Large slices that are a little worse may
cost more than small ones that are much worse. A slice with a negative cost is better than the other rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from classification.data.labels import LabelSpace
from classification.data.slice_columns import slice_columns, slice_name
from classification.evaluation.intervals import interval_keys, intervals
from classification.evaluation.labelled_rows import LabelledRows
from classification.evaluation.predictions import Predictions
from classification.evaluation.significance import ACCURACY, STATISTICS
from classification.evaluation.slice_values import band_name, band_numbers, group_values

# N labelled rows, G groups of them.

LENGTH, TRUNCATED, IN_TRAIN = "length", "truncated", "in train"
Groups = tuple[str, Sequence[str], np.ndarray]  # column, names of its groups [G], group of each row, int [N]


def spread_and_slices(predictions: Predictions, metrics: Mapping[str, Any], task: LabelSpace) -> dict[str, Any]:
    """`<metric>_low` and `<metric>_high` of the main metrics, and `slices`; empty where no row has a label.

    Args:
        metrics: of the same rows.
    """
    rows, places = LabelledRows.of(predictions, task)
    if not len(rows):
        return {}
    values = {name: metrics[name] for name in task.main_metrics if name in metrics}
    return {**interval_keys(values, rows), "slices": results_of(rows, groups_in(predictions, places))}


def slice_results(predictions: Predictions, task: LabelSpace) -> list[dict[str, Any]]:
    """One result per value, the costliest first; empty where no row has a label or the logits are not finite.

    Returns:
        `column`, `value`, `rows`, the headline metric and its `_low` and `_high` (None where it is undefined or the
        rows have one text only), and `cost`. The columns `length` (tokens of the whole text), `truncated` and
        `in train` (train has the same text) are ours.
    """
    rows, places = LabelledRows.of(predictions, task)
    if not len(rows):
        return []
    return results_of(rows, groups_in(predictions, places))


def groups_in(predictions: Predictions, places: np.ndarray) -> Iterator[Groups]:
    """The groups of the rows `places` of a split."""
    columns = {slice_name(column): predictions.rows[column][:] for column in slice_columns(predictions.rows)}
    cells = {name: [values[place] for place in places] for name, values in columns.items()}
    in_train = None if predictions.in_train is None else predictions.in_train[places]
    return groups_of(cells, predictions.full_tokens[places], predictions.truncated[places], in_train)


def results_of(rows: LabelledRows, parts: Iterable[Groups]) -> list[dict[str, Any]]:
    """As `slice_results`, of rows that are divided already."""
    errors, results = rows.errors(), list[dict[str, Any]]()
    for column, names, groups in parts:
        counts, sums = np.bincount(groups, minlength=len(names)), np.bincount(groups, errors, minlength=len(names))
        for group, name in enumerate(names):
            if not counts[group]:
                continue
            others = len(rows) - counts[group]
            expected = counts[group] * (errors.sum() - sums[group]) / others if others else sums[group]
            results.append(
                {
                    "column": column,
                    "value": name,
                    "rows": int(counts[group]),
                    **headline_with_interval(rows.take(np.flatnonzero(groups == group))),
                    "cost": float(sums[group] - expected),
                }
            )
    return sorted(results, key=lambda result: -result["cost"])


def groups_of(
    cells: Mapping[str, Sequence[str]], lengths: np.ndarray, is_cut: np.ndarray, in_train: np.ndarray | None = None
) -> Iterator[Groups]:
    """The groups of rows by each column, by length, and by whether they were cut, or are in train, where some are.

    Args:
        cells: of each column, one per row. lengths: tokens per row, [N]; is_cut, in_train: bool [N].
    """
    for column, values in cells.items():
        yield column, *group_values(values)
    bands, inside = band_numbers(lengths)
    yield LENGTH, [band_name(f"{low:,.0f}", f"{high:,.0f}") for low, high in bands], inside
    for name, is_so in ((TRUNCATED, is_cut), (IN_TRAIN, in_train)):
        if is_so is not None and is_so.any() and not is_so.all():
            yield name, ["no", "yes"], is_so.astype(np.int64)


def headline_with_interval(rows: LabelledRows) -> dict[str, float | None]:
    """The headline metric of some rows, with its limits."""
    name = rows.task.headline
    value = rows.score(name)
    low, high = intervals({name: value}, rows).get(name, (None, None))
    return {name: None if math.isnan(value) else value, f"{name}_low": low, f"{name}_high": high}


def describe_cost(task: LabelSpace) -> str:
    """What `cost` counts, for people."""
    if STATISTICS.get(task.headline, ACCURACY).correct is None:
        return "squared error that would be saved if this slice were as good as the other rows"
    right = "have all labels right" if task.items_per_row > 1 else "be right"
    return f"rows that would {right} if this slice were as good as the other rows"
