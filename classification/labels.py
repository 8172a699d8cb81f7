"""What kind of task it is, which labels there are, and how a raw label becomes a number and back.

The decision is made once, from all of train, and carried as a `LabelSpace`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from classification.errors import UsageError, some

SINGLE_LABEL = "single_label_classification"
REGRESSION = "regression"

WHOLE_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.0+)?")  # "007" is a name, "7.0" is how pandas writes 7


def is_missing(value) -> bool:
    """None, NaN and blank strings mean that a row has no label."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip())


def as_int(value) -> int | None:
    """The whole number that `value` is or spells, else None. Booleans are names, not numbers."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = str(value)
    return int(text.partition(".")[0]) if WHOLE_NUMBER.fullmatch(text) else None


def label_key(value) -> int | str:
    """What a label is compared by: 1, "1" and "1.0" are one label, everything else is its text."""
    number = as_int(value)
    return str(value) if number is None else number


def as_float(value) -> float | None:
    """The finite number that `value` is or spells, else None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and not isinstance(value, bool) else None


@dataclass(frozen=True)
class LabelSpace:
    """The labels of a task: `names[i]` is the name of class i; regression has the one name `score` (a loaded
    regressor keeps its own).

    Whole-number labels are matched as numbers ("1", 1 and 1.0 are one label), everything else as strings.
    Regression targets are standardised with `mean` and `std` of the training rows.
    """

    problem_type: str
    names: tuple[str, ...]
    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def from_train(
        cls, values: Iterable, *, class_names: Sequence[str] | None = None, do_regression: bool = False
    ) -> LabelSpace:
        """Decide the task from every label of the training split (missing ones are passed over).

        Whole numbers 0..C-1 keep their ids; other whole numbers map in numeric order; strings sort;
        `class_names` (of a `datasets.ClassLabel`) keep their order.

        >>> LabelSpace.from_train(["b", "a", "b"]).names
        ('a', 'b')
        >>> LabelSpace.from_train([10, 2, 10]).names
        ('2', '10')

        Raises:
            UsageError: lists as labels, numbers with a fraction without `--do_regression`, text with it,
                or fewer than two classes.
        """
        values = [value for value in values if not is_missing(value)]
        if any(isinstance(value, list | tuple | dict) for value in values):
            example = next(value for value in values if isinstance(value, list | tuple | dict))
            raise UsageError(
                f"The label column holds lists (for example {example!r}): several labels a row are not supported "
                "here. Give one label a row, or name another column with --label_column_name."
            )
        if do_regression:
            return cls._regression(values)
        keys = {label_key(value) for value in set(values)}
        if len(keys) < 2:
            only = repr(str(values[0])) if values else "none at all"
            raise UsageError(
                f"The training split holds one class only ({only}): there is nothing to tell apart. "
                "Check --label_column_name and --train_file."
            )
        if class_names is not None:
            return cls(SINGLE_LABEL, tuple(class_names))
        numbers = [as_float(key) for key in keys]
        if None not in numbers and any(not number.is_integer() for number in numbers):
            fractions = [key for key in keys if not as_float(key).is_integer()]
            raise UsageError(
                f"The labels are numbers with a fraction (for example {some(sorted(fractions), 3)}). Pass "
                "--do_regression to predict the number, or use whole numbers or names as classes."
            )
        if all(isinstance(key, int) for key in keys):
            return cls(SINGLE_LABEL, tuple(str(key) for key in sorted(keys)))
        return cls(SINGLE_LABEL, tuple(sorted(str(key) for key in keys)))

    @classmethod
    def _regression(cls, values: list) -> LabelSpace:
        numbers = [as_float(value) for value in values]
        text = [value for value, number in zip(values, numbers, strict=True) if number is None]
        if text:
            raise UsageError(
                f"--do_regression needs numbers as labels, but {len(text)} are not (for example {some(text, 3)}). "
                "Leave --do_regression out to classify, or mend the label column."
            )
        if len(set(numbers)) < 2:
            raise UsageError("--do_regression: every training row has the same label, so there is nothing to learn.")
        mean = math.fsum(numbers) / len(numbers)
        variance = math.fsum((number - mean) ** 2 for number in numbers) / len(numbers)
        return cls(REGRESSION, ("score",), mean, math.sqrt(variance))

    @classmethod
    def from_config(cls, config, *, do_regression: bool = False) -> LabelSpace:
        """The labels that a trained model's `config` carries (evaluation and prediction without training).

        One output without a `problem_type` is a score: the convention of regressors and cross-encoders on the Hub.

        Raises:
            UsageError: a multi-label model, or a classifier with `do_regression`.
        """
        names = tuple(config.id2label[i] for i in range(config.num_labels))
        if config.problem_type == "multi_label_classification":
            raise UsageError(
                f"--model_name_or_path: this model gives several labels a row ({some(names)}), which is not supported "
                "here. Name a single-label classifier."
            )
        if config.problem_type == REGRESSION or len(names) == 1:
            return cls(REGRESSION, names, getattr(config, "label_mean", 0.0), getattr(config, "label_std", 1.0))
        if do_regression:
            raise UsageError(f"--do_regression: the model is a classifier ({some(names)}). Leave it out, or train.")
        return cls(SINGLE_LABEL, names)

    @cached_property
    def _ids(self) -> dict:
        return {label_key(name): i for i, name in enumerate(self.names)}

    @property
    def is_regression(self) -> bool:
        return self.problem_type == REGRESSION

    @property
    def num_labels(self) -> int:
        return len(self.names)

    @property
    def id2label(self) -> dict[int, str]:
        return dict(enumerate(self.names))

    @property
    def label2id(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def encode(self, value) -> int | float | None:
        """The id of a raw label (standardised target for regression), None where it is missing.

        -1 means missing unless it is one of the names: the convention of unlabelled splits on the Hub.

        Raises:
            KeyError: a label that train does not have.
        """
        if is_missing(value):
            return None
        if self.is_regression:
            number = as_float(value)
            if number is None:
                raise KeyError(value)
            return (number - self.mean) / self.std
        key = label_key(value)
        if key in self._ids:
            return self._ids[key]
        if key == -1:
            return None
        raise KeyError(value)

    def describe(self) -> str:
        if self.is_regression:
            return f"regression; targets standardised with mean {self.mean:.4g} and deviation {self.std:.4g}"
        return f"single label, {self.num_labels} classes: {some(self.names, 10)}"
