"""An export beside its model on the same rows: do they answer alike, and how fast is each?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from classification.data.findings import quantity
from classification.data.labels import LabelSpace
from classification.data.tasks import task_as_dict
from classification.errors import UsageError
from classification.export.check_rows import CheckRows
from classification.inference.classifier import Classifier, Encoded
from classification.inference.scoring import can_score
from classification.messages.log import Line, warning
from classification.messages.progress import Progress
from classification.messages.shown_texts import quoted

# N rows, C labels.

MIN_AGREEMENT = {"fp32": 1.0, "fp16": 0.995, "int8": 0.99}
TOLERANCE = 1e-3  # of fp32 logits, relative to the largest, or to 1 if that is more
NUMBER_TOLERANCE = 0.05  # of a predicted number, in standard deviations of its label
ROWS_AT_ONCE = 128  # the longer a piece, the less padding
LONGEST_TEXT = 80  # characters of a row in an error
FEW_TEXTS = 100  # one of them is more than 1%, which int8 may lose


@dataclass(frozen=True)
class Parity:
    """The comparison of N rows.

    Args:
        different: rows with different texts.
        agreeing: rows with the same answer. is_same: [N], which they are.
        is_one_answer: whether the model gives all rows the same class or set of labels.
        difference: the largest of a logit. relative: the same, divided by the largest logit or by 1.
        worst: position of the row that differs most: of those with another answer, if there are any.
        answers: of that row, by the model and by the export.
        metric: name of the headline metric, "" without labels. scores: of the model and of the export.
        rows_per_second: of the model and of the export, by turns on this machine.
    """

    rows: int
    different: int
    agreeing: int
    is_same: np.ndarray
    is_one_answer: bool
    difference: float
    relative: float
    worst: int
    answers: tuple[str, str]
    metric: str
    scores: tuple[float, float] | None
    rows_per_second: tuple[float, float]

    @property
    def agreement(self) -> float:
        return self.agreeing / self.rows

    @property
    def percent(self) -> str:
        """`agreement` for people, never rounded up: 98.95% must not look like 99.0%, which would be enough."""
        return f"{self.agreeing * 1000 // self.rows / 10:.1f}%"


def compare(model: Classifier, export: Classifier, rows: CheckRows) -> Parity:
    """Answer the rows with both, some by the one, then by the other.

    Raises:
        UsageError: the tokenizer or the task of the export is another one.
    """
    encoded = model.encode(rows.texts, rows.pairs)
    if export.encode(rows.texts, rows.pairs).columns != encoded.columns:
        raise UsageError(f"MODEL {model.name}: its tokenizer reads other tokens after it is saved and loaded.")
    if task_as_dict(export.task) != task_as_dict(model.task):
        raise UsageError(f"MODEL {model.name}: its labels or decision rule change when its config is saved.")
    both, seconds = answer_by_turns((model, export), encoded)
    expected, found = both
    task = model.task
    is_same = same_answers(task, expected, found)
    with np.errstate(invalid="ignore"):  # of infinities
        apart = np.abs(expected - found).max(axis=1)
    apart = np.where(np.isfinite(apart), apart, np.inf)
    largest = float(apart.max())
    worst = int(np.where(is_same, -1.0, apart).argmax() if not is_same.all() else apart.argmax())
    metric, scores = score_both(task, both, rows.labels)
    return Parity(
        rows=len(rows.texts), different=len({*zip(rows.texts, rows.pairs or rows.texts, strict=True)}),
        agreeing=int(is_same.sum()), is_same=is_same, is_one_answer=is_one_answer(task, expected), difference=largest,
        relative=largest / max(1.0, float(np.abs(np.nan_to_num(expected)).max())), worst=worst,
        answers=(shown_answer(task, expected[worst]), shown_answer(task, found[worst])),
        metric=metric, scores=scores,
        rows_per_second=(len(rows.texts) / seconds[0], len(rows.texts) / seconds[1]),
    )  # fmt: skip


def answer_by_turns(
    classifiers: Sequence[Classifier], encoded: Encoded
) -> tuple[tuple[np.ndarray, np.ndarray], list[float]]:
    """The logits [N, C] of two classifiers, and their seconds; each has a warm-up that is not counted."""
    count = len(encoded.tokens)
    pieces = np.array_split(np.arange(count), max(1, count // ROWS_AT_ONCE))
    logits: list[list[np.ndarray]] = [[], []]
    seconds = [0.0, 0.0]
    for classifier in classifiers:
        classifier.compute(part_of(encoded, pieces[0]))
    with Progress(count, "Compare", "row", time_left=True) as progress:
        for number, rows in enumerate(pieces):
            some = part_of(encoded, rows)
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                start = time.perf_counter()
                logits[which].append(classifiers[which].compute(some).logits)
                seconds[which] += time.perf_counter() - start
            progress.update(len(rows))
    return (np.concatenate(logits[0]), np.concatenate(logits[1])), [max(each, 1e-9) for each in seconds]


def part_of(encoded: Encoded, rows: np.ndarray) -> Encoded:
    columns = {name: [values[row] for row in rows] for name, values in encoded.columns.items()}
    return Encoded(columns, encoded.tokens[rows], encoded.full_tokens[rows], encoded.unknown[rows])


def same_answers(task: LabelSpace, expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Which rows have the same answer, bool [N]: the same class, all labels alike, or numbers within the tolerance."""
    is_finite = np.isfinite(expected).all(axis=1) & np.isfinite(found).all(axis=1)
    if task.output_scale is not None:  # the outputs are in standard deviations
        return is_finite & (np.abs(expected - found).max(axis=1) <= NUMBER_TOLERANCE)
    filled = np.nan_to_num(expected), np.nan_to_num(found)
    same = task.decide(filled[0]) == task.decide(filled[1])
    return is_finite & same.reshape(len(expected), -1).all(axis=1)


