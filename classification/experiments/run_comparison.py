"""Two runs compared on the same rows: metrics, a paired test, flipped rows, and the change per class and per slice.

Everything is read from the files that the runs have left.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from classification.data.formula_cells import guarded, guarded_names
from classification.evaluation.labelled_rows import LabelledRows
from classification.evaluation.significance import BASELINE, MODEL, Decided, compare_decided
from classification.evaluation.slice_values import band_name, band_numbers, group_values
from classification.experiments.compared_rows import Side, figures_of, read_sides
from classification.system.files import replacing

# N rows with a label, in one order for both runs; C labels.

VERDICTS = {MODEL: "B is better", BASELINE: "A is better"}
NO_DIFFERENCE = "no difference beyond chance"
MIN_ROWS = 5  # of a class or slice, for a change to be listed


@dataclass(frozen=True)
class Comparison:
    """Run A against run B.

    Args:
        metrics: name -> `a`, `b` and their limits `a_low`, `a_high`, `b_low`, `b_high`.
        test: what `significance.compare` returns of B against A, with `verdict` in words; empty without labels.
        flipped: the rows that one run decides rightly and the other wrongly (for numbers: all rows, the largest change
            of the error first). Without labels: the rows with different predictions.
        classes: F1 per class; slices: the headline per slice; both with `a`, `b`, `change`, `rows`, largest first.
    """

    a: Side
    b: Side
    rows: int
    scored: int
    metrics: dict[str, dict[str, float]]
    test: dict[str, Any]
    flipped: list[dict[str, Any]]
    classes: list[dict[str, Any]]
    slices: list[dict[str, Any]]

    @property
    def headline(self) -> str:
        return self.a.task.headline

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints; texts are left out."""
        flipped = [{key: value for key, value in row.items() if key != "row"} for row in self.flipped]
        return {
            "a": self.a.name, "b": self.b.name, "rows": self.rows, "scored": self.scored, "metrics": self.metrics,
            "test": self.test, "flipped": flipped, "classes": self.classes, "slices": self.slices,
        }  # fmt: skip

    def write(self, path: Path) -> None:
        """A CSV file with all flipped rows: `id, text[, text_pair], label, prediction_a, prediction_b, right`.

        With numbers, `right` is the run that is nearer, and `change` by how much the error of B is larger. Cells that
        a spreadsheet would run as a formula are guarded where a run was asked for that, and texts are left out where a
        run was asked to show none.
        """
        safe = any(side.run.arguments.get("csv_safe") for side in (self.a, self.b))
        shows_texts = self.a.run.shows_texts and self.b.run.shows_texts
        texts = ["text", "text_pair"][: len(self.a.table.texts[0])] if shows_texts and self.rows else []
        more = [key for key in ("change",) if self.flipped and key in self.flipped[0]]
        with replacing(path) as handle:
            writer = csv.writer(handle)
            writer.writerow(["id", *texts, "label", "prediction_a", "prediction_b", "right", *more])
            for row in self.flipped:
                words = [row["id"], *(self.a.table.texts[row["row"]] if texts else ())]
                labels = [row["label"], row["prediction_a"], row["prediction_b"]]
                if safe:
                    words, labels = [guarded(word) for word in words], guarded_names(labels)
                writer.writerow([*words, *labels, row["right"], *(row[key] for key in more)])


def compare_runs(first: Path, second: Path) -> Comparison:
    """Compare the runs (or studies) in two folders.

    Raises:
        UsageError: a folder holds no run or no predictions, or the rows or labels of the runs differ.
    """
    a, b = read_sides(first, second)
    (rows_a, places), (rows_b, _) = a.labelled(), b.labelled()
    if not len(places):
        return Comparison(a, b, len(a.table.ids), 0, {}, {}, different_predictions(a, b), [], [])
    decided = [Decided(rows.decisions, rows.label_ids, rows.task) for rows in (rows_b, rows_a)]
    test = compare_decided(*decided)
    test["verdict"] = VERDICTS.get(test["verdict"], NO_DIFFERENCE)
    names = {"model": "b", "baseline": "a", "only_model_right": "only_b_right", "only_baseline_right": "only_a_right"}
    return Comparison(
        a, b, len(a.table.ids), len(places),
        metrics=metrics_of(figures_of(a, rows_a), figures_of(b, rows_b), a.task.main_metrics),
        test={names.get(key, key): value for key, value in test.items()},
        flipped=flipped_rows(a, b, rows_a, rows_b, places),
        classes=changes_of_classes(rows_a, rows_b),
        slices=changes_of_slices(a, b, rows_a, rows_b, places),
    )  # fmt: skip


