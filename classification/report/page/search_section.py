"""The section about a search for settings: every trial, the one that was chosen, and how lucky the choice was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from classification.cli.search_space import shown
from classification.report.json_fields import list_in, mapping_in
from classification.report.number_format import NONE, duration, is_number, number, plural
from classification.report.page.figures import figure_svg
from classification.report.page.search_figure import draw_trials, metric_name, name_of, scored_trials
from classification.report.page.sections import Section
from classification.report.run_files import RunFiles
from classification.report.run_words import words_of

MOST_ROWS = 50  # trials in the table, the best first
STATES = {"pruned": ("stopped early", "note"), "failed": ("failed", "bad")}
DIGITS = 4  # of the value that trials are compared by


def search_section(run: RunFiles) -> Section | None:
    """None for a run without `--search`."""
    found = mapping_in(run.record, "search")
    trials = [trial for trial in list_in(found, "trials") if isinstance(trial, Mapping)]
    best = next((trial for trial in trials if name_of(trial) == found.get("best")), None)
    if best is None:
        return None
    metric = metric_name(found)
    headline = str(found.get("headline") or "")
    headline = "" if headline == found.get("metric") else headline
    names = list(mapping_in(found, "space"))
    order = sorted(trials, key=lambda trial: sort_key(trial, sign=-1 if found.get("higher") else 1))
    scored = scored_trials(found)
    values = {
        "lead": lead_of(best, trials, metric, names),
        "luck": luck_of(found, best, scored, metric),
        "gain": gain_of(trials, best, metric) if found.get("starts_with_own") else "",
        "plot": plot_of(scored, found, metric) if len(scored) > 1 else None,
        "columns": [
            ("Trial", False), (metric, True), *([(words_of(headline).name, True)] if headline else []), ("Time", True),
            *((name, True) for name in names),
        ],
        "rows": [row_of(trial, found, headline, names) for trial in order[:MOST_ROWS]],
        "count": len(trials),
        "problems": [(name_of(trial), trial["problem"]) for trial in order[:MOST_ROWS] if trial.get("problem")],
    }  # fmt: skip
    left_out = f"{len(trials) - MOST_ROWS} more trials are in search.json." if len(trials) > MOST_ROWS else ""
    return Section("search", "How the settings were found", "search.html.j2", values, left_out)


def sort_key(trial: Mapping[str, Any], sign: int) -> tuple[bool, float, int]:
    """The best trial first; those without a value last, in their order."""
    value = trial.get("value")
    return (False, sign * value, 0) if is_number(value) else (True, 0.0, int(trial["number"]))


def lead_of(best: Mapping[str, Any], trials: list[Mapping[str, Any]], metric: str, names: list[str]) -> str:
    settings = ", ".join(f"{name} {shown(best['settings'].get(name))}" for name in names)
    value = number(best["value"], DIGITS)
    tried = f"{plural(len(trials), 'setting')} {'was' if len(trials) == 1 else 'were'} tried on the validation rows."
    return f"{tried} {name_of(best)} was the best, with {lower(metric)} {value}: {settings}."


def gain_of(trials: list[Mapping[str, Any]], best: Mapping[str, Any], metric: str) -> str:
    """The best trial beside the first one, which has the settings of the command."""
    first = trials[0].get("value")
    if not is_number(first):
        return ""
    if best["number"] == 1:
        return "The first trial has the settings of the command. No other trial was better."
    return f"The first trial has the settings of the command: {lower(metric)} {number(first, DIGITS)}."


def luck_of(found: Mapping[str, Any], best: Mapping[str, Any], scored: list[Mapping[str, Any]], metric: str) -> str:
    """What the choice of the best is worth on rows that did not choose."""
    crossed, value = found.get("cross_fitted"), number(best["value"], DIGITS)
    warning = f"{metric} {value} is the best of {len(scored)} on the same rows, so that it is a little too good."
    if not is_number(crossed):
        return warning
    return (
        f"{warning} Chosen on one half of the {found.get('rows')} rows and measured on the other, it is "
        f"{number(crossed, DIGITS)} on average."
    )


def lower(metric: str) -> str:
    return metric[:1].lower() + metric[1:]


def row_of(trial: Mapping[str, Any], found: Mapping[str, Any], headline: str, names: list[str]) -> dict[str, Any]:
    is_best = name_of(trial) == found.get("best")
    badges = [("chosen", "ok")] if is_best else [STATES[trial["state"]]] if trial.get("state") in STATES else []
    cells = [number(trial.get("value"), DIGITS)] + (
        [words_of(headline).show(trial.get("headline"))] if headline else []
    )
    cells += [duration(trial["seconds"]) if is_number(trial.get("seconds")) else NONE]
    cells += [shown(trial["settings"].get(name)) for name in names]
    return {"name": name_of(trial), "badges": badges, "cells": cells, "is_best": is_best}


def plot_of(scored: list[Mapping[str, Any]], found: Mapping[str, Any], metric: str) -> Markup:
    """The value of each trial, and the best one so far."""
    values = ", ".join(f"{name_of(trial)} {number(trial['value'], DIGITS)}" for trial in scored[:MOST_ROWS])
    return figure_svg(draw_trials(found), f"{metric} of each trial", f"{values}. The line is the best value so far.")
