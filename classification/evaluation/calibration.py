"""Temperature scaling: probabilities that are as high as they are often right (Guo et al. 2017).

The logits of a class are divided by one number T, which validation chooses; with several labels each label has its own.
T above 1 lowers the confidence of a model. The most probable class stays the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from datasets import Dataset
from scipy.optimize import fminbound
from sklearn.model_selection import KFold

from classification.data.fingerprints import fingerprint
from classification.data.labels import LabelSpace
from classification.errors import join_first
from classification.messages.log import Line, warning

# N rows of validation, C labels, K answers to one question (`LabelSpace.choices`).

LOWEST, HIGHEST = 0.05, 20.0  # of T
PRIOR = 1.0  # T is from 1/7 to 7 in 95% of cases; fine-tuned networks have 1 to 3 (Guo et al. 2017, table 1)
GRID = 13
FEW_ROWS = 100  # below, T varies by more than about a fifth from one sample of rows to another
FEW_ANSWERS = 20  # a label with fewer rows that have it, or that lack it, shares the T of all labels
FOLDS = 5
DIGITS = 6  # of a saved T


def fit_temperatures(
    logits: np.ndarray, label_ids: np.ndarray, task: LabelSpace
) -> tuple[LabelSpace, list[Line], dict[str, object]]:
    """The task with the temperatures that give the lowest log loss on these rows.

    Args:
        logits: of the validation rows, [N, C]; label_ids: [N] or [N, C]. The task has probabilities.

    Returns:
        The task, warnings, and the record of the selection.
    """
    temperatures, shared = find_temperatures(task.choices(logits, label_ids))
    by_name = dict(zip(task.names, temperatures, strict=True)) if len(temperatures) > 1 else temperatures[0]
    rare = [task.names[i] for i in shared]
    record: dict[str, object] = {
        "what": "temperature",
        "split": "validation",
        "rows": len(logits),
        "method": "lowest log loss, kept near 1 where rows are few",
        "value": by_name,
        "cross_fitted": False,
    }
    if rare:
        record["labels_with_shared_temperature"] = rare
    calibrated = replace(task, temperatures=temperatures)
    return calibrated, warnings_about(calibrated, label_ids, rare), record


def can_be_calibrated(task: LabelSpace) -> bool:
    """Whether the task has probabilities that temperatures change; those of a new kind of task may ignore them."""
    logits = np.linspace(-1, 1, task.num_labels)[None]
    found, expected = replace(task, temperatures=(2.0,)).probabilities(logits), task.probabilities(logits / 2)
    return found is not None and expected is not None and np.allclose(found, expected)


def find_temperatures(choices: list[tuple[np.ndarray, np.ndarray]]) -> tuple[tuple[float, ...], list[int]]:
    """One temperature per question, and the numbers of the questions that share the one of all answers together.

    Args:
        choices: as from `LabelSpace.choices`.
    """
    if len(choices) == 1:
        return (find_temperature(*choices[0]),), []
    counts = [np.bincount(truth, minlength=2).min() for _, truth in choices]
    rare = [number for number, count in enumerate(counts) if count < FEW_ANSWERS]
    pooled = None
    if rare:
        pooled = find_temperature(*(np.concatenate(part) for part in zip(*choices, strict=True)))
    values = [pooled if number in rare else find_temperature(*choice) for number, choice in enumerate(choices)]
    return tuple(float(value) for value in values if value is not None), rare


def find_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature with the lowest log loss, from `LOWEST` to `HIGHEST`, with two safeguards.

    - Targets are smoothed as if two more rows had been seen, one of them right and one wrong (Platt 1999, Probabilistic
      Outputs for Support Vector Machines). N rows that are all right then give a confidence near (N + 1) / (N + 2).
      The plain minimum would be T = 0.
    - log T has a normal prior with mean 0 and standard deviation `PRIOR`, so that few rows, or logits without
      information, leave T near 1.

    Neither counts with many rows: for 5,000 rows T moves by less than 0.5%. The temperature scaling of scikit-learn has
    no safeguards.

    Args:
        logits: [N, K]; truth: the right answers, [N].
    """
    rows, answers = logits.shape
    wrong = 1 / (rows + 2)
    shifted = logits - logits.max(axis=1, keepdims=True)
    right = shifted[np.arange(rows), truth]
    others = (shifted.sum(axis=1) - right) / (answers - 1)
    target = ((1 - wrong) * right + wrong * others).sum()

    def objective(log_temperature: float) -> float:
        inverse = np.exp(-log_temperature)
        log_loss = np.log(np.exp(inverse * shifted).sum(axis=1)).sum() - inverse * target
        return float(log_loss + (log_temperature / PRIOR) ** 2 / 2)

    grid = np.linspace(np.log(LOWEST), np.log(HIGHEST), GRID)
    best = int(np.argmin([objective(value) for value in grid]))
    found = fminbound(objective, grid[max(best - 1, 0)], grid[min(best + 1, GRID - 1)], xtol=1e-8)
    return float(f"{np.exp(found):.{DIGITS}g}")


