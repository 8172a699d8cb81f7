"""Signs that a score does not measure the model: one class, leaked texts, too few rows, one prediction.

They are read from the saved results alone, so that an old run or a published model can be checked too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from classification.data.findings import quantity
from classification.evaluation.share_interval import wilson_interval
from classification.messages.log import Line, warning

SPLITS = {"eval": "validation", "test": "test"}  # prefix in all_results.json -> its name
HEADLINES = ("accuracy", "f1_micro", "pearson")  # of the kinds of tasks
NEARLY_ALL = 0.995  # accuracy
MANY_SHARED = 0.05  # of the rows, where the accuracy is nearly 1
NORMAL = 1.96  # standard deviations on each side of a 95% interval
FAR_BETTER = 0.02  # of the metric, beside intervals that do not meet
FEWEST_ROWS = 10  # with one prediction; fewer agree by chance
F1_DECIMALS = 0.0006  # three decimals, with an accuracy that was rounded to four
F1_APART = 0.002  # 2a / (1 + a) and a: closer, any F1 of a good model would fit


@dataclass(frozen=True)
class Suspicion:
    """A sign that a score is misleading.

    Args:
        kind: one word, such as `one_class`.
        text: what is wrong, why it matters, and what to do.
    """

    kind: str
    text: str


def suspicions(metrics: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """What is suspicious about the scores of a run, one text for each; empty for honest ones.

    Args:
        metrics: all_results.json, of a run or of a study.
        record: run.json; {} where there is none.
    """
    return [suspicion.text for suspicion in find_suspicions(metrics, record)]


def suspicion_lines(metrics: Mapping[str, Any], record: Mapping[str, Any]) -> list[Line]:
    """A warning for each; a model that has collapsed was warned of when its split was scored."""
    is_known = any(f"{prefix}_collapsed" in metrics for prefix in SPLITS)
    found = find_suspicions(metrics, record)
    return [warning(one.text) for one in found if not (is_known and one.kind == "one_prediction")]


def find_suspicions(metrics: Mapping[str, Any], record: Mapping[str, Any]) -> list[Suspicion]:
    """`suspicions` with their kinds; of a study those of its runs, each once."""
    if isinstance(metrics.get("runs"), Mapping):
        of_runs = (one for run in metrics["runs"].values() for one in find_suspicions(run, record))
        return list(dict.fromkeys(of_runs))
    found: list[Suspicion] = []
    for prefix, split in SPLITS.items():
        start = f"{prefix}_"
        scores = {key.removeprefix(start): value for key, value in metrics.items() if key.startswith(start)}
        if has_scores(scores):
            found += about_split(split, scores, record)
    return [*found, *far_better(metrics)]


def has_scores(scores: Mapping[str, Any]) -> bool:
    return scores.get("scored", 1) != 0 and any(name in scores for name in (*HEADLINES, "f1", "loss"))


def about_split(split: str, scores: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[Suspicion]:
    """The suspicions about one split; a later one is left out where an earlier one explains it."""
    supports, accuracy = supports_of(scores), share(scores.get("accuracy"))
    rows = scores.get("scored") or scores.get("samples")
    one_class = bool(supports) and bool(rows) and all(support in (0, rows) for support in supports.values())
    if one_class:
        yield Suspicion("one_class", describe_one_class(split, supports, int(rows or 0)))
    elif not supports and accuracy is not None and has_f1_of_one_class(scores, accuracy):
        yield Suspicion(
            "one_class",
            f"The F1 of {split} is 2a / (1 + a), where a is the accuracy ({accuracy:.4g}). A set with one class only "
            "gives this F1. Such an accuracy is the recall of that class and does not see false alarms. "
            f"Check the labels of {split}, and score rows of every class.",
        )
    labels = len(supports) or len(record.get("labels") or ())
    if rows and labels > 2 and rows < labels:
        yield Suspicion(
            "few_rows",
            f"{split.capitalize()} has {quantity(int(rows), 'scored row')} for {labels} labels. Some labels are never "
            f"tested, so the metrics describe a part of the task. Add rows to {split}.",
        )
    if not one_class and accuracy is not None and rows:
        yield from about_leaks(split, accuracy, int(rows), record)
    if not one_class:
        yield from about_one_prediction(split, scores)


def supports_of(scores: Mapping[str, Any]) -> dict[str, int]:
    """Rows per label, where the results have a table of classes."""
    return {name: row["support"] for name, row in (scores.get("per_class") or {}).items() if "support" in row}


def share(value: object) -> float | None:
    """A metric from 0 to 1; a published one may be in percent."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return value / 100 if 1 < value <= 100 else float(value)


