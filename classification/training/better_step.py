"""A step with a better headline metric than the one that is kept, where another metric chooses, such as val_loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

from transformers import TrainerState, TrainingArguments

from classification.evaluation.metrics import LOWER_IS_BETTER
from classification.messages.log import Line
from classification.training.callbacks import epoch_figures

# Rows by which two models on the same rows may differ by chance, whatever else they answer: McNemar's exact test is
# not significant at 0.05 for a difference of 5 rows or fewer (2 x 0.5 ** 5 = 0.0625).
BY_CHANCE = 5


@dataclass(frozen=True)
class BetterStep:
    """An evaluated step whose headline metric is better than that of the step that is kept.

    Args:
        metric: its name. step: where it is best. best, kept: its values there and at the step that is kept.
        rows: of validation.
    """

    metric: str
    step: int
    best: float
    kept: float
    rows: int

    @property
    def rows_apart(self) -> int | None:
        """The number of rows that the two steps differ by, for a metric that counts rows; else None."""
        return round(abs(self.best - self.kept) * self.rows) if self.metric == "accuracy" else None

    @property
    def may_be_chance(self) -> bool:
        return self.rows_apart is not None and self.rows_apart <= BY_CHANCE

    def as_dict(self) -> dict[str, object]:
        """As run.json has it, in the record of the checkpoint."""
        return {"metric": self.metric, "best_step": self.step, "best": self.best, "kept": self.kept}

    def line(self) -> Line:
        """`best accuracy was at step 40, +0.3 points (1 of 334 rows, which may be chance)`."""
        difference = self.best - self.kept
        is_share = self.metric not in LOWER_IS_BETTER
        change = f"{100 * difference:+.1f} points" if is_share else f"{difference:+.4g}"
        text = f"best {self.metric} was at step {self.step}, {change}"
        if self.rows_apart is not None:
            chance = ", which may be chance" if self.may_be_chance else ""
            text += f" ({self.rows_apart} of {self.rows} validation rows{chance})"
        return Line("best", text)


def better_step(args: TrainingArguments, state: TrainerState, headline: str, rows: int) -> BetterStep | None:
    """What the rule for the best checkpoint cost; None where no other evaluated step has a better headline metric.

    Args:
        headline: name of the metric. rows: of validation.
    """
    if not args.load_best_model_at_end or state.best_model_checkpoint is None:
        return None
    figures = {entry["step"]: entry.get(f"eval_{headline}") for entry in epoch_figures(state) if entry["step"]}
    values = {step: value for step, value in figures.items() if value is not None and math.isfinite(value)}
    kept = values.get(state.best_global_step)
    if kept is None:
        return None
    sign = -1 if headline in LOWER_IS_BETTER else 1
    step = max(values, key=lambda each: (sign * values[each], -each))
    if sign * (values[step] - kept) <= 1e-9:
        return None
    return BetterStep(headline, int(step), values[step], kept, rows)
