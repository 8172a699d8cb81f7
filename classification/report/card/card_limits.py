"""The limits that a model card names: doubts about the results, findings about the data, costly slices, weak labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from classification.evaluation.metrics import LOWER_IS_BETTER
from classification.evaluation.slices import IN_TRAIN, LENGTH, TRUNCATED
from classification.evaluation.suspicious_scores import suspicions
from classification.report.json_fields import list_in
from classification.report.number_format import is_number, number, plural, with_limits
from classification.report.plain_findings import without_texts
from classification.report.run_files import RunFiles
from classification.report.run_words import title_of

MAX_SLICES, MAX_WEAK = 3, 3
WEAK = 0.8  # of the mean F1 of all classes


def limits_of(run: RunFiles) -> Iterator[str]:
    """What is doubtful about the results, then the data, the costliest slices and the weakest labels."""
    yield from suspicions(run.metrics, run.record)
    if run.scored_split is None:
        yield "No row was scored, so nothing is known about the quality of the answers."
    elif run.scored_split == "validation":
        yield "There is no test result. Validation has chosen the checkpoint, so its results are too good."
    findings = [finding for finding in list_in(run.record, "findings") if isinstance(finding, dict)]
    serious = [finding for finding in findings if finding.get("severity") in ("warning", "error")]
    yield from (f"Data: {text}." for text in dict.fromkeys(without_texts(one, serious) for one in serious))
    yield from slice_limits(run)
    yield from weak_labels(run)


def slice_limits(run: RunFiles) -> Iterator[str]:
    """The costliest slices that are worse than all rows; without a clear one, the first that can be so by chance."""
    headline, split = run.task.headline, run.scored_split
    slices, whole = (run.metric("slices", split) or [], run.metric(headline, split)) if split else ([], None)
    sign = -1 if headline in LOWER_IS_BETTER else 1
    worse = [
        one
        for one in slices
        if is_number(one.get(headline)) and is_number(one.get("cost")) and one["cost"] > 0
        if not is_number(whole) or sign * one[headline] < sign * whole
    ]
    clear = [one for one in worse if not can_be_chance(one, headline, whole)]
    for one in clear[:MAX_SLICES] or worse[:1]:
        value = with_limits(figure, *(one.get(f"{headline}{end}") for end in ("", "_low", "_high")))
        rows = plural(int(one["rows"]), f"{split} row")
        yield (
            f"{title_of(headline)} is {value} on the {rows} {slice_words(one)}; on all rows it is {figure(whole)}."
            f"{' The difference can be chance.' if can_be_chance(one, headline, whole) else ''}"
        )


def slice_words(one: Mapping[str, Any]) -> str:
    if one["column"] == LENGTH:
        return f"with {one['value']} {'token' if one['value'] == '1' else 'tokens'}"
    if one["column"] == TRUNCATED:
        return "whose text was cut" if one["value"] == "yes" else "whose text was not cut"
    if one["column"] == IN_TRAIN:
        return "whose text is in train too" if one["value"] == "yes" else "whose text is not in train"
    return f"whose {one['column']} is {one['value']}"


def can_be_chance(one: Mapping[str, Any], headline: str, whole: object) -> bool:
    """Whether the interval of the slice includes the figure of all rows."""
    low, high = one.get(f"{headline}_low"), one.get(f"{headline}_high")
    return is_number(low) and is_number(high) and is_number(whole) and low <= whole <= high


def weak_labels(run: RunFiles) -> Iterator[str]:
    """The labels with the lowest F1, where it is far below the mean of all."""
    figures = {name: row for name, row in class_figures(run).items() if is_number(row.get("f1")) and row.get("support")}
    if len(figures) < 2:
        return
    mean = sum(row["f1"] for row in figures.values()) / len(figures)
    weakest = sorted(figures.items(), key=lambda item: item[1]["f1"])[:MAX_WEAK]
    for name, row in weakest:
        if row["f1"] < WEAK * mean:
            yield (
                f"The label {name} is weak: precision {figure(row['precision'])}, recall {figure(row['recall'])} on "
                f"{plural(row['support'], f'{run.scored_split} row')}."
            )


def figure(value: object) -> str:
    """A metric with three decimals, in a column; larger numbers are in the units of the labels."""
    return f"{value:.3f}" if is_number(value) and abs(value) <= 1 else number(value)  # type: ignore[arg-type, str-bytes-safe]


def class_figures(run: RunFiles) -> Mapping[str, Mapping[str, Any]]:
    return run.metric("per_class", run.scored_split) or {} if run.scored_split else {}