def describe_one_class(split: str, supports: Mapping[str, int], rows: int) -> str:
    given = [name for name, support in supports.items() if support]
    what = f"the label {given[0]}" if len(given) == 1 else f"the same {len(given)} labels" if given else "no label"
    all_rows = "The only scored row" if rows == 1 else f"All {quantity(rows, 'scored row')}"
    return (
        f"{all_rows} of {split} {'has' if rows == 1 else 'have'} {what}. A model that always gives this answer "
        "scores 100%, so the metrics do not show whether the classes are told apart. Score rows of every class: a "
        "file that is sorted by label must be shuffled before it is cut."
    )


def has_f1_of_one_class(scores: Mapping[str, Any], accuracy: float) -> bool:
    """Whether an F1 is the one that a set of one class has: precision is 1 and recall is the accuracy."""
    expected = 2 * accuracy / (1 + accuracy)
    if expected - accuracy < F1_APART:
        return False
    wanted = {"f1": expected, "f1_weighted": expected, "f1_macro": expected / 2}
    values = {name: share(scores.get(name)) for name in wanted}
    return any(value is not None and abs(value - wanted[name]) <= F1_DECIMALS for name, value in values.items())


def about_leaks(split: str, accuracy: float, rows: int, record: Mapping[str, Any]) -> Iterator[Suspicion]:
    """An accuracy of (nearly) 1 with texts that training has seen."""
    shared = sum(
        finding.get("count", 0)
        for finding in record.get("findings") or ()
        if str(finding.get("kind")).endswith("_duplicates") and finding.get("split") == f"train, {split}"
    )
    if shared and (accuracy == 1 or (accuracy >= NEARLY_ALL and shared >= MANY_SHARED * rows)):
        yield Suspicion(
            "leak",
            f"The accuracy on {split} is {100 * accuracy:.4g}%, and {quantity(shared, 'text')} of {split} "
            f"{'is' if shared == 1 else 'are'} in train too. The model may have memorised them. Train again with "
            "--drop_leaked true, and compare.",
        )


def about_one_prediction(split: str, scores: Mapping[str, Any]) -> Iterator[Suspicion]:
    """Every row has the same prediction, although the labels differ."""
    matrix = scores.get("confusion_matrix")
    columns = [sum(column) for column in zip(*matrix, strict=True)] if matrix else []
    used = [place for place, count in enumerate(columns) if count]
    if len(used) == 1 and sum(columns) >= FEWEST_ROWS:
        name = list(supports_of(scores))[used[0]]
        what = f"the model predicts {name} for all {sum(columns)} rows of {split}"
    elif "collapsed" in scores:
        what = f"on {split}, the model has collapsed: {scores['collapsed']}"
    else:
        return
    yield Suspicion(
        "one_prediction",
        f"{what[0].upper()}{what[1:]}. Such a score shows how frequent an answer is, not what the texts tell. "
        "Train longer or with another --learning_rate.",
    )


def far_better(metrics: Mapping[str, Any]) -> Iterator[Suspicion]:
    """The test score is above validation's, and their intervals do not meet."""
    name = next((name for name in HEADLINES if f"eval_{name}" in metrics and f"test_{name}" in metrics), None)
    if name is None:
        return
    validation, test = interval_of(metrics, "eval", name), interval_of(metrics, "test", name)
    if validation is None or test is None or test[0] <= validation[1]:
        return
    values = [metrics[f"{prefix}_{name}"] for prefix in ("eval", "test")]
    if values[1] - values[0] >= FAR_BETTER:
        yield Suspicion(
            "far_better",
            f"Test is far better than validation: {name} {values[1]:.3f} against {values[0]:.3f}, and the 95% "
            "intervals do not meet. Both should be alike. The test rows may be easier, or training may have seen them. "
            "Compare where both come from.",
        )


def interval_of(metrics: Mapping[str, Any], prefix: str, name: str) -> tuple[float, float] | None:
    """The 95% interval of a metric; of an accuracy without one Wilson's. None where it is not known."""
    low, high = metrics.get(f"{prefix}_{name}_low"), metrics.get(f"{prefix}_{name}_high")
    if isinstance(low, int | float) and isinstance(high, int | float):
        return float(low), float(high)
    value, rows = share(metrics.get(f"{prefix}_{name}")), metrics.get(f"{prefix}_scored")
    if value is None or not rows or name != "accuracy":
        return None
    return wilson_interval(value, rows, NORMAL)
