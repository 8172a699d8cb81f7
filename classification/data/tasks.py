"""Which kind of task the data has: decided once from all of train, and read back from a saved model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from classification.data.label_hints import LabelHints
from classification.data.label_values import is_missing
from classification.data.labels import LabelSpace
from classification.data.multi_label import MultiLabel
from classification.data.regression import Regression
from classification.data.single_label import SingleLabel

TASK_KINDS: list[type[LabelSpace]] = [MultiLabel, Regression, SingleLabel]  # asked in this order


def register_task(kind: type[LabelSpace]) -> None:
    """Ask a new kind of task before the others whether labels or a config are its own."""
    TASK_KINDS.insert(0, kind)


def infer_task(values: Iterable, hints: LabelHints | None = None) -> LabelSpace:
    """Decide the task from every label of train (missing ones are ignored).

    Lists are multi-label. Numbers of which one has a fraction are regression, unless `--do_regression false`. Anything
    else is single-label.

    >>> infer_task(["b", "a", "b"]).names
    ('a', 'b')
    >>> infer_task([10, 2, 10]).names
    ('2', '10')
    >>> infer_task([["x", "y"], [], ["x"]]).problem_type
    'multi_label_classification'

    Raises:
        UsageError: the labels do not fit the task that was asked for, or there is nothing to learn.
    """
    given, hints = [value for value in values if not is_missing(value)], hints or LabelHints()
    return next(task for kind in TASK_KINDS if (task := kind.from_values(given, hints)) is not None)


def task_from_config(config: Any, hints: LabelHints | None = None) -> LabelSpace:
    """The task of a trained model, for evaluation and prediction without training.

    Raises:
        UsageError: a classifier with `--do_regression`, or saved thresholds outside 0 to 1.
    """
    hints = hints or LabelHints()
    return next(task for kind in TASK_KINDS if (task := kind.from_config(config, hints)) is not None)


def task_as_dict(task: LabelSpace) -> dict[str, Any]:
    """What a task writes to the config of a model: labels, temperatures, decision rule."""
    config = SimpleNamespace()
    task.write_to(config)
    return vars(config)


def task_from_dict(facts: Mapping[str, Any], hints: LabelHints | None = None) -> LabelSpace:
    """The task that `task_as_dict` wrote; raises as `task_from_config`."""
    return task_from_config(SimpleNamespace(**facts), hints)
