"""The first screen: what was trained on what, the result with its interval, and what to be careful about."""

from __future__ import annotations

from typing import Any

from classification.evaluation.significance import BASELINE, MODEL, NOISE
from classification.evaluation.suspicious_scores import suspicions
from classification.report.json_fields import list_in, mapping_in
from classification.report.number_format import is_number, plural
from classification.report.page.sections import Section
from classification.report.run_files import RunFiles
from classification.report.run_words import (
    MetricWords,
    data_name,
    model_name,
    rows_of,
    split_name,
    split_rows,
    task_words,
    words_of,
)

MOST_DOUBTS = 2  # on the first screen
VERDICTS = {  # style, badge, and how the sentence goes on
    MODEL: ("ok", "better", "than"),
    BASELINE: ("bad", "worse", "than"),
    NOISE: ("warn", "no clear difference", "from"),
}


def headline_section(run: RunFiles) -> Section:
    doubts = doubts_about(run)
    return Section(
        "headline",
        "Result",
        "headline.html.j2",
        {
            "model": model_name(run),
            "data": data_name(run),
            "about": about_run(run),
            "result": result_of(run),
            "validation": validation_of(run),
            "baseline": baseline_of(run),
            "warnings": warnings_of(run),
            "doubts": [first_sentence(doubt) for doubt in doubts[:MOST_DOUBTS]],
            "more_doubts": len(doubts[MOST_DOUBTS:]),
            "rows_are": run.rows_are,
            "is_trained": rows_of(run, "train") is not None,
        },
    )


def doubts_about(run: RunFiles) -> list[str]:
    """What is suspicious about the scores, those of validation last where test has its own."""
    doubts = suspicions(run.metrics, run.record)
    return sorted(doubts, key=lambda doubt: run.scored_split == "test" and "validation" in first_sentence(doubt))


def about_run(run: RunFiles) -> str:
    """The task and the rows of each split, in a sentence or two."""
    train, validation, test = (rows_of(run, split) for split in ("train", "validation", "test"))
    parts = [f"trained on {plural(train, 'row')}"] if train is not None else []
    if validation is not None:
        parts.append(
            f"{'best state (checkpoint) chosen' if parts else 'checked'} on {plural(validation, 'validation row')}"
        )
    if test is not None and run.rows_are == "test":
        rows = plural(test, "test row")
        parts.append(f"tested on {rows}" if run.scored_split == "test" else f"{rows} predicted")
    words = ", ".join(parts)
    return f"Task: {task_words(run)}. " + (f"{words[0].upper()}{words[1:]}." if words else "")


def first_sentence(text: str) -> str:
    """
    >>> first_sentence("All 9 rows of test have the label 1.5. Score rows of every class.")
    'All 9 rows of test have the label 1.5.'
    """
    head, dot, _ = text.partition(". ")
    return head + dot.strip()


def result_of(run: RunFiles) -> dict[str, Any] | None:
    """The headline metric on test, else on validation; None where no row was scored."""
    split = run.scored_split
    if split is None:
        return None
    words = words_of(run.task.headline)
    value = run.metric(run.task.headline, split)
    before, after = words.sentence
    if run.rows_are != "test":  # each fold has a model of its own
        before = before.replace("The model gets", "The models get")
    return {
        "split": split_name(run, split),
        "is_validation": split == "validation",
        "words": words,
        "value": words.show(value),
        "is_known": is_number(value),
        "scale": scale_of(run, words, split),
        "before": before,
        "after": after.format(rows=split_rows(run, split)),
        "interval": interval_of(run, words, split),
    }


def scale_of(run: RunFiles, words: MetricWords, split: str) -> dict[str, float] | None:
    """Value and interval for a drawing from 0 to 1; None where the metric has no such bounds or no interval."""
    names = ("", "_low", "_high")
    value, low, high = (run.metric(f"{run.task.headline}{name}", split) for name in names)
    if not words.is_share or not all(is_number(each) and 0 <= each <= 1 for each in (value, low, high)):
        return None
    return {"value": value, "low": low, "high": high}


def interval_of(run: RunFiles, words: MetricWords, split: str) -> tuple[str, str] | None:
    """The 95% interval as texts; None where the run has none."""
    low, high = (run.metric(f"{run.task.headline}_{end}", split) for end in ("low", "high"))
    return None if low is None or high is None else (words.show(low), words.show(high))


def validation_of(run: RunFiles) -> str | None:
    """The same metric on validation, where test has its own."""
    if run.scored_split != "test" or "eval_loss" not in run.metrics.keys():
        return None
    return words_of(run.task.headline).show(run.metric(run.task.headline, "validation"))


def baseline_of(run: RunFiles) -> dict[str, Any] | None:
    """The best simple method on the same rows, and whether the difference is more than chance."""
    figures = mapping_in(run.record, "comparison", "figures")
    if not figures:
        return None
    name = str(run.record["comparison"].get("baseline"))
    words = words_of(str(figures.get("metric")))
    style, badge, relation = VERDICTS.get(str(figures.get("verdict")), ("note", "compared", "with"))
    return {
        "title": mapping_in(run.record, "baselines", name).get("title") or name.replace("_", " "),
        "value": words.show(figures.get("baseline")),
        "position": figures.get("baseline"),
        "split": run.record["comparison"].get("split"),
        "style": style,
        "badge": badge,
        "relation": relation,
    }


def warnings_of(run: RunFiles) -> int:
    """Findings about the data that are more than notes."""
    findings = list_in(run.record, "findings")
    return sum(isinstance(finding, dict) and finding.get("severity") in ("warning", "error") for finding in findings)
