"""A model that answers only when it is confident: how often it is right then, and how much it still answers.

An answer is a predicted class, or with several labels per row a predicted label. Its confidence is its probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from classification.data.labels import LabelSpace
from classification.evaluation.calibration import parts
from classification.messages.log import Line

# N rows, C labels, M answers.

PRECISIONS = (0.95, 0.99)


@dataclass(frozen=True)
class Answers:
    """The answers for the rows of a split.

    Args:
        confidence: [M]; right: bool [M]; rows: the position of each answer's row, [M].
        label_ids: of all rows, [N] or [N, C].
    """

    confidence: np.ndarray
    right: np.ndarray
    rows: np.ndarray
    label_ids: np.ndarray
    task: LabelSpace

    @classmethod
    def of(cls, probabilities: np.ndarray, decisions: np.ndarray, label_ids: np.ndarray, task: LabelSpace) -> Answers:
        """Probabilities are [N, C], decisions and label_ids [N] or [N, C]."""
        rows, columns = np.nonzero(task.indicators(decisions))
        right = task.indicators(label_ids)[rows, columns] > 0
        return cls(probabilities[rows, columns], right, rows, label_ids, task)

    def select(self, chosen: np.ndarray) -> Answers:
        """The answers where bool [M] is true, of the same rows."""
        return Answers(self.confidence[chosen], self.right[chosen], self.rows[chosen], self.label_ids, self.task)


def abstention_scores(validation: Answers, scored: Answers) -> list[dict[str, Any]]:
    """For a precision of 95% and of 99%: the confidence that reaches it on validation, and what it gives.

    Returns:
        `precision`, `confidence` (None where none reaches it, see `lowest_confidence`), and for the scored rows
        `coverage` (share of rows with an answer; with several labels share of the rows' labels that are found),
        `accuracy` (share of the answers that are right) and `rows` (number of answers). Where validation itself is
        scored, each part of its rows gets the confidence that the other parts choose.
    """
    return [
        describe(scored, precision, lowest_confidence(validation, precision), itself=scored is validation)
        for precision in PRECISIONS
    ]


def describe(scored: Answers, precision: float, confidence: float | None, *, itself: bool) -> dict[str, Any]:
    values: dict[str, Any] = {"precision": precision, "confidence": confidence}
    if confidence is None:
        return values | {"coverage": None, "accuracy": None, "rows": 0}
    given = cross_accepted(scored, precision) if itself else scored.confidence >= confidence
    right = scored.right[given]
    return values | {
        "coverage": float(scored.task.share_answered(right, scored.label_ids)),
        "accuracy": float(right.mean()) if len(right) else None,
        "rows": len(right),
    }


def lowest_confidence(answers: Answers, precision: float) -> float | None:
    """The lowest confidence from which on at least this share of the answers is right.

    None where no confidence reaches it, or only one that fewer than 1 / (1 - precision) answers have: 20 for 95%, 100
    for 99%. Among fewer answers a model of exactly this precision would make less than one mistake, so that they
    cannot show it.
    """
    order = np.argsort(-answers.confidence, kind="stable")
    confidence, right = answers.confidence[order], answers.right[order]
    count = np.arange(1, len(order) + 1)
    is_last = np.append(confidence[:-1] != confidence[1:], True)[: len(order)]  # equal ones are answered together
    enough = count >= round(1 / (1 - precision))
    reached = np.flatnonzero(is_last & enough & (np.cumsum(right) >= precision * count - 1e-9))
    return float(confidence[reached[-1]]) if len(reached) else None


def cross_accepted(answers: Answers, precision: float) -> np.ndarray:
    """Which answers are given, bool [M], where the rows of other parts choose the confidence of a part."""
    given = np.zeros(len(answers.confidence), dtype=bool)
    for _, outside in parts(len(answers.label_ids)):
        is_outside = np.zeros(len(answers.label_ids), dtype=bool)
        is_outside[outside] = True
        applied = is_outside[answers.rows]
        confidence = lowest_confidence(answers.select(~applied), precision)
        if confidence is not None:
            given |= applied & (answers.confidence >= confidence)
    return given


def abstention_lines(scores: Sequence[dict[str, Any]], task: LabelSpace) -> list[Line]:
    """One line about the test rows."""
    first = next((entry for entry in scores if entry["confidence"] is not None), None)
    if not scores:
        return []
    if first is None:
        wanted = f"{scores[0]['precision']:.0%}"
        return [Line("abstention", f"no confidence is reached by enough validation rows of which {wanted} are right")]
    share, shown = f"{first['precision']:.0%} right on validation", describe_confidence(first["confidence"])
    accuracy = "none" if first["accuracy"] is None else f"{first['accuracy']:.1%}"
    answered = task.describe_answered(f"{first['coverage']:.0%}")
    return [Line("abstention", f"at confidence >= {shown} ({share}) the model {answered}, {accuracy} right")]


def describe_confidence(confidence: float) -> str:
    """With as many digits as distinguish it from 1, rounded down."""
    digits = next((digits for digits in (2, 3, 4, 5) if 1 - confidence > 10.0**-digits), 6)
    return f"{np.floor(confidence * 10**digits + 1e-6) / 10**digits:.{digits}f}"
