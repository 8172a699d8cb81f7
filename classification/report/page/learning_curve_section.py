"""The section about the learning curve: what the model reaches with parts of train, and whether more would help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classification.evaluation.significance import BASELINE, MODEL
from classification.report.json_fields import list_in, mapping_in
from classification.report.number_format import duration, number, percent, with_limits
from classification.report.page.figures import figure_svg
from classification.report.page.learning_curve_figure import draw_learning_curve
from classification.report.page.learning_curve_words import extrapolation_words, verdict_words
from classification.report.page.sections import Section
from classification.report.run_files import RunFiles
from classification.report.run_words import MetricWords, words_of

STYLES = {MODEL: "ok", BASELINE: "bad"}  # of the verdict; any other is "warn"


def learning_curve_section(run: RunFiles) -> Section | None:
    """None for a run without `--learning_curve`."""
    curve = mapping_in(run.record, "learning_curve")
    points = [point for point in list_in(curve, "points") if isinstance(point, Mapping)]
    if len(points) < 2:
        return None
    words = words_of(str(curve["metric"]))
    values = {
        "verdict": sentence(verdict_words(curve)),
        "style": STYLES.get(curve["gain"]["verdict"], "warn"),
        "further": sentence(extrapolation_words(curve)),
        "plot": figure_svg(
            draw_learning_curve(curve), f"{words.name} by training rows", described(points, words, curve)
        ),
        "columns": [("Of train", False), ("Rows", True), (words.name, True), ("Validation loss", True), ("Time", True)],
        "rows": [row_of(point, words, curve) for point in points],
        "validation_rows": curve.get("validation_rows"),
        "left_out": [(entry["percent"], entry["why"]) for entry in list_in(curve, "left_out")],
    }
    return Section("learning-curve", "Would more labels help?", "learning_curve.html.j2", values)


def sentence(text: str) -> str:
    """A line of the log as a sentence."""
    return f"{text[:1].upper()}{text[1:]}."


def row_of(point: Mapping[str, Any], words: MetricWords, curve: Mapping[str, Any]) -> dict[str, Any]:
    value = with_limits(words.show, point.get(curve["metric"]), point.get("low"), point.get("high"))
    return {
        "share": percent(point["percent"] / 100, 0 if float(point["percent"]).is_integer() else 1),
        "is_run": point["percent"] == 100,
        "cells": [f"{point['rows']:,}", value, number(point.get("val_loss")), duration(point.get("seconds"))],
    }


def described(points: list[Mapping[str, Any]], words: MetricWords, curve: Mapping[str, Any]) -> str:
    """The curve in words, for a screen reader."""
    values = ", ".join(f"{words.show(point.get(curve['metric']))} with {point['rows']:,} rows" for point in points)
    return f"{words.name} is {values}."
