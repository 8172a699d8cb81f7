"""The section about the classes: how well the model finds each of them, and what it is taken for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from classification.data.labels import LabelSpace
from classification.data.rules.cost_tables import weights_of
from classification.report.number_format import number
from classification.report.page.class_rows import FEW_ROWS, ClassRow, class_rows, class_rows_of_figures
from classification.report.page.sections import Section
from classification.report.run_files import RunFiles
from classification.report.scored_rows import scored_rows, split_note

SHOWN = 40  # classes that are not folded


@dataclass(frozen=True)
class RuleColumn:
    """What decides for a class, beside its probability: the heading of the column and a text per class."""

    title: str
    texts: Mapping[str, str]


def classes_section(run: RunFiles) -> Section | None:
    """The table of classes of test; of validation where test has no labels. None for a task without classes."""
    has_classes = run.predictions is not None and run.predictions.probabilities is not None
    rows = scored_rows(run) if has_classes else None
    if rows is not None and len(rows):
        per_class = run.metrics.get("test_per_class") or {}
        return make_section(run, class_rows(rows, run.task.names, per_class), run.rows_are, split_note(rows))
    for split, words in (("test", run.rows_are), ("eval", "validation")):
        if per_class := run.metrics.get(f"{split}_per_class"):
            matrix = run.metrics.get(f"{split}_confusion_matrix")
            found = class_rows_of_figures(per_class, matrix, run.task.names)
            note = "" if split == "test" else "No test row has a label, so these figures are those of validation."
            return make_section(run, found, words, note)
    return None


def make_section(run: RunFiles, rows: Sequence[ClassRow], split: str, note: str) -> Section:
    ordered = sorted(rows, key=lambda row: (row.f1 is None, row.f1 or 0.0, -row.rows))
    weakest = weakest_of(ordered)
    return Section(
        anchor="classes",
        title="Labels" if run.task.items_per_row > 1 else "Classes",
        template="classes.html.j2",
        values={
            "noun": "label" if run.task.items_per_row > 1 else "class",
            "split": split,
            "groups": [ordered[:SHOWN], ordered[SHOWN:]],
            "weakest": weakest,
            "rare": sum(row.is_rare for row in rows),
            "few": FEW_ROWS,
            "absent": [row.name for row in rows if not row.rows],
            "never": [row.name for row in rows if row.rows and row.predicted == 0 and row is not weakest],
            "rule": rule_column(run.task),
            "has_average_precision": any(row.average_precision is not None for row in rows),
        },
        left_out=note,
    )


def weakest_of(ordered: Sequence[ClassRow]) -> ClassRow | None:
    """The class with the lowest F1 of those with enough rows; None where all rows of these are found."""
    known = [row for row in ordered if row.rows and not row.is_rare] or [row for row in ordered if row.rows]
    return known[0] if known and known[0].f1 != 1 else None


def rule_column(task: LabelSpace) -> RuleColumn | None:
    """Thresholds, or what a mistake costs; None where the most probable class is the answer."""
    if task.thresholds:
        return RuleColumn("Threshold", texts_of(task, task.thresholds))
    if not task.costs:
        return None
    weights = weights_of(task.costs)
    if weights is None:
        others = ([cost for j, cost in enumerate(row) if j != i] for i, row in enumerate(task.costs))
        return RuleColumn("A missed row costs", dict(zip(task.names, map(describe_costs, others), strict=True)))
    if len(weights) == 2 and any(weights):
        shares = (weights[1] / sum(weights), weights[0] / sum(weights))
        return RuleColumn("Threshold", texts_of(task, shares))
    return RuleColumn("Weight of its probability", texts_of(task, weights))


def texts_of(task: LabelSpace, values: Iterable[float]) -> dict[str, str]:
    return dict(zip(task.names, map(number, values), strict=True))


def describe_costs(costs: Sequence[float]) -> str:
    low, high = min(costs), max(costs)
    return number(low) if low == high else f"{number(low)} to {number(high)}"
