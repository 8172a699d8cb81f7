"""predictions.csv: one line per row of the input, in its order."""

from __future__ import annotations

import csv
from itertools import repeat
from pathlib import Path

from classification.data.corpus import text_columns
from classification.data.formula_cells import guarded, guarded_names
from classification.data.labels import LabelSpace
from classification.data.slice_columns import slice_columns, slice_name
from classification.evaluation.predictions import Predictions
from classification.system.files import replacing


def write_predictions(path: Path, predictions: Predictions, task: LabelSpace, *, safe: bool = False) -> None:
    """Write `id, text[, text_pair][, slices...], label, prediction, prob_<name>..., tokens, truncated`.

    A slice has the user's name for its column; a slice that the split lacks is not written.

    Args:
        safe: put an apostrophe before ids, texts, slices and labels that a spreadsheet would run as a formula.
    """
    rows, logits = predictions.rows, predictions.logits
    decisions, probabilities = task.decide(logits), task.probabilities(logits)
    texts, slices = text_columns(rows), slice_columns(rows)
    titles = [guarded(slice_name(column)) if safe else slice_name(column) for column in slices]
    names = [] if probabilities is None else [f"prob_{name}" for name in task.names]
    label_ids = rows["label"][:] if "label" in rows.column_names else [None] * len(rows)
    with replacing(path) as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", *texts, *titles, "label", "prediction", *names, "tokens", "truncated"])
        contents = zip(*(rows[name] for name in ("id", *texts)), strict=True)
        parts = zip(*(rows[name] for name in slices), strict=True) if slices else repeat((), len(rows))
        for row, (content, values) in enumerate(zip(contents, parts, strict=True)):
            cells = [task.decode(label_ids[row]), task.decode(decisions[row])]
            if safe:
                content, cells = tuple(guarded(str(text)) for text in content), guarded_names(cells)
                values = tuple(guarded_names(values))
            if probabilities is not None:
                cells += [f"{value:.6f}" for value in probabilities[row]]
            writer.writerow([*content, *values, *cells, int(predictions.tokens[row]), bool(predictions.truncated[row])])
