"""Simple methods on the same rows: what each reaches and costs, and whether the best one really differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classification.evaluation.significance import BASELINE, MODEL, NOISE
from classification.report.json_fields import mapping_in
from classification.report.number_format import NONE, count, duration, is_number, size
from classification.report.page.sections import Section
from classification.report.run_files import RunFiles
from classification.report.run_words import SPLIT_NAMES, MetricWords, words_of

OWN = "model"  # the entry of the model itself
VERDICTS = {
    MODEL: ("ok", "On {rows}, the model is better than the best simple method, {title}."),
    BASELINE: ("bad", "On {rows}, the best simple method, {title}, is better than the model."),
    NOISE: ("warn", "On {rows}, the model and the best simple method, {title}, do not differ clearly."),
}


def baselines_section(run: RunFiles) -> Section | None:
    methods = {name: entry for name, entry in mapping_in(run.record, "baselines").items() if isinstance(entry, Mapping)}
    if not methods:
        return None
    words, headline = words_of(run.task.headline), run.task.headline
    split = next((name for name in ("test", "validation") if has_any(methods, f"{name}_{headline}")), "validation")
    compared = mapping_in(run.record, "comparison")
    present = {name: entry for name, entry in methods.items() if "absent" not in entry}
    sign = 1 if words.lower_is_better else -1
    order = sorted(present, key=lambda name: sort_key(present[name].get(f"{split}_{headline}"), sign))
    columns = [("Method", False), (f"{words.name}, {SPLIT_NAMES[split]}", True)]
    columns += [(f"{words.name}, validation", True)] if split == "test" else []
    columns += [(name, True) for name in ("Difference from the model", "Time to train", "Rows per second", "Size")]
    own = mapping_in(methods, OWN).get(f"{split}_{headline}")
    rows = [row_of(name, present[name], headline, split, words, own) for name in order]
    values = {
        "verdict": verdict_of(compared, methods),
        "columns": columns,
        "rows": rows,
        "best": compared.get("baseline"),
        "absent": [
            (entry.get("title") or name, entry["absent"]) for name, entry in methods.items() if "absent" in entry
        ],
        "split": SPLIT_NAMES[split],
    }
    return Section("baselines", "Simple methods on the same rows", "baselines.html.j2", values)


def has_any(methods: Mapping[str, Mapping[str, Any]], key: str) -> bool:
    return any(is_number(entry.get(key)) for entry in methods.values())


def sort_key(value: object, sign: int) -> tuple[bool, float]:
    """Sorts methods by their figure, the best first; those without one come last."""
    return (False, sign * value) if is_number(value) else (True, 0.0)


def row_of(
    name: str, entry: Mapping[str, Any], headline: str, split: str, words: MetricWords, own: float | None
) -> dict[str, Any]:
    value = entry.get(f"{split}_{headline}")
    figures = [words.show(value)] + ([words.show(entry.get(f"validation_{headline}"))] if split == "test" else [])
    gap = "" if name == OWN or not is_number(value) or not is_number(own) else difference(value - own, words)
    return {
        "name": name,
        "title": str(entry.get("title") or name),
        "is_model": name == OWN,
        "cells": [
            *figures,
            gap,
            duration(entry.get("train_seconds", entry.get("seconds"))),  # the second in older runs
            speed(entry.get("rows_per_second")),
            size(entry.get("size_bytes")),
        ],
    }


def speed(rows_per_second: float | None) -> str:
    """Rows per second: three digits, and no fraction from 100 on.

    >>> speed(2986.4), speed(36.12), speed(0.2), speed(None)
    ('2,986', '36.1', '0.2', '–')
    """
    if not is_number(rows_per_second):
        return NONE
    return count(rows_per_second) if rows_per_second >= 100 else f"{rows_per_second:.3g}"


def difference(value: float, words: MetricWords) -> str:
    """A difference with its sign, in points for a share.

    >>> difference(-0.0213, words_of("accuracy")), difference(3.25, words_of("rmse"))
    ('−2.1 points', '+3.25')
    """
    sign = "−" if value < 0 else "+"
    shown = abs(value) * words.factor
    return f"{sign}{shown:.1f}{words.unit}" if words.unit else f"{sign}{words.show(shown)}"


def verdict_of(compared: Mapping[str, Any], methods: Mapping[str, Any]) -> dict[str, str] | None:
    """Whether the model and the best baseline differ by more than chance."""
    figures = mapping_in(compared, "figures")
    if figures.get("verdict") not in VERDICTS:
        return None
    style, sentence = VERDICTS[figures["verdict"]]
    words = words_of(str(figures.get("metric")))
    title = str(mapping_in(methods, str(compared.get("baseline"))).get("title") or compared.get("baseline"))
    gap = difference(figures["difference"], words)
    low, high = sorted((figures["low"], figures["high"]))
    rows = SPLIT_NAMES.get(str(compared.get("split")), "test")
    note = "The best simple method is the one with the best result on validation."
    if compared.get("split") == "validation":
        note = "The same validation rows chose both, which makes both figures a little too good."
    before, after = sentence.replace("{rows}", rows).split("{title}")
    return {
        "style": style, "before": before, "title": title, "after": after, "note": note,
        "gap": f"The model reaches {words.show(figures['model'])} and the simple method "
        f"{words.show(figures['baseline'])} on {figures['rows']:,} {rows} rows: a difference of {gap} (95% interval "
        f"{difference(low, words)} to {difference(high, words)}).",
    }  # fmt: skip
