"""A number per row."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from classification.data.label_hints import LabelHints
from classification.data.label_names import names_in
from classification.data.label_values import as_float, has_separator, is_missing, label_key
from classification.data.labels import LabelSpace
from classification.data.rules.threshold_values import RULE_FLAGS
from classification.errors import UsageError, join_first
from classification.messages.shown_texts import quoted

logger = logging.getLogger(__name__)

MAX_SHARE_OF_WORDS = 0.1  # among numbers with a fraction, so few words are mistakes
CONFLICT = 0.5  # labels of one text that differ by more standard deviations contradict each other
CONSTANT = 0.01  # predictions within so many standard deviations are one value

FAR = 30  # a scale that differs by more is that of other numbers


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
    answer, loss_name = "a number", "mean squared error"
    unsupported = {
        **dict.fromkeys(("class_weights", "loss", "sampler"), "regression has no classes"),
        **dict.fromkeys(RULE_FLAGS, "a number has no threshold and no cost"),
        "label_smoothing_factor": "it smooths the one true class of a row",
        "calibrate": "regression has no probabilities",
        "teacher_temperature": "a number has no probabilities to soften",
    }

    @classmethod
    def from_values(cls, values: list, hints: LabelHints) -> Regression | None:
        keys = {label_key(value) for value in set(values)}
        words = sorted(str(key) for key in keys if as_float(key) is None)
        fractions = sorted(str(key) for key in keys if not (as_float(key) or 0.0).is_integer())
        if hints.do_regression is None:
            refuse_few_words(words, keys, values, bool(fractions), has_names=hints.class_names is not None)
        by_itself = hints.do_regression is None and hints.class_names is None and bool(fractions) and not words
        if not (hints.do_regression or by_itself):
            return None
        targets = [number for value in values if (number := as_float(value)) is not None]
        if len(targets) < len(values):
            raise UsageError(
                f"--do_regression needs numbers as labels, but {len(values) - len(targets)} are not (for example "
                f"{join_first(map(quoted, words), 3)}). {describe_point(words)}Leave --do_regression out to "
                "classify, or fix the label column."
            )
        if by_itself:
            logger.info(
                "task         regression, because the labels are numbers with a fraction (for example %s). "
                "For classes, pass --do_regression false", fractions[0],
            )  # fmt: skip
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

    def follow(self, names: tuple[str, ...] | None, trained: LabelSpace, config: Any) -> Regression | None:
        """A head in the units of its labels is brought to the scale of these labels when it is loaded.

        A head that was saved standardised keeps the scale of its own training. Numbers that are far from those of the
        head need a new one: brought to their scale, the head would hardly be able to learn.
        """
        if not hasattr(config, "label_std"):
            return replace(self, keeps_head=True)  # the outputs are in units that only the labels know
        std, mean = trained.output_scale or (1.0, 0.0)
        widths = sorted((std, self.std))
        if widths[1] > FAR * widths[0] or abs(mean - self.mean) > FAR * widths[1]:
            return None
        in_units = getattr(config, "label_own_units", False)
        return replace(self, keeps_head=True) if in_units else replace(self, mean=mean, std=std, keeps_head=True)

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
        from datasets import Value

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

    def answer_value(self, decision: Any) -> float:
        return float(decision * self.std + self.mean)

    def describe_unknown(self, unknown: dict[str, list[str]], split: str, source: str) -> str:
        examples = join_first((f"{quoted(value)} (id {rows[0]})" for value, rows in unknown.items()), 5)
        point = describe_point(unknown)
        return f"--do_regression needs numbers as labels, but {split} has {examples}. {point}Fix or remove them."

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

    def answer_counts(self, label_ids: np.ndarray) -> np.ndarray:
        return np.zeros(0)  # numbers are no answers

    def in_units(self, label_ids: np.ndarray) -> np.ndarray:
        return label_ids * self.std + self.mean

    def is_constant(self, decisions: np.ndarray) -> bool:
        return bool(np.ptp(decisions) < CONSTANT)

    def torch_losses(self, logits: torch.Tensor, labels: torch.Tensor, label_smoothing: float) -> torch.Tensor:
        return F.mse_loss(logits.squeeze(-1), labels.float(), reduction="none")

    def torch_distances(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """The squared difference: the divergence of the normal distributions whose likelihood squared error is."""
        return (first - second).square().squeeze(-1)

    def soft_losses(self, logits: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
        return F.mse_loss(logits.squeeze(-1), targets.squeeze(-1), reduction="none")

    def usage_note(self, config: dict) -> str:
        if config.get("label_own_units"):
            return "the score is the number, in the units of the labels"
        return f"the score is standardised: the value is score * {self.std:.6g} + {self.mean:.6g}"


def refuse_few_words(
    words: Sequence[str], keys: Collection, values: Sequence, has_fraction: bool, *, has_names: bool
) -> None:
    """Refuse labels that are nearly all numbers, or would be with a decimal point.

    Args:
        words: the labels that are not numbers.
        keys: all different labels; values: those of every row.
        has_fraction: whether a number has a fraction; has_names: whether the data declares class names.
    """
    separated = [word for word in words if has_separator(word)]
    if separated and not has_names and len(words) - len(separated) <= MAX_SHARE_OF_WORDS * len(keys):
        classes = " If each is a class, pass --do_regression false." if len(values) >= 2 * len(keys) else ""
        raise UsageError(
            f"--label_column_name: {len(separated)} of {len(keys)} different labels look like numbers with a decimal "
            f"comma, separated thousands or other signs (for example {join_first(map(quoted, separated), 3)}). "
            f"{describe_point(separated)}If a comma is between several labels of a row, pass --label_delimiter ','."
            f"{classes}"
        )
    if has_fraction and 0 < len(words) <= MAX_SHARE_OF_WORDS * len(keys):
        raise UsageError(
            f"Nearly all labels are numbers with a fraction, but {len(words)} are not (for example "
            f"{join_first(map(quoted, words), 3)}). Fix these, or pass --do_regression false to make every "
            "number a class."
        )


def describe_point(words: Iterable[str]) -> str:
    """How to write numbers, where some of `words` have a decimal comma or separated thousands."""
    return (
        "Write numbers in ASCII with a decimal point only, such as 1234.5. " if any(map(has_separator, words)) else ""
    )
