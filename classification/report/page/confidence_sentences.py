"""What the plots of confidence show in this run, as sentences computed from the same numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from classification.report.number_format import count, number, percent, plural
from classification.report.page.confidence_values import AbstentionPoint, Answers, Bin, Coverage, widest_gap

FEW = 50  # scored answers, below which no bin has enough
SURE = 0.9


def describe_reliability(answers: Answers, bins: Sequence[Bin]) -> str:
    gap = widest_gap(bins)
    shown = gap or max(bins, key=lambda one: one.right.total)
    if answers.noun == "labels":
        example = (
            f"Where the model gives a label about {percent(shown.confidence, 0)}, the label is right in "
            f"{percent(shown.right.value, 0)} of {plural(shown.right.total, 'case')}"
        )
    else:
        example = (
            f"Where the model says about {percent(shown.confidence, 0)}, it is right in "
            f"{percent(shown.right.value, 0)} of {plural(shown.right.total, 'row')}"
        )
    if len(answers.confidence) < FEW:
        return f"{example}. With {plural(len(answers.confidence), 'row')} in all, this shows little."
    if gap is None:
        return f"{example}. No point is further from the dashed line than chance explains."
    too_sure = gap.confidence > (gap.right.value or 0.0)
    return f"{example}: {'less' if too_sure else 'more'} often than it says."


def describe_error(before: float | None, after: float) -> str:
    """The calibration error of probabilities before temperature scaling, and of those in predictions.csv."""
    text = (
        f"On average, the stated probability is {points(after)} away from the share that is right (expected "
        f"calibration error {number(after)})"
    )
    if before is None:
        return f"{text}. These probabilities were not corrected on validation."
    if points(before) == points(after):
        return f"{text}. Their correction on validation (temperature scaling) hardly changed that."
    return f"{text}. Before they were corrected on validation (temperature scaling), it was {points(before)}."


def points(share: float) -> str:
    """A difference of two shares."""
    text = f"{100 * share:.1f}"
    return f"{text} percentage {'point' if text == '1.0' else 'points'}"


def describe_histogram(answers: Answers) -> str:
    right, wrong = answers.confidence[answers.is_right], answers.confidence[~answers.is_right]
    if answers.noun == "labels":
        parts = (("that the rows have", right, "more"), ("that they lack", wrong, "less"))
        texts = [
            f"half of the {plural(len(values), 'label')} {what} get {percent(float(np.median(values)))} or {side}"
            for what, values, side in parts
            if len(values)
        ]
        return f"{'; '.join(texts).capitalize()}."
    if len(answers.confidence) == 1:
        word = "right" if len(right) else "wrong"
        return f"The one answer is {word}; it has a probability of {percent(float(answers.confidence[0]))}."
    if not len(wrong) or not len(right):
        word, middle = "wrong" if len(wrong) else "right", percent(float(np.median(answers.confidence)))
        half = f"half of them have a probability of {middle} or more"
        return f"All {plural(len(answers.confidence), 'answer')} are {word}; {half}."
    sure = int((wrong >= SURE).sum())
    text = (
        f"Half of the right answers have a probability of {percent(float(np.median(right)))} or more, half of the "
        f"wrong ones {percent(float(np.median(wrong)))} or more."
    )
    if sure:
        return (
            f"{text} {count(sure)} of {count(len(wrong))} wrong answers {'has' if sure == 1 else 'have'} at least 90%."
        )
    return f"{text} No wrong answer has 90% or more."


def describe_coverage(coverage: Coverage) -> str:
    half = int(np.searchsorted(coverage.share, 0.5))
    share, right, all_right = coverage.share[half], coverage.right[half], coverage.right[-1]
    if share >= 0.95 or all_right in (0, 1):
        return f"Of the answers to all rows, {percent(all_right)} are right."
    text = (
        f"If it answers only the surest {percent(share, 0)} of the rows, {percent(right)} of the answers are right; "
        f"of the answers to all rows, {percent(all_right)}."
    )
    return text if right > all_right else f"{text} Its confidence does not tell right answers from wrong ones."


def describe_points(chosen: Sequence[AbstentionPoint], kind: str, noun: str = "rows") -> str:
    """What the confidences that were chosen on validation give on rows of a `kind`.

    Args:
        noun: `rows`, of which the model answers a share, or `labels`, of which it finds a share.
    """
    texts, missed = list[str](), list[str]()
    verb = f"answers {{}} of the {kind} rows" if noun == "rows" else f"finds {{}} of the labels of {kind}"
    for point in chosen:
        goal = percent(point.target, 0)
        if point.confidence is None:
            missed.append(goal)
            continue
        start = f"From {percent(point.confidence)} on, {goal} of the answers were right on validation"
        if not np.isfinite(point.right):
            texts.append(f"{start}; no {kind} row is so sure.")
        else:
            does = verb.format(percent(point.share))
            texts.append(f"{start}. The model then {does}, and {percent(point.right)} of these answers are right.")
    if missed:
        texts.append(f"No confidence gave {' or '.join(missed)} right answers on validation.")
    return " ".join(texts)


def describe_unscored(confidence: np.ndarray) -> str:
    low, middle = int((confidence < 0.6).sum()), percent(float(np.median(confidence)))
    have = "has" if len(confidence) == 1 else "have"
    unsure = f"{count(low) if low else 'none'} {'have' if low > 1 else 'has'} less than 60%"
    return (
        f"The {plural(len(confidence), 'test row')} {have} no labels, so nobody knows which answers are right. "
        f"Half of the answers have {middle} or more; {unsure}."
    )
