"""A cost per true and predicted class, by name: checked, and brought into the order of the classes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from classification.data.label_values import label_key
from classification.errors import UsageError, did_you_mean, join_first

# C classes.

Costs = tuple[tuple[float, ...], ...]

REMEDY = "Give every class once, as true and as predicted class."
HIGHEST = 1e100  # a cost; sums of much higher ones are not finite


@dataclass(frozen=True)
class CostTable:
    """What `--costs` or a saved config holds.

    Args:
        source: the flag and its value, or the place in a config; errors begin with it.
        rows: true name -> predicted name -> cost, or true name -> the cost of every wrong prediction.
    """

    source: str
    rows: Any

    def checked(self) -> CostTable:
        """The same table, whose costs are finite numbers from 0 on.

        Raises:
            UsageError: they are not; begins with `source`.
        """
        if not isinstance(self.rows, Mapping) or not self.rows:
            raise UsageError(f'{self.source}: must be costs by true and predicted class, as {{"ham": {{"spam": 5}}}}.')
        for true, row in self.rows.items():
            for predicted, cost in row.items() if isinstance(row, Mapping) else [(None, row)]:
                self._check(cost, f"true {true!r}" + ("" if predicted is None else f", predicted {predicted!r}"))
        return self

    def _check(self, cost: object, place: str) -> None:
        is_number = isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost < math.inf
        if not is_number:
            comma = " Write a decimal point." if isinstance(cost, str) and "," in cost else ""
            raise UsageError(
                f"{self.source}: the cost of {place} is {cost!r}; it must be a finite number from 0 on.{comma}"
            )
        if isinstance(cost, int | float) and cost > HIGHEST:
            raise UsageError(
                f"{self.source}: the cost of {place} is above {HIGHEST:g}. Divide all costs by the same number: only "
                "their ratios count."
            )


def costs_in_order(table: CostTable, names: Sequence[str]) -> Costs:
    """Costs [C, C] of true and predicted class, in the order of `names`; a diagonal that is left out is 0.

    Raises:
        UsageError: a name is unknown, missing or there twice; begins with the source of the table.
    """
    ids = {label_key(name): i for i, name in enumerate(names)}
    rows = in_order(table.source, table.rows, ids, names, "true class")
    if missing := [name for i, name in enumerate(names) if i not in rows]:
        raise UsageError(f"{table.source}: there is no cost for true class {quoted_names(missing)}. {REMEDY}")
    costs = []
    for i in range(len(names)):
        row = rows[i]
        if not isinstance(row, Mapping):
            row = {name: row for j, name in enumerate(names) if j != i}
        by_id = {i: 0.0} | in_order(table.source, row, ids, names, "predicted class")
        if missing := [name for j, name in enumerate(names) if j not in by_id]:
            raise UsageError(
                f"{table.source}: true class {names[i]!r} has no cost for predicted class {quoted_names(missing)}. "
                f"{REMEDY}"
            )
        costs.append(tuple(float(by_id[j]) for j in range(len(names))))
    return tuple(costs)


def in_order(
    source: str, given: Mapping[Any, Any], ids: Mapping[Any, int], names: Sequence[str], kind: str
) -> dict[int, Any]:
    """Values by name -> values by class id."""
    found: dict[int, Any] = {}
    for name, value in given.items():
        i = ids.get(label_key(name))
        if i is None:
            hint = did_you_mean(str(name), names)
            raise UsageError(f"{source}: {kind} {name!r} is unknown; the classes are {join_first(names, 10)}.{hint}")
        if i in found:
            raise UsageError(f"{source}: {kind} {names[i]!r} is there twice. {REMEDY}")
        found[i] = value
    return found


def quoted_names(names: Iterable[str]) -> str:
    return join_first(map(repr, names))


def weights_of(costs: Costs) -> tuple[float, ...] | None:
    """The cost of a wrong prediction by true class [C], where all its wrong predictions cost the same, else None."""
    size = len(costs)
    wrong = [{costs[i][j] for j in range(size) if j != i} for i in range(size)]
    is_simple = size and all(costs[i][i] == 0 and len(wrong[i]) == 1 for i in range(size))
    return tuple(values.pop() for values in wrong) if is_simple else None


def table_of(costs: Costs, names: Sequence[str]) -> dict[str, Any]:
    """As a config holds them: true name -> predicted name -> cost, or true name -> the cost of a wrong prediction."""
    weights = weights_of(costs)
    if weights is not None:
        return dict(zip(names, weights, strict=True))
    return {name: dict(zip(names, row, strict=True)) for name, row in zip(names, costs, strict=True)}
