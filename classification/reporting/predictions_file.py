"""predictions.csv: one line per row of the input, in its order."""

from __future__ import annotations

import csv
from pathlib import Path

from classification.data.corpus import text_columns
from classification.data.labels import LabelSpace
from classification.evaluation.predictions import Predictions
from classification.files import replacing
from classification.reporting.csv_cells import guarded, guarded_names


def write_predictions(path: Path, predictions: Predictions, task: LabelSpace, *, safe: bool = False) -> None:
    """Write `id, text[, text_pair], label, prediction, prob_<name>..., tokens, truncated`.

    Args:
        safe: put an apostrophe before ids, texts and labels that a spreadsheet would run as a formula.
    """
    rows, logits = predictions.rows, predictions.logits
    decisions, probabilities = task.decide(logits), task.probabilities(logits)
    texts = text_columns(rows)
    names = [] if probabilities is None else [f"prob_{name}" for name in task.names]
    label_ids = rows["label"][:] if "label" in rows.column_names else [None] * len(rows)
    with replacing(path) as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", *texts, "label", "prediction", *names, "tokens", "truncated"])
        contents = zip(*(rows[name] for name in ("id", *texts)), strict=True)
        for row, content in enumerate(contents):
            cells = [task.decode(label_ids[row]), task.decode(decisions[row])]
            if safe:
                content, cells = tuple(guarded(str(text)) for text in content), guarded_names(cells)
            if probabilities is not None:
                cells += [f"{value:.6f}" for value in probabilities[row]]
            writer.writerow([*content, *cells, int(predictions.tokens[row]), bool(predictions.truncated[row])])
