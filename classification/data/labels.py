"""What kind of task it is, which labels there are, and how a raw label becomes numbers and back.

The decision is made once, from all of train, and carried as a `LabelSpace`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from classification.errors import UsageError, did_you_mean, some

SINGLE_LABEL = "single_label_classification"
MULTI_LABEL = "multi_label_classification"
REGRESSION = "regression"

MISTAKES = 0.1  # so few words among numbers with a fraction are not meant
EVEN_ODDS = 0.5  # the threshold of a label that none was tuned or given for
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


def sorted_names(keys: set[int | str]) -> tuple[str, ...]:
    """Whole numbers in numeric order, anything else by its text."""
    if all(isinstance(key, int) for key in keys):
        return tuple(str(key) for key in sorted(keys))
    return tuple(sorted(str(key) for key in keys))


def check_threshold(value, source: str) -> None:
    """Raise a UsageError that begins with `source` unless `value` is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UsageError(f"{source} {value!r}: a threshold is a probability: a number from 0 to 1.")


@dataclass(frozen=True)
class LabelSpace:
    """The labels of a task: `names[i]` is the name of class i; regression has the one name `score` (a loaded
    regressor keeps its own).

    Whole-number labels are matched as numbers ("1", 1 and 1.0 are one label), everything else as strings.
    Encoded, a label is an id; a row of 0.0 and 1.0, one a name, for several labels a row; a standardised target for
    regression.

    Args:
        mean, std: of all labels of train, before validation is split off; they standardise the targets of regression.
        thresholds: with several labels a row, the probability from which each label is given.
        delimiter: between the names of several labels in one cell; None writes them as a JSON array.
    """

    problem_type: str
    names: tuple[str, ...]
    mean: float = 0.0
    std: float = 1.0
    thresholds: tuple[float, ...] = ()
    delimiter: str | None = None

    @classmethod
    def from_train(
        cls,
        values: Iterable,
        *,
        class_names: Sequence[str] | None = None,
        do_regression: bool | None = None,
        delimiter: str | None = None,
    ) -> LabelSpace:
        """Decide the task from every label of the training split (missing ones are passed over).

        Lists are several labels a row. Numbers of which one has a fraction are regression, unless `do_regression` is
        False. Whole numbers 0..C-1 keep their ids; other whole numbers map in numeric order; strings sort;
        `class_names` (of a `datasets.ClassLabel` or of columns) keep their order.

        >>> LabelSpace.from_train(["b", "a", "b"]).names
        ('a', 'b')
        >>> LabelSpace.from_train([10, 2, 10]).names
        ('2', '10')
        >>> LabelSpace.from_train([["x", "y"], [], ["x"]]).problem_type
        'multi_label_classification'

        Raises:
            UsageError: lists or text with `do_regression`, or nothing to tell apart.
        """
        values = [value for value in values if not is_missing(value)]
        lists = any(isinstance(value, list) for value in values)
        if do_regression and lists:
            example = next(value for value in values if isinstance(value, list))
            raise UsageError(f"--do_regression: the labels are lists (for example {example!r}). Leave it out.")
        if lists:
            return cls._multi_label(values, class_names, delimiter)
        keys = {label_key(value) for value in set(values)}
        numbers = [as_float(key) for key in keys]
        fractions = None not in numbers and any(not number.is_integer() for number in numbers)
        few_words = 0 < numbers.count(None) <= MISTAKES * len(numbers)
        if few_words and do_regression is None and any(number and not number.is_integer() for number in numbers):
            words = [key for key, number in zip(keys, numbers, strict=True) if number is None]
            raise UsageError(
                f"Nearly all labels are numbers with a fraction, but {len(words)} are not (for example "
                f"{some(words, 3)}). Mend these, or pass --do_regression false to take every number for a class."
            )
        if do_regression or (fractions and do_regression is None and class_names is None):
            return cls._regression(values)
        if len(keys) < 2:
            only = repr(str(values[0])) if values else "none at all"
            raise UsageError(
                f"The training split holds one class only ({only}): there is nothing to tell apart. "
                "Check --label_column_name and --train_file."
            )
        return cls(SINGLE_LABEL, tuple(class_names) if class_names is not None else sorted_names(keys))

    @classmethod
    def _multi_label(cls, values: list, class_names: Sequence[str] | None, delimiter: str | None) -> LabelSpace:
        sets = {frozenset(label_key(name) for name in value) for value in values}
        if len(sets) < 2:
            raise UsageError(
                f"Every training row has the same labels ({some(sorted(map(str, next(iter(sets))))) or 'none'}): there "
                "is nothing to tell apart. Check the label columns and --label_delimiter."
            )
        names = tuple(class_names) if class_names is not None else sorted_names(set().union(*sets))
        if len(names) < 2:
            raise UsageError(
                f"There is one label only ({names[0]!r}), which a row has or has not: that is one label a row with two "
                "classes. Name its column with --label_column_name, or write its two answers as names."
            )
        return cls(MULTI_LABEL, names, thresholds=(EVEN_ODDS,) * len(names), delimiter=delimiter)

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
    def from_config(cls, config, *, do_regression: bool | None = None, delimiter: str | None = None) -> LabelSpace:
        """The labels that a trained model's `config` carries (evaluation and prediction without training).

        One output without a `problem_type` is a score: the convention of regressors and cross-encoders on the Hub.

        Raises:
            UsageError: a classifier with `do_regression`, or thresholds outside 0 to 1.
        """
        names = tuple(config.id2label[i] for i in range(config.num_labels))
        if config.problem_type == MULTI_LABEL:
            labels = cls(MULTI_LABEL, names, thresholds=(EVEN_ODDS,) * len(names), delimiter=delimiter)
            saved = getattr(config, "thresholds", None)
            return labels.with_thresholds(saved, "config.json: thresholds") if saved else labels
        if config.problem_type == REGRESSION or len(names) == 1:
            return cls(REGRESSION, names, getattr(config, "label_mean", 0.0), getattr(config, "label_std", 1.0))
        if do_regression:
            raise UsageError(f"--do_regression: the model is a classifier ({some(names)}). Leave it out, or train.")
        return cls(SINGLE_LABEL, names)

    def write_to(self, config) -> None:
        """What `from_config` reads: the saved model knows its task, names, units and thresholds, and nothing of a
        task that it was trained for before."""
        for stale in ("label_mean", "label_std", "label_own_units", "thresholds"):
            if hasattr(config, stale):
                delattr(config, stale)
        config.num_labels = self.num_labels
        config.id2label, config.label2id = self.id2label, self.label2id
        config.problem_type = self.problem_type
        if self.is_regression:
            config.label_mean, config.label_std = self.mean, self.std
        if self.is_multi_label:
            config.thresholds = dict(zip(self.names, self.thresholds, strict=True))

    def with_thresholds(self, given: float | dict[str, float], source: str = "--thresholds") -> LabelSpace:
        """The same labels with one threshold for all, or those that a dictionary names.

        Raises:
            UsageError: an unknown name, or a threshold that is no number from 0 to 1; begins with `source`.
        """
        by_name = given if isinstance(given, dict) else dict.fromkeys(self.names, given)
        for name, value in by_name.items():
            if name not in self.names:
                known = did_you_mean(str(name), self.names)
                raise UsageError(f"{source}: {name!r} is not a label; the labels are {some(self.names, 10)}.{known}")
            check_threshold(value, source)
        old = dict(zip(self.names, self.thresholds, strict=True))
        return replace(self, thresholds=tuple(float((old | by_name)[name]) for name in self.names))

    def with_even_odds(self) -> LabelSpace:
        """The same labels, without thresholds that were tuned or given for some model."""
        return replace(self, thresholds=(EVEN_ODDS,) * len(self.thresholds))

    @cached_property
    def _ids(self) -> dict:
        return {label_key(name): i for i, name in enumerate(self.names)}

    @property
    def is_regression(self) -> bool:
        return self.problem_type == REGRESSION

    @property
    def is_multi_label(self) -> bool:
        return self.problem_type == MULTI_LABEL

    @property
    def num_labels(self) -> int:
        return len(self.names)

    @property
    def id2label(self) -> dict[int, str]:
        return dict(enumerate(self.names))

    @property
    def label2id(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def encode(self, value) -> int | float | list[float] | None:
        """A raw label as numbers, None where it is missing.

        -1 means missing unless it is one of the names: the convention of unlabelled splits on the Hub. With several
        labels a row, a value that is no list is a list of one.

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
        if self.is_multi_label:
            if value in (-1, "-1", [-1], ["-1"]) and -1 not in self._ids:
                return None
            row = [0.0] * self.num_labels
            for name in value if isinstance(value, list) else [value]:
                row[self._ids[label_key(name)]] = 1.0
            return row
        key = label_key(value)
        if key in self._ids:
            return self._ids[key]
        if key == -1:
            return None
        raise KeyError(value)

    def decode(self, value) -> str:
        """How an encoded label or prediction is written: a name, several names, a number in its own units."""
        if value is None:
            return ""
        if self.is_regression:
            return f"{value * self.std + self.mean:.12g}"
        if self.is_multi_label:
            chosen = [name for name, given in zip(self.names, value, strict=True) if given]
            return self.delimiter.join(chosen) if self.delimiter else json.dumps(chosen, ensure_ascii=False)
        return self.names[int(value)]

    def describe(self) -> str:
        if self.is_regression:
            return f"regression; targets standardised with mean {self.mean:.4g} and deviation {self.std:.4g}"
        if self.is_multi_label:
            return f"several labels a row, {self.num_labels} labels: {some(self.names, 10)}"
        return f"single label, {self.num_labels} classes: {some(self.names, 10)}"
