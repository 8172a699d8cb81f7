"""What a classifier says about a text, as typed values for Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from classification.data.answer_values import AnswerValue
from classification.data.labels import LabelSpace
from classification.errors import UsageError

# N texts, C labels.

SHOWN = 3  # labels in the text of an answer


@dataclass(frozen=True)
class Answer:
    """The answer to one text, by the decision rule and the calibration that are saved with the model.

    Args:
        label: a name; a tuple of names where a text can have several; a number for a regression. None where the model
            abstains.
        probability: of the label, of the least sure decision where there are several labels; None for a number.
        probabilities: label -> probability, in the model's order; empty for a number.
        abstained: whether the model was less sure than `abstain_below`.
        tokens: that the model read. truncated: whether the text has more.
    """

    label: AnswerValue | None
    probability: float | None
    probabilities: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    abstained: bool = False
    tokens: int = 0
    truncated: bool = False

    @property
    def confidence(self) -> float | None:
        """The same as `probability`: what `abstain_below` is compared with."""
        return self.probability

    def top(self, k: int) -> list[tuple[str, float]]:
        """The k most probable labels with their probabilities; equal ones in the model's order."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[: max(k, 0)]

    def __str__(self) -> str:
        if isinstance(self.label, tuple):
            text = ", ".join(self.label) or "no label"
        else:
            text = f"{self.label:.6g}" if isinstance(self.label, float) else str(self.label)
        text = "abstained" if self.abstained else text
        return text if self.probability is None else f"{text} ({100 * self.probability:.1f}%)"

    def __repr__(self) -> str:
        label = "abstained" if self.abstained else repr(self.label)
        parts = [label] + ([] if self.probability is None else [f"{self.probability:.4f}"])
        others = [f"{name} {value:.4f}" for name, value in self.top(SHOWN)]
        more = len(self.probabilities) - len(others)
        parts += [f"[{', '.join(others)}{f', {more} more' if more > 0 else ''}]"] if others else []
        return f"Answer({', '.join(parts)}{', truncated' if self.truncated else ''})"


@dataclass(frozen=True)
class Decided:
    """The decisions for N texts as arrays.

    Args:
        decisions: in the form of label ids, [N] or [N, C].
        probabilities: float64 [N, C], None for a task without probabilities.
        confidences: float64 [N], None likewise.
        abstained: bool [N].
    """

    task: LabelSpace
    decisions: np.ndarray
    probabilities: np.ndarray | None
    confidences: np.ndarray | None
    abstained: np.ndarray

    @property
    def labels(self) -> list[AnswerValue | None]:
        """The label of each text for Python, None where the model abstains."""
        pairs = zip(self.decisions, self.abstained, strict=True)
        return [None if abstains else self.task.answer_value(decision) for decision, abstains in pairs]


def decide(logits: np.ndarray, task: LabelSpace, abstain_below: float | None = None) -> Decided:
    """Apply calibration and decision rule of the task to raw logits, [N, C].

    Args:
        abstain_below: answers that are less sure are none.
    """
    decisions, probabilities = task.decide(logits), task.probabilities(logits)
    confidences, abstained = None, np.zeros(len(logits), dtype=bool)
    if probabilities is not None:
        confidences = task.confidences(probabilities, decisions)
        abstained = confidences < (abstain_below or 0.0)
    return Decided(task, decisions, probabilities, confidences, abstained)


def typed_answers(decided: Decided, tokens: np.ndarray, full_tokens: np.ndarray) -> list[Answer]:
    """One `Answer` per text.

    Args:
        tokens, full_tokens: that were read of each text, and that it has, [N].
    """
    names = decided.task.names
    answers = []
    for row, label in enumerate(decided.labels):
        chances: dict[str, float] = {}
        if decided.probabilities is not None:
            chances = dict(zip(names, decided.probabilities[row].tolist(), strict=True))
        sure = None if decided.confidences is None else float(decided.confidences[row])
        cut = bool(full_tokens[row] > tokens[row])
        abstained = bool(decided.abstained[row])
        answers.append(Answer(label, sure, MappingProxyType(chances), abstained, int(tokens[row]), cut))
    return answers


def check_probabilities(task: LabelSpace, **flags: object) -> None:
    """Raise a UsageError for the first flag (name -> value) that needs probabilities, where the task has none."""
    given: Sequence[tuple[str, object]] = [item for item in flags.items() if item[1] is not None]
    if given and task.output_scale is not None:  # it predicts numbers
        name, value = given[0]
        raise UsageError(
            f"--{name} {value}: needs probabilities, which this model does not have ({task.describe()}). "
            "Leave the flag out."
        )
