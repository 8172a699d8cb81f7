"""Precision against recall: the second of two classes, or all pooled with the weakest classes or each label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from markupsafe import Markup

from classification.evaluation.metrics import average_precisions
from classification.report.number_format import number, percent, plural
from classification.report.page.confidence_sentences import describe_points
from classification.report.page.confidence_values import abstention_points
from classification.report.page.figures import figure_svg
from classification.report.page.plot_blocks import Block, Panel, with_names
from classification.report.page.precision_recall_figure import draw_panel, draw_precision_recall
from classification.report.page.precision_recall_values import (
    MOST_PANELS,
    WORST,
    Curve,
    class_curve,
    pooled_curve,
    weakest_first,
)
from classification.report.scored_rows import ScoredRows

TITLE = "How many rows are found, and at what price?"
AIM = 0.95  # recall
AXES = (
    "To the right: the share of rows that are found. Upwards: the share of answers that are right. The dot is where "
    "the model decides; the dashed line is what giving this answer to every row reaches. AP is average precision; 1 is "
    "best."
)


def precision_recall_blocks(rows: ScoredRows, names: Sequence[str], metrics: Mapping[str, Any]) -> list[Block]:
    """One block; none where no class has both rows with it and rows without it."""
    if len(names) == 2 and not rows.has_label_columns:
        curve = class_curve(rows, 1, names[1])
        return [one_curve(curve)] if curve else []
    order = weakest_first(average_precision_of(rows, names, metrics))
    shown = order[: MOST_PANELS if rows.has_label_columns else WORST]
    curves = [curve for place in shown if (curve := class_curve(rows, place, names[place]))]
    pooled = pooled_curve(rows)
    if not curves or pooled is None:
        return []
    if not rows.has_label_columns:
        return [small_curves(pooled, curves, len(names), "class")]
    points = abstention_points(metrics)
    reached = tuple((point.share, point.right) for point in points if point.confidence and np.isfinite(point.right))
    block = small_curves(replace(pooled, points=reached), curves, len(names), "label")
    told = describe_points(points, rows.kind, "labels") + " They are the open dots." * bool(reached)
    return [replace(block, note=f"{block.note} {told}".strip())]


def average_precision_of(rows: ScoredRows, names: Sequence[str], metrics: Mapping[str, Any]) -> list[float | None]:
    """Of each class, from the results of the run if they are there."""
    known = metrics.get("test_per_class") or {}
    if any("average_precision" in (known.get(name) or {}) for name in names):
        return [(known.get(name) or {}).get("average_precision") for name in names]
    assert rows.probabilities is not None
    values = average_precisions(rows.truth, rows.probabilities)
    return [None if np.isnan(value) else float(value) for value in values]


def one_curve(curve: Curve) -> Block:
    sentence = describe_curve(curve)
    title = f"Precision against recall of {curve.name}"
    svg = figure_svg(draw_precision_recall(curve), title, plain(sentence))
    note = (
        "The dot is where the model decides; the dashed line is what giving this answer to every row reaches. Average "
        f"precision is {number(curve.average_precision)}; 1 is best."
    )
    return Block(TITLE, sentence, [Panel(svg)], note)


def describe_curve(curve: Curve) -> Markup:
    """Where the model decides, and what it would cost to find more."""
    reachable = curve.precision[curve.recall >= AIM].max(initial=0.0)
    more = f" If it found {AIM:.0%} of them, {percent(reachable, 0)} of these answers would be right."
    if curve.chosen is None:
        return with_names("The model never answers {}." + more, curve.name)
    recall, precision = curve.chosen
    return with_names(
        "The model finds {found} of the rows with {}, and {right} of these answers are right." + more * (recall < AIM),
        curve.name,
        found=percent(recall, 0),
        right=percent(precision, 0),
    )


def small_curves(pooled: Curve, curves: Sequence[Curve], total: int, noun: str) -> Block:
    weakest = curves[0]
    reached = "the model never answers with it"
    if weakest.chosen:
        found, right = (percent(share, 0) for share in weakest.chosen)
        reached = f"{found} of its rows are found, and {right} of the answers with it are right"
    sentence = with_names(
        f"By average precision, the weakest {noun} is {{}}: {{reached}}.", weakest.name, reached=reached
    )
    panels = [panel_of(pooled, f"all {total} {'labels' if noun == 'label' else 'classes'}"), *map(panel_of, curves)]
    left_out = total - len(curves)
    note = AXES
    if left_out > 0:
        others = f"{plural(left_out, noun)} with higher average precision or without rows"
        note += f" {others} {'is' if left_out == 1 else 'are'} not drawn."
    return Block(TITLE, sentence, panels, note, is_wide=noun == "label")


def panel_of(curve: Curve, text: str = "") -> Panel:
    title = f"Precision against recall of {curve.name or text}"
    description = f"average precision {number(curve.average_precision)}"
    area = f"AP {curve.average_precision:.2f}"
    return Panel(figure_svg(draw_panel(curve), title, description), curve.name, f"{text}, {area}" if text else area)


def plain(sentence: Markup) -> str:
    """The sentence as a screen reader's description."""
    return sentence.striptags()