def cross_fitted(logits: np.ndarray, label_ids: np.ndarray, task: LabelSpace) -> np.ndarray:
    """Calibrated logits of validation rows, float64 [N, C]: each row's temperature was fitted without the row.

    The rows are cut into 5 parts by chance (the same for equal N). Fewer than 2 rows stay as they are.
    """
    return by_other_rows(
        len(logits),
        lambda inside, outside: replace(
            task, temperatures=find_temperatures(task.choices(logits[inside], label_ids[inside]))[0]
        ).calibrated(logits[outside].astype(np.float64)),
        logits.astype(np.float64),
    )


def by_other_rows(
    rows: int, compute: Callable[[np.ndarray, np.ndarray], np.ndarray], unchanged: np.ndarray
) -> np.ndarray:
    """A value per row that is computed with rows of other parts: `compute(inside, outside)` fits and applies.

    Args:
        unchanged: the values where there are too few rows.
    """
    values = np.array(unchanged)
    for inside, outside in parts(rows):
        values[outside] = compute(inside, outside)
    return values


def parts(rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions of the rows to fit on and of those to apply it to, 5 times; nothing for fewer than 2 rows."""
    if rows >= 2:
        yield from KFold(min(FOLDS, rows), shuffle=True, random_state=0).split(np.zeros(rows))


def warnings_about(task: LabelSpace, label_ids: np.ndarray, rare: list[str]) -> list[Line]:
    """Why the temperatures may be wrong: few rows, one class, rare labels."""
    lines, rows = [], len(label_ids)
    more = "Give more (--validation_fraction 0.2, or a larger validation file), or pass --calibrate false"
    if rows < FEW_ROWS:
        lines.append(
            warning(f"calibration is fitted on {rows} validation rows, and fewer than {FEW_ROWS} are a guess. {more}")
        )
    only = task.only_class(label_ids)
    if only is not None:
        lines.append(
            warning(
                f"calibration is fitted on rows of one class only ({only}), and is not valid for others. "
                "Give validation rows of every class, or pass --calibrate false"
            )
        )
    if rare:
        lines.append(
            Line(
                "calibration",
                f"fewer than {FEW_ANSWERS} validation rows have or lack {join_first(rare, 10)}: shared temperature",
            )
        )
    return lines


def describe_temperatures(task: LabelSpace) -> str:
    lowest, highest = min(task.temperatures), max(task.temperatures)
    return f"{lowest:.4g}" if len(task.temperatures) == 1 else f"{lowest:.4g} to {highest:.4g} (each label its own)"


def describe_rows(rows: Dataset) -> str:
    """How many rows there are, and a hash of their texts and labels: what `fitted_on` of a task holds."""
    return f"{len(rows)} rows ({fingerprint(rows)[:12]})"


def are_rows(rows: Dataset, described: str) -> bool:
    """Whether these rows are the described ones; only as many rows as described are read."""
    return described.startswith(f"{len(rows)} rows ") and described == describe_rows(rows)