def is_one_answer(task: LabelSpace, logits: np.ndarray) -> bool:
    """Whether all rows have the same class or set of labels; numbers are never the same."""
    return task.output_scale is None and len(np.unique(task.decide(np.nan_to_num(logits)), axis=0)) == 1


def score_both(
    task: LabelSpace, both: tuple[np.ndarray, np.ndarray], labels: list | None
) -> tuple[str, tuple[float, float] | None]:
    """The headline metric of the rows that have a label."""
    if labels is None or not can_score():
        return "", None
    from classification.evaluation.split_metrics import score_labelled

    if not np.isfinite(both[1]).all():
        return "", None
    first, second = (float(score_labelled(logits, labels, task)[task.headline]) for logits in both)
    return task.headline, (first, second)


def shown_answer(task: LabelSpace, logits: np.ndarray) -> str:
    """The answer to logits [C], for people."""
    if not np.isfinite(logits).all():
        return "no number"
    return task.decode(task.decide(logits[None])[0]) or "no label"


def wanted_agreement(variant: str, least: float | None) -> float:
    """The share of the rows that must agree: the given one, or the usual one of the number format."""
    return MIN_AGREEMENT[variant] if least is None else least


def check_parity(parity: Parity, rows: CheckRows, variant: str, least: float | None) -> None:
    """Refuse an export that answers too differently.

    Args:
        least: share of the rows that must agree; None for the usual one. A given share is all that is asked.

    Raises:
        UsageError: names the figure, the row that differs most, and the remedy.
    """
    wanted = wanted_agreement(variant, least)
    flag = f"--variant {variant}"
    other = "--variant fp32" if variant != "fp32" else "the folder itself with predict.py"
    row = describe_worst(parity, rows)
    if parity.agreement < wanted:
        accept = f", or pass --min_agreement {rounded_down(parity.agreement)} to accept it" if parity.agreeing else ""
        raise UsageError(
            f"{flag}: {parity.agreeing} of {parity.rows} rows ({parity.percent}) have the answer of the model, "
            f"and at least {wanted:.1%} must. {row} Use {other}{accept}."
        )
    if variant == "fp32" and least is None and not parity.relative <= TOLERANCE:
        raise UsageError(
            f"{flag}: all answers agree, but logits differ by up to {parity.difference:.3g}, more than {TOLERANCE:g} "
            f"of the largest. {row} Use {other}, or pass --min_agreement 1 to accept it."
        )


def describe_doubts(parity: Parity) -> list[Line]:
    """Warnings where the rows say little about other texts."""
    lines = []
    if parity.different < FEW_TEXTS:
        texts = quantity(parity.different, "different text")
        text = f"the rows have only {texts}, too few to tell how others are answered. Pass a larger --check_file"
        lines.append(warning(text))
    if parity.is_one_answer:
        text = f"the model answers all rows with {parity.answers[0]}. Pass a --check_file with texts of every label"
        lines.append(warning(text))
    return lines


def rounded_down(share: float) -> str:
    """Three digits, never more than the share itself."""
    return f"{int(share * 1000) / 1000:g}" if share >= 0.001 else "1e-6"


def describe_worst(parity: Parity, rows: CheckRows) -> str:
    model, export = parity.answers
    text = quoted(rows.texts[parity.worst], LONGEST_TEXT)
    return (
        f"The row that differs most is {rows.numbers[parity.worst]} of {rows.source}, {text}: {model} by the model, "
        f"{export} by the export."
    )
