"""A number per row."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Value

from classification.data.label_values import as_float, is_missing, label_key
from classification.data.labels import LabelHints, LabelSpace, names_in
from classification.errors import UsageError, join_first

MAX_SHARE_OF_WORDS = 0.1  # among numbers with a fraction, so few words are mistakes
CONFLICT = 0.5  # labels of one text that differ by more standard deviations contradict each other
CONSTANT = 0.01  # predictions within so many standard deviations are one value


@dataclass(frozen=True)
class Regression(LabelSpace):
    """A number per row: one output and squared error; an id is the number, standardised.

    Args:
        mean, std: of all labels of train, before validation is split off.
    """

    mean: float = 0.0
    std: float = 1.0

    problem_type = "regression"
    headline = "rmse"
    main_metrics = ("pearson", "spearman", "mae", "rmse")
    metrics = "regression"
    unsupported = {
        **dict.fromkeys(("class_weights", "loss", "sampler"), "regression has no classes"),
        **dict.fromkeys(("tune_thresholds", "thresholds"), "only multi-label tasks have thresholds"),
        "label_smoothing_factor": "it smooths the one true class of a row",
    }

    @classmethod
    def from_values(cls, values: list, hints: LabelHints) -> Regression | None:
        keys = {label_key(value) for value in set(values)}
        numbers = {key: as_float(key) for key in keys}
        words = [key for key, number in numbers.items() if number is None]
        has_fraction = any(number is not None and not number.is_integer() for number in numbers.values())
        if 0 < len(words) <= MAX_SHARE_OF_WORDS * len(keys) and hints.do_regression is None and has_fraction:
            raise UsageError(
                f"Nearly all labels are numbers with a fraction, but {len(words)} are not (for example "
                f"{join_first(words, 3)}). Fix these, or pass --do_regression false to make every number a class."
            )
        by_itself = hints.do_regression is None and hints.class_names is None and has_fraction and not words
        if not (hints.do_regression or by_itself):
            return None
        wrong = [value for value in values if as_float(value) is None]
        if wrong:
            raise UsageError(
                f"--do_regression needs numbers as labels, but {len(wrong)} are not (for example "
                f"{join_first(wrong, 3)}). Leave --do_regression out to classify, or fix the label column."
            )
        targets = [float(value) for value in values]
        if len(set(targets)) < 2:
            raise UsageError("--do_regression: every training row has the same label, so there is nothing to learn.")
        mean = math.fsum(targets) / len(targets)
        variance = math.fsum((target - mean) ** 2 for target in targets) / len(targets)
        return cls(("score",), mean, math.sqrt(variance))

    @classmethod
    def from_config(cls, config: Any, hints: LabelHints) -> Regression | None:
        """One output without a `problem_type` is a score, as of the Hub's regressors and cross-encoders."""
        if config.problem_type != cls.problem_type and config.num_labels != 1:
            return None
        return cls(names_in(config), getattr(config, "label_mean", 0.0), getattr(config, "label_std", 1.0))

    def write_to(self, config: Any) -> None:
        super().write_to(config)
        config.label_mean, config.label_std = self.mean, self.std

    @property
    def output_scale(self) -> tuple[float, float]:  # type: ignore[override]
        return self.std, self.mean

    def describe(self) -> str:
        return f"regression, targets standardised with mean {self.mean:.4g} and standard deviation {self.std:.4g}"

    @property
    def label_feature(self) -> Any:
        return Value("float64")

    def encode(self, value: Any) -> float | None:
        if is_missing(value):
            return None
        number = as_float(value)
        if number is None:
            raise KeyError(value)
        return (number - self.mean) / self.std

    def decode(self, label_id: Any) -> str:
        return "" if label_id is None else f"{label_id * self.std + self.mean:.12g}"

    def describe_unknown(self, unknown: dict[str, list[str]], split: str, source: str) -> str:
        examples = join_first((f"{value!r} (id {rows[0]})" for value, rows in unknown.items()), 5)
        return f"--do_regression needs numbers as labels, but {split} has {examples}. Fix or remove them."

    def counts(self, label_ids: Iterable) -> dict[str, int]:
        return {}

    def indicators(self, label_ids: np.ndarray) -> np.ndarray:
        return np.asarray(label_ids, dtype=np.float64)[:, None]

    def strata(self, label_ids: np.ndarray) -> np.ndarray:
        return np.zeros(len(label_ids), dtype=np.int64)

    def only_class(self, label_ids: Iterable) -> None:
        return None

    def side(self, label_id: Any) -> Hashable:
        return label_id > 0  # above the mean

    def conflict(self, label_ids: Sequence) -> bool:
        return max(label_ids) - min(label_ids) > CONFLICT

    def probabilities(self, logits: np.ndarray) -> None:
        return None

    def decide(self, logits: np.ndarray) -> np.ndarray:
        return logits[:, 0].astype(np.float64)

    def margin(self, logits: np.ndarray) -> np.ndarray:
        return np.full(len(logits), np.inf)  # a number has no other decision nearby

    def row_losses(self, logits: np.ndarray, label_ids: np.ndarray) -> np.ndarray:
        return (logits[:, 0].astype(np.float64) - label_ids) ** 2

    def in_units(self, label_ids: np.ndarray) -> np.ndarray:
        return label_ids * self.std + self.mean

    def is_constant(self, decisions: np.ndarray) -> bool:
        return bool(np.ptp(decisions) < CONSTANT)

    def torch_losses(self, logits: torch.Tensor, labels: torch.Tensor, label_smoothing: float) -> torch.Tensor:
        return F.mse_loss(logits.squeeze(-1), labels.float(), reduction="none")

    def usage_note(self, config: dict) -> str:
        if config.get("label_own_units"):
            return "the score is the number, in the units of the labels"
        return f"the score is standardised: the value is score * {self.std:.6g} + {self.mean:.6g}"
