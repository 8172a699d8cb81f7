"""Costs that are probably not meant: a right answer that is dear, and classes that are never the cheapest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog

from classification.data.rules.cost_tables import Costs, quoted_names
from classification.errors import join_first
from classification.messages.log import Line, warning

# C classes.


def describe_problems(costs: Costs, names: Sequence[str], source: str) -> list[Line]:
    """Warnings about costs that are probably not meant."""
    matrix, lines = np.array(costs), []
    if (matrix == matrix[:, [0]]).all():
        return [warning(f"{source}: all predictions cost the same, so that the costs change nothing")]
    lowest = matrix.argmin(axis=1)
    dear = [i for i in range(len(names)) if matrix[i, i] > matrix[i].min()]
    if dear:
        pairs = (f"{names[i]!r} (predicting {names[lowest[i]]!r} costs less)" for i in dear)
        lines.append(warning(f"{source}: the right answer is not the cheapest one for {join_first(pairs)}"))
    never = [names[j] for j in range(len(names)) if never_cheapest(matrix, j)]
    if never:
        lines.append(
            warning(
                f"{source}: {quoted_names(never)} can never be predicted, because another prediction is always cheaper"
            )
        )
    return lines


def never_cheapest(matrix: np.ndarray, predicted: int) -> bool:
    """Whether for no probabilities of the classes a prediction costs less than all others; costs [C, C].

    Predictions that cost the same for every true class count as one.
    """
    others = [k for k in range(len(matrix)) if not np.array_equal(matrix[:, k], matrix[:, predicted])]
    more = matrix[:, others] - matrix[:, [predicted]]  # [C, K]
    if not others or (more > 0).all(axis=1).any():
        return False
    # The largest gap that some probabilities leave to all other predictions: a linear program.
    size, count = more.shape
    result = linprog(
        np.append(np.zeros(size), -1.0),
        A_ub=np.column_stack([-more.T, np.ones(count)]), b_ub=np.zeros(count),
        A_eq=np.append(np.ones(size), 0.0)[None], b_eq=[1.0],
        bounds=[(0, 1)] * size + [(None, None)],
    )  # fmt: skip
    return result.status == 0 and -result.fun <= 1e-12 * max(1.0, np.abs(matrix).max())