def metrics_of(a: dict[str, float], b: dict[str, float], names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    return {
        name: {f"{side}{end}": figures[f"{name}{end}"] for side, figures in (("a", a), ("b", b))
               for end in ("", "_low", "_high") if f"{name}{end}" in figures}
        for name in names
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------- flipped rows


def described_row(a: Side, b: Side, row: int, right: str) -> dict[str, Any]:
    return {
        "id": a.table.ids[row], "label": a.task.decode(a.table.label_ids[row]),
        "prediction_a": a.task.decode(a.table.decisions[row]), "prediction_b": b.task.decode(b.table.decisions[row]),
        "right": right, "row": row,
    }  # fmt: skip


def flipped_rows(a: Side, b: Side, rows_a: LabelledRows, rows_b: LabelledRows, places: np.ndarray) -> list[dict]:
    """The rows that only one run decides rightly; for numbers every row whose error changes, the largest first."""
    errors = [np.sqrt(rows.errors()) for rows in (rows_a, rows_b)]
    changes = errors[1] - errors[0]
    order = np.argsort(-np.abs(changes), kind="stable")
    order = order[changes[order] != 0]
    found = [described_row(a, b, int(places[row]), "A" if changes[row] > 0 else "B") for row in order]
    if Decided(rows_a.decisions, rows_a.label_ids, rows_a.task).correct is None:
        for entry, row in zip(found, order, strict=True):
            entry["change"] = float(f"{changes[row]:.6g}")
    return found


def different_predictions(a: Side, b: Side) -> list[dict]:
    """Without labels: the rows with different predictions."""
    ours, theirs = (np.asarray(side.task.in_units(side.table.decisions), dtype=np.float64) for side in (a, b))
    differs = ~np.isclose(ours, theirs).reshape(len(a.table.ids), -1).all(axis=1)
    return [described_row(a, b, int(row), "") for row in np.flatnonzero(differs)]


# ------------------------------------------------------------------------------------------------- classes and slices


def changes_of_classes(rows_a: LabelledRows, rows_b: LabelledRows) -> list[dict[str, Any]]:
    """F1 per class; empty for a task without classes."""
    counts = rows_a.task.counts(rows_a.label_ids)
    if not counts:
        return []
    ids = range(rows_a.task.num_labels)
    scores = [f1_score(rows.references, rows.predictions, labels=ids, average=None, zero_division=0)
              for rows in (rows_a, rows_b)]  # fmt: skip
    entries = [
        {"class": name, "rows": count, "a": float(one), "b": float(other), "change": float(other - one)}
        for (name, count), one, other in zip(counts.items(), *scores, strict=True)
    ]
    return sorted(entries, key=lambda entry: -abs(entry["change"]))


def changes_of_slices(
    a: Side, b: Side, rows_a: LabelledRows, rows_b: LabelledRows, places: np.ndarray
) -> list[dict[str, Any]]:
    """The headline metric per slice, the largest change first; slices of fewer than 5 rows are left out."""
    entries = []
    for column, value, inside in slices_of(a, b, places):
        scores = [rows.take(inside).score(a.task.headline) for rows in (rows_a, rows_b)]
        if len(inside) >= MIN_ROWS and all(map(math.isfinite, scores)):
            entries.append(
                {"column": column, "value": value, "rows": len(inside), "a": scores[0], "b": scores[1],
                 "change": scores[1] - scores[0]}
            )  # fmt: skip
    return sorted(entries, key=lambda entry: -abs(entry["change"]))


def slices_of(a: Side, b: Side, places: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    """Column, value and rows of every slice: those of `--slice_columns` of either run, words, and cut texts."""
    columns = {**b.table.slices, **a.table.slices}
    for name, cells in columns.items():
        values, groups = group_values([cells[place] for place in places])
        yield from ((name, value, np.flatnonzero(groups == group)) for group, value in enumerate(values))
    words = np.array([sum(len(text.split()) for text in a.table.texts[place]) for place in places], dtype=np.float64)
    bands, groups = band_numbers(words)
    for band, (low, high) in enumerate(bands):
        yield "words", band_name(f"{low:.0f}", f"{high:.0f}"), np.flatnonzero(groups == band)
    for side, title in ((a, "truncated in A"), (b, "truncated in B")):
        is_cut = side.table.truncated[places]
        if is_cut.any() and not is_cut.all():
            yield title, "yes", np.flatnonzero(is_cut)
            yield title, "no", np.flatnonzero(~is_cut)
