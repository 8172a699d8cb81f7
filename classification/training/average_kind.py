"""What `--average` asks for; importing this file imports no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from classification.errors import UsageError

WINDOW = 0.2  # share of the steps that the average covers by default


@dataclass(frozen=True)
class Average:
    """Which average of the weights becomes a candidate beside the best checkpoint.

    Args:
        kind: `ema`, an exponential moving average of all steps, or `last`, the mean of the last evaluations.
        decay: of `ema`; None for `decay_for`.
        evaluations: of `last`.
        compared: False where the validation rows must not choose the weights: the average is used as it is.
    """

    kind: Literal["ema", "last"]
    decay: float | None = None
    evaluations: int = 0
    compared: bool = True

    def __str__(self) -> str:
        """As `--average` has it."""
        if self.kind == "last":
            return f"last={self.evaluations}"
        return "ema" if self.decay is None else f"ema={self.decay}"

    def decay_for(self, steps: int) -> float:
        """The decay of a training: 1 - 2 / (N + 1) where N is a fifth of the steps.

        The weights in the average are then as old, in the mean, as in the plain mean of the last N steps.
        """
        if self.decay is not None:
            return self.decay
        window = max(1.0, WINDOW * steps)
        return (window - 1) / (window + 1)

    def check(self, evaluations: int) -> None:
        """Refuse a mean of more evaluations than the training has.

        Raises:
            UsageError: names how many there are.
        """
        if self.kind == "last" and self.evaluations > evaluations:
            plural = "" if evaluations == 1 else "s"
            fewer = f"pass --average last={evaluations}, or " if evaluations > 1 else ""
            raise UsageError(
                f"--average {self}: this run has {evaluations} evaluation{plural}. Evaluate more often "
                f"(--eval_strategy steps --eval_steps N), {fewer}pass --average ema."
            )
